"""Retrain the best trials of a study: each config with several seeds, on train, or on train and validation.

On train, validation gives early stopping and thresholds. On train and validation every model has a twin, the same config and
seed trained on train alone, which gives all that validation decides. The test part is never opened here.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from analysis.retraining.history_figures import draw_histories
from analysis.retraining.manifest import MANIFEST, Retrained, both_path, write_manifest
from ecg_tune.config import TrialConfig, check_choice
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import DataError, EcgTuneError, StudyError, WorkFailedError
from ecg_tune.models import MODELS, trial_config
from ecg_tune.study.study import best_trials, objective
from ecg_tune.training.encoders import with_local_encoders
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import TRAIN, TRAIN_AND_VALIDATION, SavedModel, load_saved, save_model
from ecg_tune.training.oom import out_of_memory
from ecg_tune.training.refit import refit_model

Outcome = SavedModel | EcgTuneError
MODELS_FOLDER = "models"
Key = tuple[int, int]


@dataclass(frozen=True)
class Job:
    """One training: a trial's config with one seed, and where the result goes.

    Attributes:
        search_value: The trial's macro AUC in the search; None when the search went by another metric.
        path: Named after the trial, not its rank, which more trials may change.
        twin: The same trained on train; None for the twin itself.
    """

    name: str
    trial: int
    search_value: float | None
    config: TrialConfig
    seed: int
    path: Path
    twin: SavedModel | None = None

    @property
    def key(self) -> Key:
        """Return trial and seed."""
        return self.trial, self.seed

    def with_validation(self, twin: SavedModel) -> Job:
        """Return the training on train and validation that follows the twin's, whose job this is."""
        light = dataclasses.replace(twin, name=self.name, state={})
        return dataclasses.replace(self, path=both_path(self.path), twin=light)


Mapper = Callable[[Callable[[Job], Outcome], Iterable[Job]], Iterator[tuple[Job, Outcome]]]
"""Runs trainings and gives each with its outcome, in the order in which they end."""


