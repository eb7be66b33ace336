"""Read and check the tables of a PTB-XL folder.

The published layout (Wagner et al., Scientific Data 7, 154, 2020): `ptbxl_database.csv` with one row a record,
`scp_statements.csv` with one row a statement, `SHA256SUMS.txt` with the hash of every file. A table that a spreadsheet has
saved (semicolons, numbers and codes rewritten) is refused: there is mostly more damage than one sees.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.ptbxl.checksums import CHECKSUMS, read_checksums
from ecg_tune.data.ptbxl.labels import Statement
from ecg_tune.data.ptbxl.records import file_digest
from ecg_tune.data.ptbxl.synthetic_mark import is_synthetic
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import check_size
from ecg_tune.folder_kinds import PTBXL_TABLE

LONGEST_HEADER = 100_000
DATABASE, STATEMENTS = PTBXL_TABLE, "scp_statements.csv"
NOTE_COLUMNS = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats", "pacemaker")
DATABASE_COLUMNS = (
    *("ecg_id", "patient_id", "age", "sex", "site", "device", "scp_codes", "strat_fold", "filename_lr", "filename_hr"),
    *NOTE_COLUMNS,
)
STATEMENT_COLUMNS = ("diagnostic", "diagnostic_class")
VERSION_OF_COUNT = {21799: "1.0.3", 21837: "1.0.1 or 1.0.2"}
WHOLE = re.compile(r"\+?[0-9]{1,30}(\.0*)?", re.ASCII)
DIGITS_APART = re.compile(r"[0-9]_[0-9]")
"""Python's 1_00 for 100, which is no number in a table."""
LARGEST_WHOLE, LONGEST_NAME, LONGEST_CODES, LONGEST_SHOWN = 2**63 - 1, 250, 4000, 60
"""Bounds of a cell: of a whole number, and characters of a file's name, of a record's statements, and of what a message shows."""
REMEDY = "fetch the file again (`ecg-tune data download`) and don't save it with a spreadsheet"


@dataclass(frozen=True)
class PtbxlTable:
    """The checked tables, sorted by `ecg_id`. Every array is (n_records,).

    Attributes:
        sex: 0 male, 1 female, -1 unknown.
        age: Years as in the file: 300 means over 89, NaN unknown.
        device: Name with single spaces, "unknown" where the file is empty.
        site: Number of the recording site, -1 unknown.
        fold: 1..10.
        scp_codes: For every record, statement → likelihood in percent (0 means unknown).
        statements: The rows of `scp_statements.csv`.
        filenames: Sampling rate in Hz → record names relative to `folder`, without extension.
        notes: Column of remarks → (n_records,) whether the record has one.
        checksums: File relative to `folder` → SHA-256 as listed; empty without `SHA256SUMS.txt`.
    """

    folder: Path
    version: str
    synthetic: bool
    ecg_id: NDArray[np.int64]
    patient_id: NDArray[np.int64]
    sex: NDArray[np.int64]
    age: NDArray[np.float64]
    device: NDArray[np.str_]
    site: NDArray[np.int64]
    fold: NDArray[np.int64]
    scp_codes: tuple[Mapping[str, float], ...]
    statements: tuple[Statement, ...]
    filenames: Mapping[int, tuple[str, ...]]
    notes: Mapping[str, NDArray[np.bool_]]
    checksums: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.ecg_id)

    def limited(self, limit: int | None) -> PtbxlTable:
        """Keep `limit` records, spread evenly over the table; all of them without a limit, or where there are no more."""
        if limit is None or limit >= len(self):
            return self
        rows = spread_rows(len(self), limit)
        arrays: dict[str, Any] = {
            field.name: value[rows] for field in fields(self) if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        return replace(
            self,
            **arrays,
            scp_codes=tuple(self.scp_codes[row] for row in rows),
            filenames={rate: tuple(names[row] for row in rows) for rate, names in self.filenames.items()},
            notes={column: noted[rows] for column, noted in self.notes.items()},
        )


def spread_rows(n_rows: int, limit: int) -> NDArray[np.int64]:
    """Choose `limit` of `n_rows` rows, evenly from the first to the last."""
    return np.linspace(0, n_rows - 1, limit).round().astype(np.int64)


def read_ptbxl(folder: Path) -> PtbxlTable:
    """Read the tables of PTB-XL, or of a folder with some of its records.

    Raises:
        DataError: The folder or a table is missing, was changed, or holds a value that can't be right.
    """
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}: fetch PTB-XL with `ecg-tune data download {folder}` or make one with `ecg-tune data synthesize`"
        )
    database = _read_csv(folder / DATABASE, DATABASE_COLUMNS)
    statements = _read_statements(folder / STATEMENTS)
    checksums = read_checksums(folder / CHECKSUMS)
    cells = _sort_by_ecg_id(_Cells(folder / DATABASE, database))
    table = _build_table(cells, statements, checksums)
    _check_codes(cells, table)
    _check_tables(folder, checksums)
    return table


