"""A list of recordings with their patients and labels, as a table states them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tune.data.ptbxl.tables import spread_rows
from ecg_tune.data.recordings.csv_format import delimiter_of
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import check_size

RECORD, PATIENT, SPLIT = "record", "patient_id", "split"
ABOUT_PATIENTS = ("age", "sex", "device", "site")
OLDEST, OVER_89 = 130, 300
"""The largest age in years, and the number that PTB-XL writes for every age over 89."""
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
SEXES = {"male": 0, "m": 0, "0": 0, "female": 1, "f": 1, "1": 1, "": -1, "unknown": -1}
RESERVED = ("records", "patients", "macro_avg", "micro_avg", "weighted_avg", "samples_avg")
"""Names that tables use beside those of classes."""
CLASS_NAME = re.compile(r"[^,;\x00-\x1f]{1,40}")


@dataclass(frozen=True, eq=False)
class RecordList:
    """Recordings with what is known of them; every array is (n_records,).

    Attributes:
        files: Relative to the folder of the recordings, with or without suffix.
        patients: Names of patients; of records where these are unknown.
        splits: "train", "validation" or "test"; None when patients are still to be divided.
        class_names: In the order of the labels' columns.
        labels: (n_records, n_classes) of 0/1.
        age: Years, 300 for over 89 as in PTB-XL, NaN unknown.
        sex: 0 male, 1 female, -1 unknown.
        name: Of the list, for messages.
        patients_known: False where each record counts as a patient.
        rule: Where the labels come from; "" for the columns of the table.
        zeros_known: A record of none of the classes is known to have none, and is kept. False: its classes are unknown, and it is dropped.
    """

    files: tuple[str, ...]
    patients: NDArray[np.str_]
    splits: NDArray[np.str_] | None
    class_names: tuple[str, ...]
    labels: NDArray[np.uint8]
    age: NDArray[np.float64]
    sex: NDArray[np.int64]
    device: NDArray[np.str_]
    site: NDArray[np.int64]
    name: str
    patients_known: bool = True
    rule: str = ""
    zeros_known: bool = True

    def __len__(self) -> int:
        return len(self.files)

    @property
    def label_rule(self) -> str:
        """The source of the labels, in words."""
        return self.rule or f"the columns of {self.name}"

    def limited(self, limit: int | None) -> RecordList:
        """Keep `limit` records, spread evenly over the list; all of them without a limit, or where there are no more."""
        if limit is None or limit >= len(self):
            return self
        rows = spread_rows(len(self), limit)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays: dict[str, Any] = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays, files=tuple(self.files[row] for row in rows))


def read_record_table(path: Path) -> RecordList:
    """Read a CSV table, separated by commas, semicolons or tabs: `record`, `patient_id`, one column of 0 and 1 a class, and maybe
    `split`, `age`, `sex`, `device`, `site`. A record of no class is known to have none of them.

    Raises:
        DataError: It is no such table; names the column, the line and the remedy.
    """
    table = _read_table(path)
    reserved = (RECORD, PATIENT, SPLIT, *ABOUT_PATIENTS)
    class_names = tuple(name for name in table.columns if name not in reserved)
    if not class_names:
        raise DataError(f"{path} has no column of labels: add one column of 0 and 1 for each class")
    check_class_names(class_names, str(path))
    labels = np.stack([_labels(table[name], path) for name in class_names], axis=1)
    column = {name: table[name] if name in table.columns else pd.Series([""] * len(table)) for name in ABOUT_PATIENTS}
    return RecordList(
        files=checked_files(table[RECORD].tolist(), str(path), lines=table.index.tolist()),
        patients=_patients(table[PATIENT], path),
        splits=_splits(table[SPLIT], path) if SPLIT in table.columns else None,
        class_names=class_names,
        labels=labels,
        age=_numbers(column["age"], path, most=OLDEST, also=OVER_89),
        sex=_sexes(column["sex"], path),
        device=np.array([text or "unknown" for text in column["device"]], dtype=np.str_),
        site=np.nan_to_num(_numbers(column["site"], path, most=1e6), nan=-1).astype(np.int64),
        name=path.name,
    )


def check_class_names(names: Sequence[str], where: str) -> None:
    """Refuse names of classes that tables and reports could not hold.

    Raises:
        DataError: Names the first.
    """
    for name in names:
        if not CLASS_NAME.fullmatch(name) or name in RESERVED:
            rule = f"use 1 to 40 characters without comma and semicolon, and not {', '.join(RESERVED)}"
            raise DataError(f"{where}: {name!r} can't name a class: {rule}")


def checked_files(files: Sequence[str], where: str, *, lines: Sequence[int]) -> tuple[str, ...]:
    """Refuse names of files that leave their folder, or are there twice.

    Args:
        lines: Number of each file's line in the table.

    Raises:
        DataError: Names the first.
    """
    for line, file in zip(lines, files, strict=True):
        path = PurePosixPath(file)
        if not file or path.is_absolute() or ".." in path.parts or "\\" in file or "\0" in file:
            raise DataError(f"{where}, line {line}: record {file!r} is not a file below the folder of the recordings")
    plain = [str(PurePosixPath(file)).removesuffix(".hea").removesuffix(".dat") for file in files]
    if len(set(plain)) < len(plain):
        twice = next(file for file, name in zip(files, plain, strict=True) if plain.count(name) > 1)
        raise DataError(f"{where}: record {twice!r} is there twice: keep one line of it")
    return tuple(files)


def _read_table(path: Path) -> pd.DataFrame:
    """Read the cells as text, without spaces around them; the index has the numbers of their lines."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a folder, a pipe or a device: name a CSV file")
    check_size(path)
    try:
        delimiter = table_delimiter(path)
        lines = _line_numbers(path, delimiter)
        table = pd.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: name a CSV file with the columns {RECORD}, {PATIENT} and one a class") from error
    except (OSError, UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read as a table in UTF-8 separated by commas, semicolons or tabs: {reason}") from error
    table.columns = [unicodedata.normalize("NFC", str(name).strip()) for name in table.columns]
    missing = [name for name in (RECORD, PATIENT) if name not in table.columns]
    if missing:
        raise DataError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {' and '.join(missing)}: its first line must name {RECORD}, {PATIENT} and "
            "one column a class, separated by commas, semicolons or tabs"
        )
    same = isinstance(table.index, pd.RangeIndex) and len(table) == len(lines)
    if table.empty or not same:
        raise DataError(f"{path} has no lines below the first, or quotation marks that are not closed: correct them")
    return table.set_axis(lines, axis="index").apply(lambda column: column.str.strip())


