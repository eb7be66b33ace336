"""The prepared data of a study: where the user says, else where they lay when it was searched."""

from __future__ import annotations

from pathlib import Path

from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import DataError, UsageError
from ecg_tune.study.study import Study


def open_study_data(study: Study | Path, given: str | None) -> PreparedData:
    """Open the data of a study.

    Args:
        study: The study, or its folder.
        given: What the user gave with `--data`; None takes what the study says.

    Raises:
        DataError: They are damaged, or no longer where the study says: the message names `--data`.
        StudyError: The study does not say.
    """
    if given is not None:
        return open_prepared(given)
    opened = study if isinstance(study, Study) else Study.open(study, read_only=True)
    where = opened.data_path
    try:
        return open_prepared(where)
    except UsageError as error:
        raise DataError(f"the data of {opened.folder}: {error}; if they have moved, give --data DIR") from error


def headline(data: PreparedData) -> str:
    """Describe a data set in the line that stands above every number."""
    counts = f"{len(data.train)} train / {len(data.validation)} validation records, split {data.manifest['split']}"
    synthetic = "SYNTHETIC data, " if data.synthetic else ""
    synthetic += f"LIMITED to {data.limited}, " if data.limited else ""
    return f"{synthetic}{counts}, {data.inputs}, data {data.fingerprint[:12]}"