def _build_table(cells: _Cells, statements: tuple[Statement, ...], checksums: Mapping[str, str]) -> PtbxlTable:
    folder = cells.path.parent
    return PtbxlTable(
        folder=folder,
        version=VERSION_OF_COUNT.get(len(cells.table), f"a part of {len(cells.table)} records"),
        synthetic=is_synthetic(folder, checksums),
        ecg_id=cells.whole("ecg_id", low=1),
        patient_id=cells.whole("patient_id", low=0),
        sex=cells.whole("sex", low=0, high=1, empty=-1),
        age=cells.number("age", low=0, high=300),
        device=np.array([" ".join(name.split()) or "unknown" for name in cells.text("device")], dtype=np.str_),
        site=cells.whole("site", low=0, empty=-1),
        fold=cells.whole("strat_fold", low=1, high=10),
        scp_codes=cells.codes(),
        statements=statements,
        filenames={100: cells.names("filename_lr"), 500: cells.names("filename_hr")},
        notes={column: np.array([bool(text.strip()) for text in cells.text(column)]) for column in NOTE_COLUMNS},
        checksums=checksums,
    )


@dataclass(frozen=True)
class _Cells:
    """Converts columns of text into numbers and codes; an error names the cell's row and record."""

    path: Path
    table: pd.DataFrame

    def text(self, column: str) -> tuple[str, ...]:
        return tuple(self.table[column].tolist())

    def number(self, column: str, *, low: float, high: float = np.inf) -> NDArray[np.float64]:
        """Parse numbers in [low, high]; an empty cell becomes NaN."""
        text = self.table[column].str.strip()
        bounds = f">= {low:g}" if high == np.inf else f"in {low:g}..{high:g}"
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
        empty = (text == "").to_numpy(dtype=bool)
        for row in np.flatnonzero(~empty & ~((values >= low) & (values <= high)))[:1]:
            raise self._cell_error(row, column, f"is not a number {bounds}")
        return np.asarray(values)

    def whole(self, column: str, *, low: int, high: float = np.inf, empty: int | None = None) -> NDArray[np.int64]:
        """Parse whole numbers in [low, high], `15709.0` too; an empty cell becomes `empty`, or is refused when that is None.

        They are read digit by digit: pseudonyms of 63 bits must not be rounded to equal ones.
        """
        found, most = np.empty(len(self.table), np.int64), min(high, LARGEST_WHOLE)
        for row, text in enumerate(self.table[column].str.strip().tolist()):
            if not text and empty is not None:
                found[row] = empty
            elif not WHOLE.fullmatch(text):
                raise self._cell_error(row, column, "is not a whole number")
            elif not low <= (value := int(text.partition(".")[0])) <= most:
                bounds = f"in {low}..{high:g}" if high < LARGEST_WHOLE else f">= {low} of at most 63 bits"
                raise self._cell_error(row, column, f"is not a number {bounds}")
            else:
                found[row] = value
        return found

    def names(self, column: str) -> tuple[str, ...]:
        """Read names of records below the folder; no two rows may have one file."""
        rows: dict[str, int] = {}
        for row, name in enumerate(names := self.text(column)):
            if len(name) > LONGEST_NAME or not name.isprintable() or name.startswith(("/", "~")) or ".." in name.split("/") or "\\" in name:
                raise self._cell_error(row, column, "does not name a record in this folder")
            if name and rows.setdefault(name.lower(), row) != row:
                raise self._cell_error(row, column, f"is named by ecg_id {self.table['ecg_id'].iloc[rows[name.lower()]]} too")
        return names

    def codes(self) -> tuple[dict[str, float], ...]:
        """Parse every record's statements with their likelihoods; the cells are Python literals."""
        parsed: dict[str, dict[str, float]] = {}  # the same text stands in many rows
        for row, text in enumerate(texts := self.text("scp_codes")):
            if text not in parsed:
                parsed[text] = self._parse_codes(row, text)
        return tuple(dict(parsed[text]) for text in texts)

    def _parse_codes(self, row: int, text: str) -> dict[str, float]:
        try:
            plain = len(text) <= LONGEST_CODES and not DIGITS_APART.search(text)
            codes: Any = ast.literal_eval(text.strip()) if plain else None
            likelihoods = {str(code): float(likelihood) for code, likelihood in codes.items()}
        except (ValueError, SyntaxError, AttributeError, TypeError, OverflowError, RecursionError, MemoryError) as error:
            raise self._cell_error(row, "scp_codes", "is not a list of statements with likelihoods") from error
        if not all(0 <= value <= 100 for value in likelihoods.values()):
            raise self._cell_error(row, "scp_codes", "holds a likelihood outside 0..100")
        return likelihoods

    def _cell_error(self, row: int, column: str, problem: str) -> DataError:
        value, ecg_id = (str(self.table[name].iloc[row]) for name in (column, "ecg_id"))
        shown = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"
        where = f"{self.path}, row {self.table.index[row] + 1} (ecg_id {ecg_id[:LONGEST_SHOWN]})"
        return DataError(f"{where}: {column} {shown!r} {problem}: {REMEDY}")