def one_by_one(function: Callable[[Job], Outcome], jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
    """Run trainings in this process."""
    for job in jobs:
        yield job, function(job)


def chosen_trials(study: optuna.Study, *, top: int, per_family: bool = False) -> list[FrozenTrial]:
    """Return the `top` best COMPLETE trials, of the study or of each family, best first."""
    if not per_family:
        return best_trials(study, top)
    rows, taken = [], Counter[str]()
    for row in best_trials(study):
        family = str(row.user_attrs["config"]["family"])
        taken[family] += 1
        if taken[family] <= top:
            rows.append(row)
    return rows


def named_trials(study: optuna.Study, numbers: Collection[int]) -> list[FrozenTrial]:
    """Return the COMPLETE trials of these numbers, best first.

    Raises:
        StudyError: A number is not that of a COMPLETE trial.
    """
    rows = [row for row in best_trials(study) if row.number in numbers]
    if missing := set(numbers) - {row.number for row in rows}:
        states = {row.number: f"is {row.state.name}" for row in study.get_trials(deepcopy=False)}
        found = states.get(min(missing), "does not exist")
        raise StudyError(f"trial {min(missing)} {found}, a COMPLETE one is wanted: `ecg-tune dashboard` lists the best")
    return rows


def plan_jobs(study: optuna.Study, folder: Path, trials: Sequence[FrozenTrial], *, seeds: int) -> list[Job]:
    """Return the trainings of a study's trials, `seeds` each.

    Raises:
        StudyError: There is no trial.
    """
    if not trials:
        raise StudyError(f"{folder} has no COMPLETE trial to retrain: let its search go on")
    metric = str(study.user_attrs["metric"])
    jobs, seen = [], Counter[str]()
    for row in trials:
        config = with_local_encoders(trial_config(row.user_attrs["config"], where=f"trial {row.number}"), folder)
        seen[config.family] += 1
        name = MODELS[config.family].name + (f"#{seen[config.family]}" if seen[config.family] > 1 else "")
        value = objective(row) if metric == "macro_auc" else None
        for seed in range(seeds):
            path = folder / MODELS_FOLDER / f"{MODELS[config.family].name}_trial{row.number}_seed{seed}.pth"
            jobs.append(Job(name, row.number, value, config, seed, path))
    return jobs


def check_data(study: optuna.Study, data: PreparedData) -> None:
    """Refuse data that are not those of the study.

    Raises:
        StudyError: Names both fingerprints.
    """
    searched = str(study.user_attrs.get("data_fingerprint"))
    if searched != data.fingerprint:
        raise StudyError(
            f"the study was searched on data {searched[:12]}, {data.folder} holds {data.fingerprint[:12]}: give --data with the study's own"
        )


def retrain(
    study: optuna.Study,
    data: PreparedData,
    folder: Path,
    trials: Sequence[FrozenTrial],
    *,
    seeds: int,
    on: str = TRAIN,
    device: str = "cpu",
    on_start: Callable[[int, int], None] | None = None,
    on_done: Callable[[Job, Outcome], None] | None = None,
    map: Mapper = one_by_one,
) -> dict[str, Any]:
    """Retrain, write `folder`/models with figures of the trainings, and return the manifest.

    Trainings that an earlier call finished are kept, so that an interrupted one goes on. One that fails does not stop the
    others: the manifest lists it under "failed".

    Args:
        trials: Best first: `chosen_trials`, or `named_trials`.
        seeds: Trainings of each.
        on: "train", or "train+validation", before which every twin is trained on train.
        on_start: Called with the number of trainings to do and of those finished before; twice with "train+validation".
        on_done: Called after every training, with the model or the error.
        map: Runs the trainings.
    """
    check_data(study, data)
    check_choice("part to retrain on", on, (TRAIN, TRAIN_AND_VALIDATION))
    jobs = plan_jobs(study, folder, trials, seeds=seeds)
    (folder / MODELS_FOLDER / MANIFEST).unlink(missing_ok=True)  # it would describe models that are being replaced
    work = partial(_train, data=data, device=device, metric=str(study.user_attrs["metric"]))
    finish = partial(_finish, data=data, work=work, on_start=on_start, on_done=on_done, map=map)
    twins, failed = finish(jobs)
    models = twins
    if on == TRAIN_AND_VALIDATION:
        later = [job.with_validation(twins[job.key]) for job in jobs if job.key in twins]
        models, failed_later = finish(later)
        failed += failed_later
    done = [Retrained(job.name, job.search_value, job.path, twins[job.key], models[job.key]) for job in jobs if job.key in models]
    draw_histories(done, folder / MODELS_FOLDER, class_names=data.class_names)
    lost = [{"name": job.name, "trial": job.trial, "seed": job.seed, "error": str(error)} for job, error in failed]
    return write_manifest(done, lost, folder / MODELS_FOLDER, study=study.study_name, data=data, on=on)


def _finish(
    jobs: Sequence[Job],
    *,
    data: PreparedData,
    work: Callable[[Job], Outcome],
    on_start: Callable[[int, int], None] | None,
    on_done: Callable[[Job, Outcome], None] | None,
    map: Mapper,
) -> tuple[dict[Key, SavedModel], list[tuple[Job, EcgTuneError]]]:
    """Return what is trained, by trial and seed, and what failed. Every model is written as soon as it is there."""
    found = {job.key: kept for job in jobs if (kept := _kept(job, data))}
    failed: list[tuple[Job, EcgTuneError]] = []
    missing = [job for job in jobs if job.key not in found]
    if on_start:
        on_start(len(missing), len(found))
    for job, outcome in map(work, missing):
        if isinstance(outcome, SavedModel):
            found[job.key] = outcome
            save_model(job.path, outcome)
        else:
            failed.append((job, outcome))
        if on_done:
            on_done(job, outcome)
    return found, failed


def _train(job: Job, *, data: PreparedData, device: str, metric: str) -> Outcome:
    try:
        if job.twin:
            return refit_model(job.twin, data, device=device)
        fit = train_model(job.config, data, seed=job.seed, device=device, metric=metric)
        return saved_model(fit, data, name=job.name, trial=job.trial, device=device)
    except EcgTuneError as error:
        return error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return WorkFailedError(f"out of memory: {str(error).splitlines()[0]}")


def _kept(job: Job, data: PreparedData) -> SavedModel | None:
    """Return what an earlier call made of the same job; None when there is nothing whole that fits."""
    if not job.path.exists():
        return None
    try:
        saved = load_saved(job.path)
    except DataError:
        return None  # cut or of an older format: trained again
    same = (saved.trial, saved.seed, saved.config, saved.data["fingerprint"]) == (job.trial, job.seed, job.config, data.fingerprint)
    if job.twin:
        same = same and (saved.epochs, saved.thresholds) == (job.twin.best_epoch, job.twin.thresholds)
    if not same or saved.trained_on != (TRAIN_AND_VALIDATION if job.twin else TRAIN):
        return None
    if saved.name != job.name:  # more trials have changed its rank
        saved = dataclasses.replace(saved, name=job.name)
        save_model(job.path, saved)
    return saved
