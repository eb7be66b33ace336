"""How far a study got, and on what: the facts that `status` and the dashboard show beside every number of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.extensions import counting
from ecg_tune.study.race_result import MODELS_FOLDER, Raced, read_race
from ecg_tune.study.ranking import best_of, pareto_front
from ecg_tune.study.study import Study
from ecg_tune.study.trial import STATES, Trial
from ecg_tune.timing import PARTS

RungCounts = Mapping[str, Mapping[int, int]]
"""Family → {epoch of a rung: trials that reached it}, both ascending."""


class BudgetUse(NamedTuple):
    """A limit of the search and how much of it is used.

    Attributes:
        name: The setting's: "trials", "total_epochs", "gpu_hours", "max_hours" or "target".
        used: None where the study does not record it.
    """

    name: str
    used: float | None
    limit: float


@dataclass(frozen=True)
class StudySummary:
    """A study in numbers. A trial that was extended counts by its newest; while that is not finished, `counts` has both.

    Attributes:
        attributes: What the study says of its data and settings.
        folder: Where it lies, for the commands that are shown.
        counts: State → trials; every state that occurs, in the order of `STATES`.
        epochs: Epochs that this study trained, as its budget counts them: those of imported trials are not among them, those
            of a trial that was started again are.
        seconds: Training time of the same trials.
        best: The COMPLETE trial with the highest metric.
        defaults: The trials of the families' default configs.
        failures: The FAIL trials.
        front: With several objectives, the COMPLETE trials that no other one dominates.
        objectives: What the study searches for: the metric, then what it minimises.
        imported: Trials that were taken from other studies; `counts` holds them too.
        waiting: Trials that wait at a rung; `counts` has them as RUNNING.
        extending: Unfinished trials that extend one which still counts.
        rung_counts: Trials that reached each rung.
        budgets: The limits that the search was last given.
        race: How the last race over seeds ended, the winner first; empty without one that still holds.
        lapsed: Why the last race no longer holds; "" where it does, or there was none.
        winner: The trial that won it; None without a race, or when all its trainings failed.
        timing: Part of `ecg_tune.timing.PARTS` → its seconds over all trials; empty where none measured that.
        n_timed: Trials that did.
        n_set_aside: Trials that lie outside of the space of today.
    """

    name: str
    folder: str
    attributes: StudyAttributes
    counts: Mapping[str, int]
    epochs: int
    seconds: float
    best: Trial | None
    defaults: tuple[Trial, ...]
    failures: tuple[Trial, ...]
    front: tuple[Trial, ...]
    objectives: tuple[str, ...]
    imported: int
    waiting: int
    extending: int
    rung_counts: RungCounts
    budgets: tuple[BudgetUse, ...]
    timing: Mapping[str, float]
    n_timed: int
    n_set_aside: int
    race: tuple[Raced, ...] = ()
    lapsed: str = ""
    winner: Trial | None = None

    @property
    def metric(self) -> str:
        """The validation metric that is maximised; "value" where the study does not say."""
        return self.objectives[0]

    @property
    def n_trials(self) -> int:
        """Trials that count; one that is being extended counts once."""
        return sum(self.counts.values()) - self.extending


def summarise(study: Study, trials: Sequence[Trial] | None = None, *, rung_counts: RungCounts | None = None) -> StudySummary:
    """Count what a study holds.

    Args:
        trials: `study.trials()`, where they are read already.
        rung_counts: Of `ecg_tune.search.stopping.rungs`, which knows who is compared where.
    """
    trials = study.trials() if trials is None else trials
    attributes, here, extended = study.attributes, trained(study.all_trials()), {trial.continued_from for trial in trials}
    timed = [trial for trial in here if sum(trial.timing.values()) > 0]
    seen, best = Counter(trial.state for trial in trials), best_of(trials)
    minimised = [*attributes.minimise, *(f"objective {n}" for n in range(len(attributes.minimise) + 2, len(study.directions) + 1))]
    race, lapsed = race_of(study)
    winner = race[0].trial if race and race[0].mean is not None else None
    return StudySummary(
        name=study.name,
        folder=str(study.folder or study.name),
        attributes=attributes,
        counts={state: seen[state] for state in STATES if seen[state]},
        epochs=sum(trial.epochs for trial in here),
        seconds=sum(trial.seconds or 0.0 for trial in here),
        best=best[0] if best else None,
        defaults=tuple(trial for trial in trials if trial.is_default and trial.number not in extended),
        failures=tuple(trial for trial in trials if trial.state == "FAIL"),
        front=tuple(pareto_front(trials, study.directions)) if minimised else (),
        objectives=(attributes.metric or "value", *minimised),
        imported=sum(trial.imported for trial in trials),
        waiting=sum(trial.paused for trial in trials),
        extending=extending(trials),
        rung_counts=rung_counts or {},
        budgets=_budgets(attributes, trials, here),
        race=race,
        lapsed=lapsed,
        winner=next((trial for trial in study.all_trials() if trial.number == winner), None),
        timing={part: sum(trial.timing.get(part, 0.0) for trial in timed) for part in PARTS} if timed else {},
        n_timed=len(timed),
        n_set_aside=sum(trial.set_aside for trial in trials),
    )


def space_text(earlier: Sequence[Mapping[str, Any]], n_set_aside: int) -> str:
    """Say in one line when a study's search space changed, and how many trials are set aside since."""
    after = ", ".join(f"{space['trials']:,}" for space in earlier)
    outside = "1 of its trials lies outside and guides" if n_set_aside == 1 else f"{n_set_aside:,} of its trials lie outside and guide"
    guide = f"{outside} the search no longer" if n_set_aside else "all older trials fit it"
    return f"search space changed after {after} trial{'s' * (after != '1')}; {guide}"