def _sort_by_ecg_id(cells: _Cells) -> _Cells:
    """Check that `ecg_id` is unique and sort the rows by it; the index keeps each row's position in the file."""
    ecg_id = cells.whole("ecg_id", low=1)
    values, counts = np.unique(ecg_id, return_counts=True)
    for value in values[counts > 1][:1]:
        raise DataError(f"{cells.path}: ecg_id {value} stands in several rows: {REMEDY}")
    return _Cells(cells.path, cells.table.iloc[np.argsort(ecg_id)])


def _read_csv(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table as text, unchanged, and check its separator, its columns and its rows' lengths."""
    if not path.is_file():
        raise DataError(
            f"{path} is missing: {path.parent} is not a whole PTB-XL folder: complete it with `ecg-tune data download {path.parent}`, "
            "name another, or say with --table FILE or --mapping FILE what recordings of your own are"
        )
    check_size(path)
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline(LONGEST_HEADER)
        names = next(csv.reader([header]), [])
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{path} has two columns {twice[0][:LONGEST_SHOWN]!r}: {REMEDY}")
        if header.count(",") < max(header.count(";"), header.count("\t")):
            raise DataError(f"{path} is not separated by commas, so a spreadsheet saved it again: {REMEDY}")
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path} can't be read as a table ({reason}): {REMEDY}") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: {REMEDY}")
    if table.empty:
        raise DataError(f"{path} holds no rows: {REMEDY}")
    ragged = [] if isinstance(table.index, pd.RangeIndex) else [0]
    for row in [*ragged, *np.flatnonzero(table.isna().any(axis=1))][:1]:
        raise DataError(f"{path}, row {row + 1} has another number of cells than the header: the file was cut or changed: {REMEDY}")
    return table


def _read_statements(path: Path) -> tuple[Statement, ...]:
    """Read what every statement is. Columns that only other levels than the superclasses need may be missing."""
    table = _read_csv(path, STATEMENT_COLUMNS)
    found = []
    for row in table.to_dict("records"):
        kinds: dict[str, Any] = {kind: row.get(kind, "").strip() in ("1", "1.0") for kind in ("diagnostic", "form", "rhythm")}
        classes = {"superclass": row["diagnostic_class"], "subclass": row.get("diagnostic_subclass", "")} if kinds["diagnostic"] else {}
        found.append(Statement(str(row[table.columns[0]]), **kinds, **classes))
    for statement in found:
        if statement.diagnostic and statement.superclass not in CLASS_NAMES:
            raise DataError(
                f"{path}: statement {statement.code} has the unknown diagnostic_class {statement.superclass!r} "
                f"(known: {', '.join(CLASS_NAMES)}): {REMEDY}"
            )
    if not any(statement.diagnostic for statement in found):
        raise DataError(f"{path} marks no statement as diagnostic: {REMEDY}")
    return tuple(found)


def _check_codes(cells: _Cells, table: PtbxlTable) -> None:
    listed = {statement.code for statement in table.statements}
    for ecg_id, codes in zip(table.ecg_id, table.scp_codes, strict=True):
        for code in codes:
            if code not in listed:
                raise DataError(
                    f"{cells.path}: ecg_id {ecg_id} has the statement {code!r}, which {STATEMENTS} does not list: "
                    "fetch both again (`ecg-tune data download`)"
                )


def _check_tables(folder: Path, checksums: Mapping[str, str]) -> None:
    for name in (DATABASE, STATEMENTS):
        if name in checksums and file_digest((folder / name).read_bytes()) != checksums[name]:
            raise DataError(
                f"{folder / name} was changed (its SHA-256 is not the one in {CHECKSUMS}): fetch it again (`ecg-tune data download`), "
                f"or remove its line from {CHECKSUMS} if you changed it on purpose"
            )
