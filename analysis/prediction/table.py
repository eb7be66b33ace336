"""The predictions of many recordings as one table, a CSV or a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from analysis.prediction.prediction import Prediction
from ecg_tune.errors import ConfigError
from ecg_tune.output_file import check_output
from ecg_tune.storage import LocalStorage

SUFFIXES = (".csv", ".parquet")


def prediction_row(file: str, prediction: Prediction) -> dict[str, Any]:
    """Write a prediction as one row: the recording, then four columns a class."""
    row: dict[str, Any] = {"file": file, "recording": prediction.recording, "refused": ""}
    row |= {"model": prediction.model, "synthetic": prediction.synthetic, "thresholds": prediction.rule}
    for k, name in enumerate(prediction.class_names):
        row[f"{name}_probability"] = float(prediction.probabilities[k])
        row[f"{name}_calibrated"] = None if prediction.calibrated is None else float(prediction.calibrated[k])
        row[f"{name}_threshold"] = float(prediction.thresholds[k])
        row[f"{name}_decision"] = prediction.decisions[k]
    return row | {"notes": "; ".join(filter(None, (*prediction.adapted.notes, prediction.threshold_note)))}


def refused_row(file: str, recording: str, reason: str) -> dict[str, Any]:
    """Write a recording that could not be predicted as one row, with the reason."""
    return {"file": file, "recording": recording, "refused": reason}


def check_table_path(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse a name that no table can be written to, before any work is done.

    Args:
        inputs: What must not be replaced.

    Raises:
        ConfigError: Another suffix, no file, an input, or Parquet without pyarrow.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--out must end in .csv or .parquet, but got {path}")
    check_output(path, inputs=inputs)
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401  # an extra, which only this needs
        except ImportError as error:
            raise ConfigError(f"{path} needs pyarrow: pip install 'ecg-tune[s3]', or write a .csv") from error


def write_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows as a CSV or Parquet file, complete or not at all."""
    columns = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
    table = pd.DataFrame(list(rows), columns=columns)
    for name in columns:
        if name.endswith("_decision") or name == "synthetic":
            table[name] = table[name].astype("boolean")
    LocalStorage(path.parent).write(path.name, partial(_write, table, path.suffix))


def _write(table: pd.DataFrame, suffix: str, file: BinaryIO) -> None:
    if suffix == ".parquet":
        table.to_parquet(file, index=False)
    else:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())
