"""What `ecg-tune data teach` does: copy prepared data, and let the best config of another study teach their train records."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.retraining.retrain import named_trials
from analysis.retraining.teachers import check_same_records
from analysis.retraining.teachers import teach as train_teachers
from ecg_tune.api.retrain import MOST_FOLDS, Progress, trainers
from ecg_tune.api.study_data import headline, open_study_data
from ecg_tune.config import check_range
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.data.prepared.ledger import LEDGER, ledger_lines
from ecg_tune.data.prepared.manifest import write_manifest
from ecg_tune.data.prepared.taught import add_taught, copy_splits
from ecg_tune.data.prepared.writer import check_folder
from ecg_tune.errors import DataError, StudyError, UsageError, WorkFailedError
from ecg_tune.folder_kinds import MANIFEST
from ecg_tune.metrics import macro_auc
from ecg_tune.scratch import scratch_folder
from ecg_tune.study.lock import lock_retraining
from ecg_tune.study.study import Study
from ecg_tune.study.summary import race_of
from ecg_tune.study.trial import Trial

FOLDS = 5
"""Parts of the train split, where nothing else is asked for."""


def teach(
    data: Path | str,
    out: Path | str,
    study: Path | str,
    *,
    folds: int = FOLDS,
    trial: int | None = None,
    study_data: Path | str | None = None,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Write a copy of prepared data whose train records hold what teachers with other leads say of them.

    Args:
        data: Prepared data, e.g. with three leads. A folder.
        out: A new folder.
        study: A study of the same records with other leads, e.g. all twelve: its best config is the teachers'.
        folds: Of the train split, by patient; as many teachers are trained, each on all folds but one. 2 to 20.
        trial: A COMPLETE trial of the study; the winner of its race, or its best, when None.
        study_data: The study's prepared data, if they have moved.
        device: "auto", "cpu" or a CUDA device such as "cuda:0".
        say: Is told how the trainings go, a line at a time.

    Returns:
        The copy's manifest. `taught` says who the teachers are, and their macro AUC on records that they have not seen.

    Raises:
        ConfigError: A number that is out of range.
        DataError: `out` holds something, or data are damaged.
        StudyError: No such study, or trial.
        UsageError: The data differ in more than their leads.
        WorkFailedError: A training failed, or `out` can't be written.
    """
    check_range("folds", folds, 2, MOST_FOLDS)
    target, folder, pupils = Path(out), Path(study), open_prepared(data)
    if pupils.remote is not None:
        raise UsageError(f"{data} lies in a bucket: copy it into a folder first")
    _check_out(target, pupils.folder)
    opened = Study.open(folder)
    with lock_retraining(folder):
        seeing = open_study_data(opened, None if study_data is None else str(study_data)).in_memory()
        say(headline(seeing))
        check_same_records(pupils, seeing)
        (chosen,) = named_trials(opened, [_best(opened) if trial is None else trial])
        progress = Progress(say)
        with trainers(None, insecure=False, device=device, single=False) as (mapper, where):
            how: dict[str, Any] = {"device": where, "on_start": progress.start, "on_done": progress.done, "map": mapper}
            taught = train_teachers(opened, seeing, folder.resolve(), chosen, n_folds=folds, **how)
    return _write(pupils.folder, target, dict(pupils.manifest), taught, _facts(opened, chosen, seeing, taught, folds))


def _facts(study: Study, trial: Trial, data: PreparedData, taught: NDArray[np.float32], folds: int) -> dict[str, Any]:
    """Note who the teachers are, and how well they tell records apart that they have not seen."""
    auc = macro_auc(data.train.labels, taught)
    facts = {"study": study.name, "trial": trial.number, "family": trial.family, "folds": folds, "data": data.fingerprint, "macro_auc": auc}
    teachers = f"trial {trial.number} ({trial.family}) of {study.name}, leads {', '.join(data.leads)}"
    return {**facts, "text": f"{teachers}, {folds} folds of train; macro AUC there {auc:.4f}"}


def _best(study: Study) -> int:
    """Return the number of the winner of the study's race, or of its best trial.

    Raises:
        StudyError: It has none.
    """
    raced, _ = race_of(study)
    if raced and raced[0].mean is not None:
        return raced[0].trial
    if study.best is None:
        raise StudyError(f"{study.name} has no COMPLETE trial: let its search go on")
    return study.best.number


def _check_out(folder: Path, source: Path) -> None:
    """Refuse a folder that holds data, or the ledger of others, before anybody is trained.

    Raises:
        DataError: Names the folder.
    """
    check_folder(folder)
    if (folder / MANIFEST).exists() or ledger_lines(folder) not in ([], ledger_lines(source)):
        raise DataError(f"{folder} holds prepared data, or their test split's ledger: name a new folder")


def _write(source: Path, target: Path, manifest: dict[str, Any], taught: NDArray[np.float32], facts: dict[str, Any]) -> dict[str, Any]:
    """Copy the data with the teachers' probabilities, all or nothing; the test split's ledger comes with them."""
    try:
        with scratch_folder(target) as partial:
            copy_splits(source, partial)
            written = add_taught(partial, manifest, taught, facts)
            if (source / LEDGER).exists():
                shutil.copyfile(source / LEDGER, target / LEDGER)
            for split in sorted(partial.iterdir()):
                shutil.rmtree(target / split.name, ignore_errors=True)  # of a copy that was killed before its manifest
                split.rename(target / split.name)
            write_manifest(target, written)
    except OSError as error:
        raise WorkFailedError(f"{target} can't be written ({error.strerror or error}): make room or name another folder") from error
    return written
