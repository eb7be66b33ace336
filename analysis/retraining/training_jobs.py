"""The single trainings of a retraining: what each one is, how it is done, and which are done already.

Workers of a cluster import this module, so it needs no more than training does: no scikit-learn, no matplotlib.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.errors import DataError, EcgTuneError, StudyError, UsageError, WorkFailedError
from ecg_tune.models import MODELS, trial_config
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.encoders import starts_trained, with_local_encoders
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import TRAIN, TRAIN_AND_VALIDATION, SavedModel, load_saved, save_model
from ecg_tune.training.oom import out_of_memory
from ecg_tune.training.refit import refit_model

Outcome = SavedModel | EcgTuneError
MODELS_FOLDER = "models"
Key = tuple[int, int]


@dataclass(frozen=True)
class Fold:
    """A part of the training split that validates a training on the others.

    Attributes:
        number: From 0.
        rows: Of the training split's records, those that validate.
    """

    number: int
    of: int
    rows: tuple[int, ...]

    def divide(self, data: PreparedData) -> PreparedData:
        """Divide the training split into train and validation; the data's own validation split is left out."""
        held_out = np.zeros(len(data.train), dtype=np.bool_)
        held_out[list(self.rows)] = True
        return dataclasses.replace(data, train=_part(data.train, ~held_out), validation=_part(data.train, held_out, "validation"))


@dataclass(frozen=True)
class Job:
    """One training: a trial's config with one seed, and where the result goes.

    Attributes:
        search_value: The trial's macro AUC in the search; None when the search went by another metric.
        path: Named after the trial, not its rank, which more trials may change.
        reference: The same config and seed, trained on train alone; None when this job trains that reference model itself.
        fold: Validates it, see `Fold`; None for the data's own validation split.
    """

    name: str
    trial: int
    search_value: float | None
    config: TrialConfig
    seed: int
    path: Path
    reference: SavedModel | None = None
    fold: Fold | None = None

    @property
    def key(self) -> Key:
        """Trial and seed."""
        return self.trial, self.seed

    def on_fold(self, fold: Fold) -> Job:
        """Plan the training that a fold validates; its seed is the fold's number, so that all trials have the same.

        Raises:
            UsageError: It starts from encoders, or learns from teachers, that were trained on the fold's records too.
        """
        if starts_trained(self.config):
            raise UsageError(
                f"trial {self.trial} starts from encoders that were trained on all of the train split, whose folds would flatter it: race "
                "over seeds, without --folds"
            )
        if self.config.training.distillation:
            raise UsageError(
                f"trial {self.trial} learns from teachers that were trained on all of the train split, whose folds would flatter it: race "
                "over seeds, without --folds"
            )
        path = self.path.with_name(f"{self.path.name.rsplit('_', 1)[0]}_fold{fold.number}of{fold.of}.pth")
        return dataclasses.replace(self, seed=fold.number, path=path, fold=fold)

    def refit(self, reference: SavedModel, path: Path) -> Job:
        """Plan the training on train and validation that follows this one.

        Args:
            reference: What this job trained.
            path: Where the refit model goes.
        """
        light = dataclasses.replace(reference, name=self.name, state={})
        return dataclasses.replace(self, path=path, reference=light)


Mapper = Callable[[Callable[[Job], Outcome], Iterable[Job]], Iterator[tuple[Job, Outcome]]]
"""Runs trainings and gives each with its outcome, in the order in which they end."""


def one_by_one(function: Callable[[Job], Outcome], jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
    """Run trainings in this process."""
    for job in jobs:
        yield job, function(job)


def plan_jobs(study: Study, folder: Path, trials: Sequence[Trial], *, seeds: int | Mapping[int, int]) -> list[Job]:
    """List the trainings of some trials.

    Args:
        seeds: Trainings of each trial, or trial number → trainings.

    Raises:
        StudyError: There is no trial.
    """
    if not trials:
        raise StudyError(f"{folder} has no COMPLETE trial to retrain: let its search go on")
    metric = str(study.attributes.metric)
    jobs, n_of_family = [], Counter[str]()
    for trial in trials:
        config = with_local_encoders(trial_config(dict(trial.config), where=f"trial {trial.number}"), folder)
        n_of_family[config.family] += 1
        rank = n_of_family[config.family]
        name = MODELS[config.family].name + (f"#{rank}" if rank > 1 else "")
        value = trial.value if metric == "macro_auc" else None
        for seed in range(seeds if isinstance(seeds, int) else seeds[trial.number]):
            path = folder / MODELS_FOLDER / f"{MODELS[config.family].name}_trial{trial.number}_seed{seed}.pth"
            jobs.append(Job(name, trial.number, value, config, seed, path))
    return jobs


def train_job(job: Job, *, data: PreparedData, device: str, metric: str) -> Outcome:
    """Do one training, and return the model or what went wrong; only a mistake of the program itself is raised."""
    try:
        if job.reference:
            return refit_model(job.reference, data, device=device)
        data = job.fold.divide(data) if job.fold else data
        fit = train_model(job.config, data, seed=job.seed, device=device, metric=metric)
        return saved_model(fit, data, name=job.name, trial=job.trial, device=device)
    except EcgTuneError as error:
        return error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return WorkFailedError(f"out of memory: {str(error).splitlines()[0]}")


def _part(split: Split, rows: NDArray[np.bool_], name: str = "train") -> Split:
    records = {key: column[rows] for key, column in split.records.items()}
    if name != "train":
        return Split(name, split.signals_uv[rows], split.labels[rows], records)
    extra: dict[str, Any] = {key: own[rows] for key in ("certainty", "statements", "taught") if (own := getattr(split, key)) is not None}
    return Split(name, split.signals_uv[rows], split.labels[rows], records, **extra)


def finished_model(job: Job, data: PreparedData) -> SavedModel | None:
    """Read what an earlier call made of the same job; None when there is nothing whole that fits."""
    if not job.path.exists():
        return None
    try:
        saved = load_saved(job.path)
    except DataError:
        return None  # cut or of an older format: trained again
    same = (saved.trial, saved.seed, saved.config, saved.data["fingerprint"]) == (job.trial, job.seed, job.config, data.fingerprint)
    if job.reference:
        same = same and (saved.epochs, saved.thresholds) == (job.reference.best_epoch, job.reference.thresholds)
    if not same or saved.trained_on != (TRAIN_AND_VALIDATION if job.reference else TRAIN):
        return None
    if saved.name != job.name:  # more trials have changed its rank
        saved = dataclasses.replace(saved, name=job.name)
        save_model(job.path, saved)
    return saved
