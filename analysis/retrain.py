"""Retrain the best trials of a study: each config with several seeds, on the training part.

Validation gives early stopping and thresholds; the test part is never opened here.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial

from ecg_tune.config import TrialConfig
from ecg_tune.data.prepared import PreparedData
from ecg_tune.errors import DataError, EcgTuneError, NonFiniteLossError, StudyError, WorkFailedError
from ecg_tune.models import MODELS, trial_config
from ecg_tune.search.study import best_trials
from ecg_tune.training.checkpoint import SavedModel, describe_data, load_saved, save_model
from ecg_tune.training.fit import saved_model, train_model

MODELS_FOLDER, MANIFEST = "models", "manifest.json"


@dataclass(frozen=True)
class Job:
    """One training: a trial's config with one seed, and where the result goes.

    Attributes:
        search_value: The trial's macro AUC in the search; None when the search went by another metric.
        path: Named after the trial, not its rank, which more trials may change.
    """

    name: str
    trial: int
    search_value: float | None
    config: TrialConfig
    seed: int
    path: Path


Outcome = SavedModel | EcgTuneError
Mapper = Callable[[Callable[[Job], Outcome], Iterable[Job]], Iterator[Outcome]]


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


def plan_jobs(study: optuna.Study, folder: Path, *, top: int, seeds: int, per_family: bool = False) -> list[Job]:
    """Return the trainings of the `top` best COMPLETE trials, of the study or of each family, `seeds` each, best trial first.

    Raises:
        StudyError: The study has no COMPLETE trial.
    """
    rows = chosen_trials(study, top=top, per_family=per_family)
    if not rows:
        raise StudyError(f"{folder} has no COMPLETE trial to retrain: let its search go on")
    metric = str(study.user_attrs["metric"])
    jobs, seen = [], Counter[str]()
    for row in rows:
        config = trial_config(row.user_attrs["config"], where=f"trial {row.number}")
        seen[config.family] += 1
        name = MODELS[config.family].name + (f"#{seen[config.family]}" if seen[config.family] > 1 else "")
        value = float(row.value or 0.0) if metric == "macro_auc" else None
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
    *,
    top: int,
    seeds: int,
    per_family: bool = False,
    device: str = "cpu",
    on_done: Callable[[Job, Outcome], None] | None = None,
    map: Mapper = map,
) -> dict[str, Any]:
    """Retrain and write `folder`/models; return the manifest.

    Trainings that an earlier call finished are kept, so that an interrupted one goes on. One that fails does not stop the
    others: the manifest lists it under "failed".

    Args:
        per_family: Take the `top` best of each family, not of the study.
        on_done: Called after every training, with the model or the error.
        map: Runs the trainings; the built-in one takes them one by one.
    """
    check_data(study, data)
    jobs = plan_jobs(study, folder, top=top, seeds=seeds, per_family=per_family)
    (folder / MODELS_FOLDER / MANIFEST).unlink(missing_ok=True)  # it would describe models that are being replaced
    metric = str(study.user_attrs["metric"])
    done: list[tuple[Job, SavedModel]] = []
    failed: list[tuple[Job, EcgTuneError]] = []
    for job, outcome in zip(jobs, map(partial(_train, data=data, device=device, metric=metric), jobs), strict=True):
        if isinstance(outcome, SavedModel):
            done.append((job, outcome))
        else:
            failed.append((job, outcome))
        if on_done:
            on_done(job, outcome)
    return _write_manifest(done, failed, folder, study=study.study_name, data=data)


def _train(job: Job, *, data: PreparedData, device: str, metric: str) -> Outcome:
    try:
        saved = _kept(job, data) or saved_model(
            train_model(job.config, data, seed=job.seed, device=device, metric=metric), data, name=job.name, trial=job.trial, device=device
        )
    except NonFiniteLossError as error:
        return error
    except torch.OutOfMemoryError as error:
        return WorkFailedError(f"out of memory: {str(error).splitlines()[0]}")
    saved = dataclasses.replace(saved, name=job.name)
    save_model(job.path, saved)
    return saved


def _kept(job: Job, data: PreparedData) -> SavedModel | None:
    """Return what an earlier call made of the same job; None when there is nothing whole that fits."""
    if not job.path.exists():
        return None
    try:
        saved = load_saved(job.path)
    except DataError:
        return None  # cut or of an older format: trained again
    same = (saved.trial, saved.seed, saved.config, saved.data["fingerprint"]) == (job.trial, job.seed, job.config, data.fingerprint)
    return saved if same else None


def _write_manifest(
    done: list[tuple[Job, SavedModel]], failed: list[tuple[Job, EcgTuneError]], folder: Path, *, study: str, data: PreparedData
) -> dict[str, Any]:
    models, target = [], folder / MODELS_FOLDER
    for name in dict.fromkeys(job.name for job, _ in done):
        group = [(job, saved) for job, saved in done if job.name == name]
        scores = [saved.validation_macro_auc for _, saved in group]
        best_file = f"{name}_best.pth"
        save_model(target / best_file, max(group, key=lambda pair: pair[1].validation_macro_auc)[1])
        models.append(
            {
                "name": name,
                "family": group[0][0].config.family,
                "trial": group[0][0].trial,
                "search_value": group[0][0].search_value,
                "best_file": best_file,
                "validation_macro_auc_mean": statistics.fmean(scores),
                "validation_macro_auc_sd": statistics.stdev(scores) if len(scores) > 1 else None,
                "seeds": [_seed_row(job, saved) for job, saved in group],
            }
        )
    for stale in set(target.glob("*_best.pth")) - {target / str(model["best_file"]) for model in models}:
        stale.unlink()
    lost = [{"name": job.name, "trial": job.trial, "seed": job.seed, "error": str(error)} for job, error in failed]
    manifest = {"study": study, **describe_data(data), "models": models, "failed": lost}
    if models:
        scratch = (target / MANIFEST).with_suffix(".part")
        scratch.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        scratch.replace(target / MANIFEST)
    return manifest


def _seed_row(job: Job, saved: SavedModel) -> dict[str, Any]:
    facts = {"validation_macro_auc": saved.validation_macro_auc, "epochs": saved.epochs, "seconds": saved.seconds}
    return {"seed": job.seed, "file": job.path.name, **facts}
