"""Recordings whose headers hold their diagnoses as SNOMED CT codes, as in the PhysioNet/CinC Challenges 2020 and 2021.

A header ends with comments: `# Age: 74`, `# Sex: Male`, `# Dx: 426783006,270492004` (Perez Alday et al., Physiol. Meas. 41, 124003, 2020).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ecg_tune.data.sources.record_list import SEXES, RecordList, check_class_names, table_delimiter
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import LARGEST_HEADER, check_size

COMMENT = re.compile(r"#\s*(Age|Sex|Dx)\s*:\s*(.*?)\s*", re.IGNORECASE)


def read_mapping(path: Path) -> dict[str, str]:
    """Read a CSV table with the columns `code` and `class`; several codes may mean one class.

    Raises:
        DataError: It is no such table, or a code is there twice.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a folder, a pipe or a device: name a CSV file")
    check_size(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file, delimiter=table_delimiter(path)))
        class_of = {line["code"].strip(): line["class"].strip() for line in lines}
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: name a CSV file with the columns code and class") from error
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no table with the columns code and class, separated by commas, semicolons or tabs") from error
    if not class_of or len(class_of) < len(lines):
        raise DataError(f"{path} holds no line, or a code twice: write each code once")
    check_class_names(tuple(class_of.values()), str(path))
    return class_of


def read_headers(folder: Path, class_of: Mapping[str, str]) -> tuple[RecordList, Counter[str]]:
    """List all records below a folder with the classes of their codes. Each record counts as a patient: headers don't name patients.

    Args:
        class_of: Code → class.

    Returns:
        The records, and how often each code occurs that the mapping does not name.

    Raises:
        DataError: The folder holds no header, or none with diagnoses.
    """
    headers = sorted(path for path in folder.rglob("*.hea") if path.is_file())
    if not headers:
        raise DataError(f"{folder} holds no WFDB header (.hea)")
    comments = [_comments(path) for path in headers]
    if not any("Dx" in found for found in comments):
        raise DataError(f"no header in {folder} has a line `# Dx: …` with its diagnoses: give a table of the labels with --table")
    class_names = tuple(dict.fromkeys(class_of.values()))
    labels, unknown = np.zeros((len(headers), len(class_names)), np.uint8), Counter[str]()
    for row, found in enumerate(comments):
        for code in filter(None, (code.strip() for code in found.get("Dx", "").split(","))):
            if code in class_of:
                labels[row, class_names.index(class_of[code])] = 1
            else:
                unknown[code] += 1
    files = tuple(path.relative_to(folder).with_suffix("").as_posix() for path in headers)
    return RecordList(
        files=files,
        patients=np.array(files, dtype=np.str_),
        splits=None,
        class_names=class_names,
        labels=labels,
        age=np.array([_age(found.get("Age", "")) for found in comments]),
        sex=np.array([SEXES.get(found.get("Sex", "").lower(), -1) for found in comments], dtype=np.int64),
        device=np.full(len(files), "unknown"),
        site=np.full(len(files), -1, np.int64),
        name=folder.name,
        patients_known=False,
        rule="the SNOMED CT codes of the headers, by the mapping to classes",
        zeros_known=False,  # each database looks for codes of its own: one that is not there may not have been looked for
    ), unknown


def _comments(path: Path) -> dict[str, str]:
    check_size(path, most=LARGEST_HEADER)
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror})") from error
    found: dict[str, str] = {}
    for match in filter(None, (COMMENT.fullmatch(line.strip()) for line in lines)):
        name = match[1].capitalize()
        found[name] = f"{found[name]},{match[2]}" if name == "Dx" and name in found else match[2]
    return found


def _age(text: str) -> float:
    """Read an age in years; NaN where there is none."""
    return float(text) if re.fullmatch(r"\d{1,3}(\.\d+)?", text) else float("nan")
