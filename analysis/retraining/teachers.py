"""Train teachers for distillation: networks that tell probabilities for training records that they have not seen.

The training split is divided into folds by patient. A trial's config is trained on all folds but one, and says how probable each class is
in the records of that one; so no teacher repeats the labels that it has learnt. Validation and test stay out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.retraining.folds import train_folds
from analysis.retraining.retrain import check_data, finish, local_device
from analysis.retraining.training_jobs import Job, Mapper, Outcome, one_by_one, plan_jobs, train_job
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import UsageError, WorkFailedError
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.model_file import build_predictor
from ecg_tune.training.predictor import predict_probabilities


def check_same_records(pupils: PreparedData, teachers: PreparedData) -> None:
    """Refuse data whose train records or labels are not those of the teachers' data.

    Raises:
        UsageError: Names both folders and what differs.
    """
    mine, theirs = pupils.train, teachers.train
    for what, equal in (
        ("classes", pupils.class_names == teachers.class_names),
        ("train records", np.array_equal(mine.records["ecg_id"], theirs.records["ecg_id"])),
        ("patients", np.array_equal(mine.records["patient_id"], theirs.records["patient_id"])),
        ("labels", np.array_equal(mine.labels, theirs.labels)),
        ("sources", pupils.manifest["source"] == teachers.manifest["source"]),
    ):
        if not equal:
            raise UsageError(
                f"{pupils.location} and the study's {teachers.location} differ in their {what}: prepare both from one source, with equal "
                "settings but the leads"
            )


def teach(
    study: Study,
    data: PreparedData,
    folder: Path,
    trial: Trial,
    *,
    n_folds: int,
    device: str = "cpu",
    on_start: Callable[[int, int], None] | None = None,
    on_done: Callable[[Job, Outcome], None] | None = None,
    map: Mapper = one_by_one,
) -> NDArray[np.float32]:
    """Train a trial's config on the folds, and predict each fold by the model that has not seen it.

    Models that an earlier call, or a race over as many folds, finished are kept.

    Args:
        data: The study's own.
        folder: Of the study; the models go into its `models`.
        n_folds: 2 or more.
        on_start: Called with the number of trainings to do and of those finished before.
        on_done: Called after every training, with the model or the error.
        map: Runs the trainings.

    Returns:
        (n_records, n_classes) probabilities of the train records.

    Raises:
        UsageError: Too few patients for the folds, or a config that can't be trained on folds.
        WorkFailedError: A training failed; says why.
    """
    check_data(study, data)
    folds = train_folds(data, n_folds)
    jobs = [job.on_fold(folds[job.seed]) for job in plan_jobs(study, folder, [trial], seeds=n_folds)]
    work = partial(train_job, data=data, device=device, metric=str(study.attributes.metric))
    models, failed = finish(jobs, data=data, work=work, on_start=on_start, on_done=on_done, map=map)
    if failed:
        raise WorkFailedError(
            f"the teacher of fold {failed[0][0].seed + 1} failed ({failed[0][1]}): run the command again, or give --trial"
        )
    taught = np.zeros(data.train.labels.shape, dtype=np.float32)
    for (_, number), saved in models.items():
        rows = list(folds[number].rows)
        taught[rows] = predict_probabilities(build_predictor(saved), data.train.signals_uv[rows], device=local_device(device))
    return taught
