"""`ecg_tune.retrain`, and what `ecg-tune retrain` does: train the best trials again, with several seeds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from analysis.retraining.race import n_trainings, plan_race
from analysis.retraining.retrain import chosen_trials, named_trials, retrain_winners
from analysis.retraining.retrain import retrain as retrain_trials
from analysis.retraining.training_jobs import Job, Mapper, Outcome, one_by_one
from ecg_tune.api.device import pick_device
from ecg_tune.api.study_data import headline, open_study_data
from ecg_tune.cluster.limits import usable_cpus
from ecg_tune.cluster.parallel import training_pool
from ecg_tune.config import MOST_TRIALS, check_choice, check_range
from ecg_tune.errors import EcgTuneError, UsageError
from ecg_tune.search.interrupts import terminate_ray_as_interrupt
from ecg_tune.search.progress.stats import duration
from ecg_tune.study.lock import lock_retraining
from ecg_tune.study.race_result import won_text
from ecg_tune.study.study import Study
from ecg_tune.study.summary import race_of
from ecg_tune.study.trial import Trial
from ecg_tune.training.model_file import TRAIN, TRAIN_AND_VALIDATION

TOP, RACERS, SEEDS = 3, 8, 3
"""Trials that are retrained, or raced, and seeds of each, where nothing else is asked for."""
MOST_FOLDS, MOST_SEEDS = 20, 1000


def retrain(
    study: Path | str,
    *,
    top: int | None = None,
    seeds: int | None = None,
    per_family: bool = False,
    trials: Sequence[int] = (),
    race: bool = False,
    folds: int | None = None,
    on: str = TRAIN,
    data: Path | str | None = None,
    device: str = "auto",
    address: str | None = None,
    insecure: bool = False,
    say: Callable[[str], None] = print,
) -> Mapping[str, Any]:
    """Retrain the best trials of a study with several seeds, and choose an ensemble of them on validation.

    Writes `STUDY/models`. The same call again skips what is finished. The test split stays sealed.

    Args:
        study: Folder of the study.
        top: Trials to retrain, the best first; 3, or 8 of a race, when None.
        seeds: Trainings of each trial, or of each finalist of a race over folds; 3 when None.
        per_family: Take the best trials of each family, not of the whole study.
        trials: Numbers of the trials to retrain instead.
        race: Race the best trials over seeds: the better half gets more seeds, and the means decide.
        folds: Race over so many folds of the training split instead, by patient; 2 to 20.
        on: Splits to train on: "train" or "train+validation".
        data: Prepared data, if they have moved since the search.
        device: "auto", "cpu" or a CUDA device such as "cuda:0".
        address: Ray cluster to train on; None takes RAY_ADDRESS, else this machine.
        insecure: Start or join a Ray that asks for no token.
        say: Is told how the trainings go, a line at a time.

    Returns:
        The manifest, as it is in `STUDY/models/manifest.json`: `models`, each with its seeds; `failed` trainings; the `ensemble`. After
        a race also `race`, all racers, the winner first, as in `STUDY/models/race.json`.

    Raises:
        ConfigError: A number that is out of range.
        UsageError: Options that exclude each other, or a trial that can't be retrained.
        StudyError: There is no such study, or another retraining is running on it.
    """
    _check_options(trials, top=top, per_family=per_family, race=race, seeds=seeds, folds=folds)
    check_choice("split to retrain on", on, (TRAIN, TRAIN_AND_VALIDATION))
    folder, opened = Path(study), Study.open(study)
    with lock_retraining(folder):
        prepared = open_study_data(opened, None if data is None else str(data)).in_memory()
        say(headline(prepared))
        progress = Progress(say)
        chosen = named_trials(opened, list(trials)) if trials else chosen_trials(opened, top=wanted(top, race=race), per_family=per_family)
        cluster, single = address or os.environ.get("RAY_ADDRESS"), len(chosen) * (seeds or SEEDS) <= 1
        if race and chosen:
            say(_race_plan(chosen, folds or 0, seeds or SEEDS))
        chosen_trainers = trainers(cluster, insecure=insecure, device=device, single=single)
        with chosen_trainers as (mapper, trainer_device):
            train = partial(retrain_winners, folds=folds or 0) if race else retrain_trials
            manifest = train(
                opened, prepared, folder.resolve(), chosen, seeds=seeds or SEEDS, on=on, device=trainer_device,
                on_start=progress.start, on_done=progress.done, map=mapper,
            )  # fmt: skip
        if not race and (standing := _standing_race(opened, manifest)):
            say(standing)
    return manifest


def wanted(top: int | None, *, race: bool) -> int:
    """Return how many trials are asked for."""
    return top if top is not None else RACERS if race else TOP


def _check_options(trials: Sequence[int], *, top: int | None, per_family: bool, race: bool, seeds: int | None, folds: int | None) -> None:
    for name, value, limits in (("top", top, (1, MOST_TRIALS)), ("seeds", seeds, (1, MOST_SEEDS)), ("folds", folds, (2, MOST_FOLDS))):
        if value is not None:
            check_range(name, value, *limits)
    if trials and (per_family or top):
        raise UsageError(f"--trial {trials[0]} names what to retrain: leave --top and --per-family out")
    if race and (trials or (seeds and not folds)):
        raise UsageError("--race gives each trial its seeds, and races the best ones: leave --trial and --seeds out, give --top")
    if folds and not race:
        raise UsageError(f"--folds {folds} is over what a race goes: give --race too")


@contextmanager
def trainers(address: str | None, *, insecure: bool, device: str, single: bool) -> Iterator[tuple[Mapper, str]]:
    """Open what runs the trainings, with the device they use; no Ray where only one training can run at once."""
    kind = device if address else pick_device(device)
    if not address and (single or _parallel_trainings(kind) == 1):
        yield one_by_one, kind
        return
    with terminate_ray_as_interrupt(), training_pool(address, insecure=insecure, device=kind) as pool:
        yield pool


def _parallel_trainings(device: str) -> int:
    """Count the trainings that this machine can run at once: one on a named GPU, else one a GPU or one a core."""
    if device == "cuda":
        return torch.cuda.device_count()
    return 1 if device.startswith("cuda") else usable_cpus()


class Progress:
    """Says a line as each training ends, with how many there are and about how long the others take."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.n_jobs, self.n_done = say, 0, 0
        self.started = time.monotonic()

    def start(self, n_jobs: int, n_kept: int) -> None:
        """Start a round of trainings."""
        self.n_jobs, self.n_done, self.started = n_jobs, 0, time.monotonic()
        kept = f", {n_kept} were finished before" if n_kept else ""
        self.say(f"{n_jobs} training{'s' * (n_jobs != 1)} to do{kept}")

    def done(self, job: Job, outcome: Outcome) -> None:
        """Say how one training ended."""
        self.n_done += 1
        part = f"fold {job.fold.number + 1} of {job.fold.of}" if job.fold else f"seed {job.seed}"
        label = f"{job.name} (trial {job.trial}, {part})" + (" on train+validation" if job.reference else "")
        left = (time.monotonic() - self.started) / self.n_done * (self.n_jobs - self.n_done)
        end = f"; about {duration(left)} left" if left else ""
        self.say(f"[{self.n_done}/{self.n_jobs}] {label}: {_describe_outcome(job, outcome)}{end}")


