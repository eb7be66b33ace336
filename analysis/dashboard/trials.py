"""The trials that a dashboard shows: those of the study, each with its place among the others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from analysis.dashboard.identity import Same
from ecg_tune.errors import StudyError
from ecg_tune.search.stopping.schedulers import study_forecasts, study_rungs
from ecg_tune.search.stopping.story import story
from ecg_tune.study.ranking import AnyTrial, best_of
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial


@dataclass(frozen=True)
class RankedTrial(Trial):
    """A trial and how it compares with the study's others.

    Attributes:
        on_front: COMPLETE, and no other trial is at least as good in every objective and better in one; False with one objective.
        best_so_far: Highest value of the COMPLETE trials up to this number (as Optuna's history counts); None before the first.
        rungs: The rungs that it reached, at which early stopping compares it, in epochs, ascending.
        interrupted: Not ended, and no search is running.
        story: Why it waited and resumed, a line each; () where trials do not wait.
        forecast: Of a trial that waits, as of now.
        expected: Its value; of a trial that waits, or was pruned for its forecast, that forecast; None for all others.
    """

    on_front: bool = False
    best_so_far: float | None = None
    rungs: tuple[int, ...] = ()
    interrupted: bool = False
    story: tuple[str, ...] = ()
    expected: float | None = None

    @property
    def shown_state(self) -> str:
        """The state as the page says it: a trial that its search left is "INTERRUPTED"."""
        return "INTERRUPTED" if self.interrupted else self.state


def ranked_trials(study: Study) -> list[RankedTrial]:
    """List the study's trials by number, without those that a newer trial replaces.

    Raises:
        StudyError: The first objective is minimised; these figures show it as a metric, higher is better. Or a value is infinite.
    """
    if study.directions[0] != "maximize":
        raise StudyError(f"study {study.name!r} minimises, and the dashboard shows a maximised metric: open it in optuna-dashboard")
    families = study.attributes.families
    unnamed = families[0] if len(families) == 1 else "model"
    reached = _rungs_reached(study)
    front = {trial.number for trial in study.pareto()} if len(study.directions) > 1 else set()
    counted, forecasts, last_epoch = study.trials(), study_forecasts(study), study.attributes.max_epochs
    trials: list[RankedTrial] = []
    running = study.search_running
    best: float | None = None
    for trial in counted:
        if trial.value is not None:
            if not math.isfinite(trial.value):
                raise StudyError(
                    f"trial {trial.number} of study {study.name!r} is COMPLETE with the value {trial.value}: nothing can draw it"
                )
            best = trial.value if best is None else max(best, trial.value)
        waits = trial.paused and forecasts is not None and forecasts.known(trial.number)
        forecast = forecasts.of_trial(trial.number) if waits and forecasts is not None else trial.forecast
        trials.append(
            _ranked(
                Same(trial),
                family=trial.family or unnamed,
                interrupted=trial.state == "RUNNING" and not running,
                story=tuple(story(trial, counted, epochs=last_epoch)[1:]) if trial.decisions and last_epoch else (),
                forecast=forecast,
                on_front=trial.number in front,
                best_so_far=best,
                rungs=tuple(sorted(reached.get(trial.number, ()))),
                expected=min(forecast[0], 1.0) if trial.value is None and forecast else trial.value,
            )
        )
    return trials


@lru_cache(maxsize=50_000)
def _ranked(trial: Same[Trial], **more: Any) -> RankedTrial:
    """Make a trial one that is compared with others; the same object when nothing is new about it."""
    fields = {field.name: getattr(trial.object, field.name) for field in dataclasses.fields(trial.object)}
    return RankedTrial(**{**fields, **more})


def families_of(trials: Iterable[Trial]) -> list[str]:
    """List the families that have a trial, in the order of their first trials."""
    return list(dict.fromkeys(trial.family for trial in trials))


def completed(trials: Iterable[AnyTrial], family: str | None = None) -> list[AnyTrial]:
    """Keep the COMPLETE trials, of one family or of all."""
    return [trial for trial in trials if trial.value is not None and family in (None, trial.family)]


def compared(trials: Iterable[RankedTrial], family: str | None = None) -> list[RankedTrial]:
    """Keep the trials that figures of parameters compare: those with a value, or a forecast of it; of one family or of all."""
    return [trial for trial in trials if trial.expected is not None and family in (None, trial.family)]


def best_trial(trials: Iterable[AnyTrial]) -> AnyTrial | None:
    """Find the COMPLETE trial with the highest value (the earliest of equals, as Optuna does); None when there is none."""
    return next(iter(best_of(trials)), None)


def parameters_of(trials: Iterable[Trial], family: str | None = None) -> list[str]:
    """List the searched parameters in the order of their first use. For one family, leave out the parameter that chooses the family."""
    names = dict.fromkeys(name for trial in trials if family in (None, trial.family) for name in trial.params)
    return [name for name in names if family is None or name != "family"]


def _rungs_reached(study: Study) -> dict[int, set[int]]:
    """Map each trial's number to the rungs that it reached, as the search and `ecg-tune status` count them."""
    rungs = study_rungs(study)
    reached: dict[int, set[int]] = {}
    for (_, epoch), values in rungs.values.items():
        for number in values if epoch in rungs.rule.marks else ():
            reached.setdefault(number, set()).add(epoch)
    return reached
