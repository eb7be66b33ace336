"""Read the files of an evaluation again: what each model predicted for each test record. They may come from anybody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.evaluation.report.text_reports import SUMMARY_FILE
from analysis.evaluation.result import FITTED
from analysis.evaluation.result_folder import changed_files
from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions
from analysis.evaluation.tables import PREDICTIONS
from ecg_tune.data.ptbxl.checksums import CHECKSUMS
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array

LABEL, THRESHOLD = "label_", "F1_threshold"
MOST_VALUES, MOST_COLUMNS, LARGEST_TABLE_BYTES = 100_000_000, 10_000, 20_000_000
"""Of a file of predictions: its values and columns; of the table of thresholds: its size. Larger ones are no evaluation's."""
AGAIN = "evaluate again, or copy the folder again"
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
MODEL = re.compile(r"[\w#. +-]{1,100}")
TRAINING = re.compile(r"(.+?_seed\d+)_(.+)", re.DOTALL)
"""A column of predictions: the training, the class."""
LIMITED, LONGEST_HEAD_BYTES = re.compile(r"LIMITED DATA: only (.{1,100}) were prepared"), 100_000
CHOICE = re.compile(r"[^\x00-\x1f\x7f]{1,400}")


@dataclass(frozen=True)
class EvaluatedModel:
    """One model of an evaluation.

    Attributes:
        seeds: One a training, on the test records, with its F1 thresholds.
        chosen: The index of the seed with the best validation macro AUC; of the first where older files don't say.
    """

    seeds: tuple[ThresholdedPredictions, ...]
    chosen: int


@dataclass(frozen=True)
class EvaluationFiles:
    """What an evaluation's folder holds.

    Attributes:
        fingerprint, split, synthetic: Of the data.
        class_names: In the order of the labels' columns.
        ids, patient_ids: (n_records,).
        labels: (n_records, n_classes) of 0/1.
        models: {name: its predictions}, in the order of the reports.
        best: The best model by validation; None where older files don't say.
        limited: "500 of 21799 records" where the data were prepared with `--limit`.
        choice: By what it was chosen, e.g. a race over seeds; "" where older files don't say.
    """

    folder: Path
    fingerprint: str
    split: str
    synthetic: bool
    class_names: tuple[str, ...]
    ids: NDArray[Any]
    patient_ids: NDArray[Any]
    labels: NDArray[np.uint8]
    models: Mapping[str, EvaluatedModel]
    best: str | None
    choice: str = ""
    limited: str = ""


def read_evaluation(folder: Path) -> EvaluationFiles:
    """Read the predictions that `ecg-tune evaluate` wrote, and the thresholds that they were taken at.

    Raises:
        DataError: There are none, or they are damaged; names the file.
    """
    path, fitted = folder / PREDICTIONS, folder / f"{FITTED}.csv"
    for file in (path, fitted):
        if not file.is_file():
            raise DataError(f"{folder} holds no {file.name}: give a folder that `ecg-tune evaluate --out` wrote")
    if changed := {path.name, fitted.name} & set(changed_files(folder)):
        raise DataError(f"{folder / min(changed)} is not what the evaluation wrote (see {CHECKSUMS}): {AGAIN}")
    try:
        table = _checked_size(path)
        thresholds = _thresholds(fitted, str(table.attrs["Data_Fingerprint"]))
        return _files(folder, table, thresholds)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException, MemoryError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"the predictions of {folder} can't be read ({reason}): {AGAIN}") from error


def _checked_size(path: Path) -> pd.DataFrame:
    """Read the table of predictions, once its own header says that it is not too large."""
    shape = pq.read_metadata(path)
    if shape.num_columns > MOST_COLUMNS or shape.num_rows * shape.num_columns > MOST_VALUES:
        raise DataError(f"{path} says that it holds {shape.num_rows} x {shape.num_columns} values: that is no evaluation's")
    return pd.read_parquet(path, engine="pyarrow")


def _thresholds(path: Path, fingerprint: str) -> dict[str, dict[int, dict[str, float]]]:
    """Read {model: {seed: {class: threshold}}}, and make sure that the table is of the data with this fingerprint."""
    if path.stat().st_size > LARGEST_TABLE_BYTES:
        raise DataError(f"{path} is larger than {LARGEST_TABLE_BYTES // 1_000_000} MB: that is no evaluation's")
    columns = ["Model", "Seed", "Class", THRESHOLD, "Data_Fingerprint"]
    table = pd.read_csv(path, usecols=columns, dtype=dict.fromkeys(("Model", "Class", "Data_Fingerprint"), str), keep_default_na=False)
    if set(table["Data_Fingerprint"]) != {fingerprint}:
        raise DataError(f"{path} is of other data than the predictions beside it: {AGAIN}")
    found: dict[str, dict[int, dict[str, float]]] = {}
    for model, seed, class_name, value in zip(table["Model"], table["Seed"], table["Class"], table[THRESHOLD], strict=True):
        if not MODEL.fullmatch(model):
            raise ValueError(f"{model[:40]!r} is no name of a model")
        of_seed = found.setdefault(model, {}).setdefault(int(seed), {})
        if class_name in of_seed:
            raise DataError(f"{path} has two thresholds of {model}, seed {seed}, {class_name[:40]!r}: {AGAIN}")
        of_seed[class_name] = float(value)
    return found