def _describe_outcome(job: Job, outcome: Outcome) -> str:
    if isinstance(outcome, EcgTuneError):
        return f"failed: {outcome}"
    trained = f"{outcome.epochs} epochs, {outcome.seconds:.0f} s"
    if job.reference:
        return f"{trained}, as its reference model's best"
    if job.fold:
        return f"macro AUC on the fold {outcome.validation_macro_auc:.4f}, {trained}"
    change = "" if job.search_value is None else f" ({outcome.validation_macro_auc - job.search_value:+.4f} against the search)"
    return f"validation macro AUC {outcome.validation_macro_auc:.4f}{change}, {trained}"


def _standing_race(study: Study, manifest: Mapping[str, Any]) -> str:
    """Say what an earlier race says after a retraining that was none; "" where there was no race."""
    raced, lapsed = race_of(study)
    if not raced:
        return lapsed
    here = any(model["trial"] == raced[0].trial for model in manifest["models"])
    best = f"trial {raced[0].trial} stays the best, by the {won_text(raced)}"
    return best if here else f"{best}; it is not among these models, so an evaluation names the best of these"


def _race_plan(trials: Sequence[Trial], folds: int, seeds: int) -> str:
    """Say before the race what it costs, by the seconds of the trials in the search.

    Args:
        folds: 0 for a race over seeds.
        seeds: Of each finalist, after a race over folds.
    """
    plan, unit = plan_race(len(trials), folds), "fold" if folds else "seed"
    rounds = ", ".join(f"{racers} with {repeats} {unit}{'s' if repeats > 1 else ''}" for racers, repeats in plan)
    more = plan[-1][0] * seeds if folds else 0
    n, seconds = n_trainings(len(trials), folds) + more, [trial.seconds for trial in trials if trial.seconds]
    time_text = f"; about {duration(sum(seconds) / len(seconds) * n)} of training" if seconds else ""
    finalists = f", then {plan[-1][0]} with {seeds} seed{'s' if seeds > 1 else ''} on all of train" if folds else ""
    return f"race of {len(trials)} trials: {rounds}{finalists}; {n} trainings{time_text}"
