"""Read what a server publishes: `SHA256SUMS.txt` lists every file, `RECORDS` every record. Nothing in either is trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecg_tune.data.ptbxl.checksums import CHECKSUMS, parse_checksums
from ecg_tune.data.ptbxl.records import DURATION_S
from ecg_tune.data.ptbxl.tables import DATABASE, STATEMENTS
from ecg_tune.errors import DataError

RECORDS = "RECORDS"
RATE_ENDINGS = {100: "lr", 500: "hr"}
RECORD = re.compile(r"records(?:100/\d{5}/\d{5}_lr|500/\d{5}/\d{5}_hr)", re.ASCII)
TRICK = re.compile(r"(^|/)\.{0,2}(/|$)|^[A-Za-z]:|\\")
"""A path that could lead out of its folder: absolute, with `..` or an empty part, with a drive or a backslash."""
SAMPLE_BYTES, N_LEADS, HEADER_BYTES = 2, 12, 1000
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class PublishedFile:
    """A file to download.

    Attributes:
        name: Its path below the base URL and below the target folder, with slashes.
        sha256: 64 hex digits in lower case; None for a file that is not listed, and can't be verified.
    """

    name: str
    sha256: str | None


def read_listing(content: bytes, *, where: str) -> dict[str, str]:
    """Parse `SHA256SUMS.txt` and refuse names that lead out of the folder; file → SHA-256.

    Args:
        content: The file's bytes.
        where: Its address, for messages.

    Raises:
        DataError: It is no listing, lists a file twice with different sums, holds such a name, or lacks PTB-XL's tables.
    """
    try:
        listed = parse_checksums(content, where=where)
    except DataError as error:
        raise DataError(f"{error}: check --base-url") from error
    for name in listed:
        if TRICK.search(name) or not name.isprintable():
            raise DataError(f"{where} lists {_shown(name)}, which is no plain path inside the folder: nothing is fetched; check --base-url")
    for name in (DATABASE, STATEMENTS):
        if name not in listed:
            raise DataError(f"{where} does not list {name}: give the address of a PTB-XL folder with --base-url")
    return listed


def table_files(listed: Mapping[str, str]) -> list[PublishedFile]:
    """Choose all files beside the folders of records: tables, licence, notes; without the two listings."""
    return [PublishedFile(name, digest) for name, digest in listed.items() if "/" not in name and name not in (CHECKSUMS, RECORDS)]


def read_record_names(content: bytes, *, where: str, rate_hz: int) -> tuple[str, ...]:
    """Parse `RECORDS` and choose the records of one sampling rate, without extension; a repeated line counts once.

    Raises:
        DataError: A line is no path of a PTB-XL record, or no record has this rate.
    """
    lines = [line.strip(" \t\r") for line in content.decode("latin-1").split("\n")]
    for number, line in enumerate(lines, start=1):
        if line and not RECORD.fullmatch(line):
            raise DataError(
                f"{where}, line {number}: {_shown(line)} is no record of PTB-XL such as records100/00000/00001_lr: check --base-url"
            )
    names = tuple(dict.fromkeys(line for line in lines if line.startswith(f"records{rate_hz}/")))
    if not names:
        (other,) = RATE_ENDINGS.keys() - {rate_hz}
        raise DataError(f"{where} lists no record at {rate_hz} Hz: take --rate {other}, or another --base-url")
    return names


def record_files(names: Sequence[str], listed: Mapping[str, str], *, where: str) -> list[PublishedFile]:
    """Find the header and the signal file of every record, with their sums.

    Raises:
        DataError: A file is not listed, so that its content can't be verified.
    """
    files = [f"{name}{end}" for name in names for end in (".hea", ".dat")]
    missing = [file for file in files if file not in listed]
    if missing:
        raise DataError(
            f"{where} lacks {len(missing)} of {len(files)} files of the records in {RECORDS}, the first is {missing[0]}: "
            "they can't be verified; take another --base-url"
        )
    return [PublishedFile(file, listed[file]) for file in files]


def expected_bytes(file: PublishedFile, *, rate_hz: int) -> int:
    """Estimate the size of a record's file as published: 12 leads of 16 bits for 10 s, or a short header."""
    return N_LEADS * SAMPLE_BYTES * DURATION_S * rate_hz if file.name.endswith(".dat") else HEADER_BYTES


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")