def race_of(study: Study) -> tuple[tuple[Raced, ...], str]:
    """Return how the last race over seeds ended, the winner first, and "" or why it no longer holds.

    It holds until it is run again. A trial that was discarded since is left out; once one was extended, the race, which ran the
    shorter one, says nothing.
    """
    raced = [] if study.folder is None else read_race(study.folder / MODELS_FOLDER)
    if not raced:
        return (), ""
    everything = {trial.number: trial for trial in study.all_trials()}
    counted = {trial.number for trial in counting(list(everything.values()))}
    raced = [racer for racer in raced if racer.trial not in everything or not everything[racer.trial].discarded]
    changed = next((racer for racer in raced if racer.trial not in counted), None)
    if changed is None:
        return tuple(raced), ""
    why = "was extended" if changed.trial in everything else "is not in this study"
    again = f"run `ecg-tune retrain {study.folder} --race` again"
    return (), f"the race over {changed.over} no longer holds, since trial {changed.trial}, which ran in it, {why}: {again}"


def extending(trials: Iterable[Trial]) -> int:
    """Count the trials that extend another one which still counts beside them."""
    trials = list(trials)
    numbers = {trial.number for trial in trials}
    return sum(trial.continued_from in numbers for trial in trials)


def trained(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials whose epochs were trained in their study, each epoch once: a trial that resumed an older one holds its epochs.

    Args:
        trials: All of the study's, superseded ones too.
    """
    trials = list(trials)
    resumed = {trial.continued_from for trial in trials if trial.resumes}
    return [trial for trial in trials if trial.number not in resumed and not trial.imported]


def _budgets(attributes: StudyAttributes, trials: Sequence[Trial], here: Sequence[Trial]) -> tuple[BudgetUse, ...]:
    """Return the search's limits, counted as the search itself counts; none for a study that no search made."""
    settings = attributes.settings or {}
    share = settings.get("gpus_per_trial")
    if share is None:
        share = float(any((trial.device or "").startswith("cuda") for trial in trials))
    used: dict[str, float | None] = {
        "trials": sum(not trial.imported for trial in trials) - extending(trials),
        "total_epochs": sum(trial.epochs for trial in here),
        "gpu_hours": None if share == "auto" else share * sum(trial.seconds or 0.0 for trial in here) / 3600,
        "max_hours": None,
        "target": max((trial.best_value for trial in trials if trial.best_value is not None), default=None),
    }
    return tuple(BudgetUse(name, used[name], settings[name]) for name in used if settings.get(name) is not None)
