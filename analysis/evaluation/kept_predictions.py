"""The predictions of a study's own test split, kept beside its models, so that an external validation can compare without opening it.

The file says of which data and of which model files it is; for any others it is not read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.tables import predictions_table
from analysis.retraining.candidates import Candidate
from analysis.retraining.ensemble_file import digests_of
from ecg_tune.data.overlap import record_digests
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.errors import DataError
from ecg_tune.storage import LocalStorage

KEPT_FILE = "test_predictions.parquet"
DIGEST = "record_sha256"


@dataclass(frozen=True)
class KeptPredictions:
    """What the models predicted on their own test split.

    Attributes:
        labels: (n_records, n_classes) of 0/1, the classes of the models' data.
        patient_ids: (n_records,), equal for records of one patient.
        digests: (n_records,) SHA-256 of each record's samples, hex.
        probabilities: {model and seed, e.g. "CNN1D_seed0": (n_records, n_classes)}.
        date: Of the evaluation.
    """

    labels: NDArray[np.uint8]
    patient_ids: NDArray[Any]
    digests: frozenset[str]
    probabilities: Mapping[str, NDArray[np.float64]]
    date: str

    def of_model(self, model: ModelPredictions) -> ModelPredictions:
        """Put the predictions of the models' own test split in the place of those of other records."""
        seeds = [dataclasses.replace(seed, test=self.probabilities[_column(model.name, seed.seed)]) for seed in model.seeds]
        return ModelPredictions(model.name, tuple(seeds))


def keep_predictions(
    folder: Path,
    data: PreparedData,
    test: Split,
    candidates: Sequence[Candidate],
    predictions: Mapping[str, ModelPredictions],
    *,
    date: str,
) -> str:
    """Write what the models predicted on their own test split beside them.

    A folder that can't be written to must not end an evaluation whose test split is open.

    Args:
        folder: The models' folder.
        data: What they were trained on.
        test: Its opened test split.
        predictions: {model: predictions}; those of an ensemble follow from its members' and are not written.
        date: Of the evaluation.

    Returns:
        "", or why the file was not written.
    """
    probabilities = {_column(one.name, seed.seed): seed.test for one in candidates for seed in predictions[one.name].seeds}
    table = predictions_table(test.labels, test.records, probabilities, class_names=data.class_names)
    table[DIGEST] = [digest.hex() for digest in record_digests(test)]
    table.attrs = {"data_fingerprint": data.fingerprint, "models": digests_of(candidates), "date": date}
    try:
        LocalStorage(folder).write(KEPT_FILE, partial(_write, table))
    except OSError as error:
        return f"{folder / KEPT_FILE} can't be written ({error.strerror or error}): external validations will lack the difference"
    return ""


def read_kept(folder: Path, data: PreparedData, candidates: Sequence[Candidate]) -> KeptPredictions:
    """Read the kept predictions of exactly these models on the test split of exactly these data.

    Raises:
        DataError: There are none, they can't be read, or they are of other models or data.
    """
    path = folder / KEPT_FILE
    try:
        table = pd.read_parquet(path, engine="pyarrow")
        facts = {key: table.attrs[key] for key in ("data_fingerprint", "models", "date")}
        if facts["data_fingerprint"] != data.fingerprint:
            raise DataError(f"{path} is of other data ({str(facts['data_fingerprint'])[:12]}, not {data.fingerprint[:12]})")
        if facts["models"] != digests_of(candidates):
            raise DataError(f"{path} is of other models: some were trained since")
        names = [_column(one.name, saved.seed) for one in candidates for saved in one.seeds]
        return KeptPredictions(
            labels=table[[f"label_{name}" for name in data.class_names]].to_numpy(),
            patient_ids=table["patient_id"].to_numpy(),
            digests=frozenset(table[DIGEST]),
            probabilities={key: table[[f"{key}_{name}" for name in data.class_names]].to_numpy() for key in names},
            date=str(facts["date"]),
        )
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} can't be read ({' '.join(str(error).split())})") from error


def _column(model: str, seed: int) -> str:
    return f"{model}_seed{seed}"


def _write(table: pd.DataFrame, file: BinaryIO) -> None:
    table.to_parquet(file, engine="pyarrow", index=False)