def _check_complete(folder: Path, table: pd.DataFrame, thresholds: Mapping[str, Mapping[int, object]], names: tuple[str, ...]) -> None:
    """Make sure that each training with predictions has thresholds, and the other way round."""
    columns = [found for column in table.columns if (found := TRAINING.fullmatch(str(column))) and found[2] in names]
    predicted = {found[1] for found in columns}
    fitted = {f"{model}_seed{seed}" for model, seeds in thresholds.items() for seed in seeds}
    if odd := sorted(predicted ^ fitted):
        where, lacks = (f"{FITTED}.csv", "thresholds") if odd[0] in predicted else (PREDICTIONS, "predictions")
        raise DataError(f"{folder / where} lacks the {lacks} of {odd[0][:80]!r}: {AGAIN}")


def _files(folder: Path, table: pd.DataFrame, thresholds: Mapping[str, Mapping[int, Mapping[str, float]]]) -> EvaluationFiles:
    names = tuple(str(column).removeprefix(LABEL) for column in table.columns if str(column).startswith(LABEL))
    if not names or not all(map(NAME.fullmatch, names)):
        raise ValueError("its columns name no classes, or some that can't be printed")
    labels = table[[f"{LABEL}{name}" for name in names]].to_numpy()
    if not len(table) or not np.isin(labels, (0, 1)).all():
        raise ValueError("it holds no records, or labels that are not 0 or 1")
    _check_complete(folder, table, thresholds, names)
    noted = table.attrs.get("Best_Seeds") or {}
    models = {}
    for model, seeds in thresholds.items():
        every = tuple(_predictions(table, f"{model}_seed{seed}", names, of_class) for seed, of_class in seeds.items())
        models[model] = EvaluatedModel(every, list(seeds).index(noted[model]) if noted.get(model) in seeds else 0)
    best, synthetic = table.attrs.get("Best"), table.attrs["Synthetic"]
    if not isinstance(synthetic, bool):
        raise ValueError(f"whether it is synthetic must be true or false, and is {str(synthetic)[:40]!r}")
    return EvaluationFiles(
        folder=folder,
        fingerprint=str(table.attrs["Data_Fingerprint"]),
        split=str(table.attrs["Split"]),
        synthetic=synthetic,
        class_names=names,
        ids=table["ecg_id"].to_numpy(),
        patient_ids=table["patient_id"].to_numpy(),
        labels=labels.astype(np.uint8),
        models=models,
        best=best if isinstance(best, str) and best in models else None,
        choice=_choice(table.attrs.get("Choice")),
        limited=_limited(folder, table.attrs.get("Limited")),
    )


def _choice(noted: object) -> str:
    return noted if isinstance(noted, str) and CHOICE.fullmatch(noted) else ""


def _limited(folder: Path, noted: object) -> str:
    """Read to how many records the data were limited; the summary says it where the predictions, of older files, don't."""
    summary = folder / SUMMARY_FILE
    if noted is None and summary.is_file():
        with summary.open("rb") as file:
            said = LIMITED.search(file.read(LONGEST_HEAD_BYTES).decode(errors="replace"))
        noted = said[1] if said else ""
    return noted if isinstance(noted, str) and NAME.fullmatch(noted) else ""


def _predictions(table: pd.DataFrame, model: str, names: tuple[str, ...], thresholds: Mapping[str, float]) -> ThresholdedPredictions:
    if lacking := [name for name in names if f"{model}_{name}" not in table or name not in thresholds]:
        raise ValueError(f"{lacking[0]} of {model} has no predictions, or no threshold")
    probabilities: Array = table[[f"{model}_{name}" for name in names]].to_numpy(dtype=np.float64)
    limits: Array = np.array([thresholds[name] for name in names], dtype=np.float64)
    if not all(((values >= 0) & (values <= 1)).all() for values in (probabilities, limits)):
        raise ValueError(f"probabilities or thresholds of {model} are not between 0 and 1")
    return ThresholdedPredictions(probabilities, limits)
