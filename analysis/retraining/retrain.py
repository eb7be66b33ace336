"""Retrain the best trials of a study: each config with several seeds, on train, or on train and validation.

On train, validation gives early stopping and thresholds. On train and validation every model has a reference model, the same
config and seed trained on train alone, which gives all that validation decides. Then the ensemble is chosen, on validation too.
The test split is never opened here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from analysis.retraining.candidates import MANIFEST, listed_candidates
from analysis.retraining.ensemble import make_ensemble
from analysis.retraining.folds import train_folds
from analysis.retraining.history_figures import draw_histories
from analysis.retraining.manifest import RetrainedModel, refit_path, write_best_files, write_manifest
from analysis.retraining.race import plan_race, race
from analysis.retraining.training_jobs import (
    MODELS_FOLDER,
    Job,
    Key,
    Mapper,
    Outcome,
    finished_model,
    one_by_one,
    plan_jobs,
    train_job,
)
from ecg_tune.config import check_choice
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import EcgTuneError, StudyError
from ecg_tune.study.race_result import write_race
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.model_file import TRAIN, TRAIN_AND_VALIDATION, SavedModel, save_model

Failed = list[tuple[Job, EcgTuneError]]


def chosen_trials(study: Study, *, top: int, per_family: bool = False) -> list[Trial]:
    """Pick the `top` best COMPLETE trials, of the study or of each family, best first."""
    if not per_family:
        return study.best_trials(top)
    trials, n_of_family = [], Counter[str]()
    for trial in study.best_trials():
        n_of_family[trial.family] += 1
        if n_of_family[trial.family] <= top:
            trials.append(trial)
    return trials


def named_trials(study: Study, numbers: Collection[int]) -> list[Trial]:
    """Pick the COMPLETE trials with these numbers, best first.

    Raises:
        StudyError: A number is not that of a COMPLETE trial.
    """
    trials = [trial for trial in study.best_trials() if trial.number in numbers]
    if missing := set(numbers) - {trial.number for trial in trials}:
        states = {trial.number: f"is {trial.state}" for trial in study.all_trials()}
        state = states.get(min(missing), "does not exist")
        raise StudyError(f"trial {min(missing)} {state}, a COMPLETE one is wanted: `ecg-tune dashboard` lists the best")
    return trials


def check_data(study: Study, data: PreparedData) -> None:
    """Refuse data that are not those of the study.

    Raises:
        StudyError: Names both fingerprints.
    """
    searched = str(study.attributes.data_fingerprint)
    if searched != data.fingerprint:
        raise StudyError(
            f"the study was searched on data {searched[:12]}, {data.folder} holds {data.fingerprint[:12]}: give --data with the study's own"
        )


def retrain_winners(
    study: Study,
    data: PreparedData,
    folder: Path,
    trials: Sequence[Trial],
    *,
    folds: int = 0,
    seeds: int = 1,
    on: str = TRAIN,
    device: str = "cpu",
    on_start: Callable[[int, int], None] | None = None,
    on_done: Callable[[Job, Outcome], None] | None = None,
    map: Mapper = one_by_one,
) -> dict[str, Any]:
    """Race trials over seeds or folds, see `analysis.retraining.race`, and retrain those of the last round as `retrain` does.

    How the race ended stays on record beside the models (`ecg_tune.study.race_result`) until it is run again.

    Args:
        trials: The racers.
        folds: Of the training split, over which they race; 0 for a race over seeds.
        seeds: Trainings of each finalist after a race over folds; those of a race over seeds are done in it.
        on_start: Called once a round, and as in `retrain`.

    Returns:
        The manifest, and under "race" all racers, the winner first.
    """
    check_data(study, data)
    work = partial(train_job, data=data, device=device, metric=str(study.attributes.metric))

    divided = train_folds(data, folds) if folds else []

    def train(repeats: Mapping[int, int]) -> dict[int, list[float]]:
        jobs = plan_jobs(study, folder, [trial for trial in trials if trial.number in repeats], seeds=repeats)
        jobs = [job.on_fold(divided[job.seed]) for job in jobs] if folds else jobs
        models, _ = finish(jobs, data=data, work=work, on_start=on_start, on_done=on_done, map=map)
        values: dict[int, list[float]] = {}
        for (number, _), saved in sorted(models.items()):
            values.setdefault(number, []).append(saved.validation_macro_auc)
        return values

    raced = race(trials, train, metric=str(study.attributes.metric), folds=folds)
    last, _ = plan_race(len(trials), folds)[-1]
    repeats = {racer.trial: seeds if folds else racer.seeds for racer in raced[:last] if racer.values}
    repeats = repeats or dict.fromkeys((racer.trial for racer in raced), 1)  # all failed: tried once more, and the manifest says why
    winners = [trial for number in repeats for trial in trials if trial.number == number]
    how: dict[str, Any] = {"device": device, "on_start": on_start, "on_done": on_done, "map": map}
    rows = [racer.as_row() for racer in raced]
    if raced and raced[0].values:
        write_race(folder / MODELS_FOLDER, rows)
    return {**retrain(study, data, folder, winners, seeds=repeats, on=on, **how), "race": rows}


def retrain(
    study: Study,
    data: PreparedData,
    folder: Path,
    trials: Sequence[Trial],
    *,
    seeds: int | Mapping[int, int],
    on: str = TRAIN,
    device: str = "cpu",
    on_start: Callable[[int, int], None] | None = None,
    on_done: Callable[[Job, Outcome], None] | None = None,
    map: Mapper = one_by_one,
) -> dict[str, Any]:
    """Retrain, choose the ensemble, write `folder`/models with figures of the trainings, and return the manifest.

    Trainings that an earlier call finished are kept, so that an interrupted retraining resumes. One that fails does not stop the
    others: the manifest lists it under "failed". The ensemble is chosen anew from the models of this call; one of other models goes.

    Args:
        trials: Best first: `chosen_trials`, or `named_trials`.
        seeds: Trainings of each, or trial number → trainings.
        on: "train", or "train+validation", before which every reference model is trained on train.
        on_start: Called with the number of trainings to do and of those finished before; twice with "train+validation".
        on_done: Called after every training, with the model or the error.
        map: Runs the trainings.
    """
    check_data(study, data)
    check_choice("split to retrain on", on, (TRAIN, TRAIN_AND_VALIDATION))
    jobs, models_folder = plan_jobs(study, folder, trials, seeds=seeds), folder / MODELS_FOLDER
    (models_folder / MANIFEST).unlink(missing_ok=True)  # it would describe models that are being replaced
    work = partial(train_job, data=data, device=device, metric=str(study.attributes.metric))
    trained = partial(finish, data=data, work=work, on_start=on_start, on_done=on_done, map=map)
    references, failed = trained(jobs)
    models = references
    if on == TRAIN_AND_VALIDATION:
        models, failed_refits = trained([job.refit(references[job.key], refit_path(job.path)) for job in jobs if job.key in references])
        failed += failed_refits
    done = [RetrainedModel(job.name, job.search_value, job.path, references[job.key], models[job.key]) for job in jobs if job.key in models]
    draw_histories(done, models_folder, class_names=data.class_names)
    listed = write_best_files(done, models_folder)
    ensemble = make_ensemble(models_folder, listed_candidates(models_folder, listed), data, device=local_device(device))
    return write_manifest(listed, _describe_failed(failed), ensemble, models_folder, study=study.name, data=data, on=on)


def finish(
    jobs: Sequence[Job],
    *,
    data: PreparedData,
    work: Callable[[Job], Outcome],
    on_start: Callable[[int, int], None] | None,
    on_done: Callable[[Job, Outcome], None] | None,
    map: Mapper,
) -> tuple[dict[Key, SavedModel], Failed]:
    """Train what is missing; return the models by trial and seed, and what failed. Every model is written as soon as it is there."""
    models = {job.key: saved for job in jobs if (saved := finished_model(job, data))}
    failed: Failed = []
    missing = [job for job in jobs if job.key not in models]
    if on_start:
        on_start(len(missing), len(models))
    for job, outcome in map(work, missing):
        if isinstance(outcome, SavedModel):
            models[job.key] = outcome
            save_model(job.path, outcome)
        else:
            failed.append((job, outcome))
        if on_done:
            on_done(job, outcome)
    return models, failed


def local_device(device: str) -> str:
    """Pick the device for predictions in this process: that of the trainings, or the CPU where only other machines have GPUs."""
    return device if not device.startswith("cuda") or torch.cuda.is_available() else "cpu"


def _describe_failed(failed: Failed) -> list[dict[str, Any]]:
    return [{"name": job.name, "trial": job.trial, "seed": job.seed, "error": str(error)} for job, error in failed]
