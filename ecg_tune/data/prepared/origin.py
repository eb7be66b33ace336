"""Keep each record's SCP statements and file name. They explain labels and signals in reports.

Of the train split the statements' likelihoods may soften labels (`soft_labels`), and the statements may be learnt beside them
(`auxiliary`); those of validation and test are trained on nowhere.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tune.errors import DataError
from ecg_tune.file_sizes import check_size

ORIGIN = "origin.json"
FEWEST = 20
"""Records that have a statement which is learnt."""


@dataclass(frozen=True)
class Origin:
    """The statements and file names of a split's records.

    The fingerprint leaves them out: data sets with and without an origin are equal.

    Attributes:
        statements: For every record, SCP statement → likelihood in percent (0 means unknown).
        files: For every record, its name relative to the PTB-XL folder, without extension.
    """

    statements: tuple[Mapping[str, float], ...]
    files: tuple[str, ...]


def write_origin(folder: Path, origin: Origin | None) -> str | None:
    """Write `folder/origin.json`; without an origin, remove an earlier file.

    Returns:
        The file's SHA-256 for the manifest; None without an origin.
    """
    (folder / ORIGIN).unlink(missing_ok=True)
    if origin is None:
        return None
    content = json.dumps({"files": origin.files, "statements": origin.statements}, ensure_ascii=False).encode()
    (folder / ORIGIN).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_origin(folder: Path, digest: str | None, *, n_records: int) -> Origin | None:
    """Load `folder/origin.json` and check it.

    Args:
        digest: The SHA-256 in the manifest; None for older data sets, which have no origin: then None is returned.
        n_records: How many records the file must describe.

    Raises:
        DataError: The file is gone, too large, or was changed.
    """
    if digest is None:
        return None
    path = folder / ORIGIN
    check_size(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): prepare the data again") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(f"{path} differs from what the manifest recorded: prepare the data again")
    try:
        origin = json.loads(content)
        statements, files = tuple(origin["statements"]), tuple(origin["files"])
        if not len(files) == len(statements) == n_records or not all(isinstance(own, dict) for own in statements):
            raise ValueError(f"it does not describe {n_records} records")
        if not all(isinstance(file, str) for file in files):
            raise ValueError("a file's name is no text")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} can't be read ({error!r}): prepare the data again") from error
    return Origin(statements=statements, files=files)


def certainty_of(origin: Origin, class_of: Mapping[str, str], class_names: Sequence[str]) -> NDArray[np.float32]:
    """Look up how likely each label is, by the most likely of its statements.

    Args:
        origin: With the records' statements.
        class_of: Statement → class.
        class_names: In the order of the labels.

    Returns:
        (n_records, n_classes), above 0 to 1. An unknown likelihood (the published 0) counts as 1, as does a class without a statement.

    Raises:
        DataError: A likelihood is no number of percent.
    """
    column = {name: k for k, name in enumerate(class_names)}
    found = np.zeros((len(origin.statements), len(column)), dtype=np.float32)
    for row, codes in enumerate(origin.statements):
        for code, percent in codes.items():
            if class_of.get(code) not in column:
                continue
            if not isinstance(percent, int | float) or not 0 <= percent <= 100:
                raise DataError(f"{ORIGIN}: the likelihood of {code} is {percent!r}, and must be 0 to 100: prepare the data again")
            place = row, column[class_of[code]]
            found[place] = max(found[place], percent / 100 if percent else 1.0)
    found[found == 0] = 1.0
    return found


def frequent_statements(origin: Origin, *, fewest: int = FEWEST) -> NDArray[np.uint8] | None:
    """Tabulate the statements that enough records have and others lack, whatever their likelihood.

    Args:
        origin: With the records' statements.

    Returns:
        (n_records, n_statements) of 0/1, statements in alphabetical order; None where there is none.
    """
    counts = Counter(code for codes in origin.statements for code in codes)
    n_records = len(origin.statements)
    chosen = sorted(code for code, count in counts.items() if fewest <= count < n_records)
    return np.array([[code in codes for code in chosen] for codes in origin.statements], dtype=np.uint8) if chosen else None