def table_delimiter(path: Path) -> str:
    """Find what separates the cells of a table, by its first line that is not blank."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return delimiter_of(next(filter(str.strip, file), ""))


def _line_numbers(path: Path, delimiter: str) -> list[int]:
    """Check the names of the columns and that each line has as many cells; number the lines below that are not blank.

    A cell may go over several lines. pandas fills short lines up with empty cells, which would pass for an unknown age.
    """
    numbers: list[int] = []
    number, n_columns = 1, 0
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter)
        for cells in reader:
            if cells and not numbers:
                _check_header([unicodedata.normalize("NFC", name.strip()) for name in cells], path)
                n_columns = len(cells)
            if cells:
                if len(cells) != n_columns:
                    raise DataError(f"{path}, line {number} has {len(cells)} cells (the first line has {n_columns}): correct it")
                numbers.append(number)
            number = reader.line_num + 1
    return numbers[1:]


def _check_header(names: Sequence[str], path: Path) -> None:
    """Refuse names of columns that are empty, there twice, or a known one in another case."""
    known = (RECORD, PATIENT, SPLIT, *ABOUT_PATIENTS)
    for name in names:
        if not name or names.count(name) > 1:
            raise DataError(f"{path}: column {name!r} of the first line is {'there twice' if name else 'without a name'}: correct it")
        if name not in known and name.lower() in known:
            raise DataError(f"{path}: write the column {name!r} as {name.lower()!r}, or name it otherwise if it is a class")


def _labels(column: pd.Series[str], path: Path) -> NDArray[np.uint8]:
    values = pd.to_numeric(column, errors="coerce")
    for row in np.flatnonzero(~values.isin([0, 1]))[:1]:
        raise DataError(
            f"{path}, line {column.index[row]}: column {column.name} holds {column.iloc[row]!r}, and a label is 0 or 1: correct it, or "
            f"take the column out if it is no class ({', '.join((SPLIT, *ABOUT_PATIENTS))} are none)"
        )
    return np.asarray(values, dtype=np.uint8)


def _patients(column: pd.Series[str], path: Path) -> NDArray[np.str_]:
    for row in np.flatnonzero(column == "")[:1]:
        raise DataError(f"{path}, line {column.index[row]}: {column.name} is empty: name the patient, since nobody may be in two splits")
    return np.array([unicodedata.normalize("NFC", name) for name in column], dtype=np.str_)  # é, or e with an accent: one patient


def _splits(column: pd.Series[str], path: Path) -> NDArray[np.str_]:
    for row in np.flatnonzero(~column.str.lower().isin(SPLITS))[:1]:
        raise DataError(f"{path}, line {column.index[row]}: split is {column.iloc[row]!r}, and must be train, validation or test")
    return np.array([SPLITS[text.lower()] for text in column], dtype=np.str_)


def _numbers(column: pd.Series[str], path: Path, *, most: float, also: float = 0) -> NDArray[np.float64]:
    values = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    for row in np.flatnonzero((column != "").to_numpy() & ~((values >= 0) & (values <= most) | (values == also)))[:1]:
        said = f"{column.name} is {column.iloc[row]!r}, not a number of 0 to {most:g}"
        raise DataError(f"{path}, line {column.index[row]}: {said}: correct it, or leave it empty where it is not known")
    return values


def _sexes(column: pd.Series[str], path: Path) -> NDArray[np.int64]:
    for row in np.flatnonzero(~column.str.lower().isin(SEXES))[:1]:
        raise DataError(f"{path}, line {column.index[row]}: sex is {column.iloc[row]!r}, and must be male, female or empty")
    return np.array([SEXES[text.lower()] for text in column], dtype=np.int64)
