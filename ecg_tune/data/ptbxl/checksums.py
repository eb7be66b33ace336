"""Read `SHA256SUMS.txt`, the listing of a PTB-XL folder's files and their hashes."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

from ecg_tune.errors import DataError
from ecg_tune.file_sizes import check_size

CHECKSUMS = "SHA256SUMS.txt"
CHECKSUM_LINE = re.compile(r"\s*(?P<sha256>[0-9a-fA-F]{64})\s+\*?(?P<name>\S(?:.*\S)?)\s*", re.ASCII)


def read_checksums(path: Path) -> dict[str, str]:
    """Read a listing as `sha256sum` writes it: file → SHA-256. Without a listing, nothing is verified: an empty dict.

    Raises:
        DataError: A line is not a SHA-256 with a file name, or contradicts another one.
    """
    if not os.path.lexists(path):
        return {}
    if not path.is_file():
        raise DataError(f"{path} is no file: remove it to go without verification")
    check_size(path)
    try:
        return parse_checksums(path.read_bytes(), where=str(path))
    except DataError as error:
        raise DataError(f"{error}: fetch it again, or remove it to go without verification") from error


def parse_checksums(content: bytes, *, where: str) -> dict[str, str]:
    """Parse a listing as `sha256sum` writes it: file → SHA-256 in lower case.

    Raises:
        DataError: A line is not a SHA-256 with a file name, or contradicts another one; names `where` and the line.
    """
    listed: dict[str, str] = {}
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"  # PowerShell 5 writes UTF-16
    lines = content.decode(encoding, errors="replace").split("\n")
    if not any(map(str.strip, lines)):
        raise DataError(f"{where} is empty")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = CHECKSUM_LINE.fullmatch(line.rstrip("\r"))
        if found is None:
            raise DataError(f"{where} is not a listing of SHA-256 sums and file names (line {number}: {line[:80]!r})")
        name, sha256 = found["name"].removeprefix("./"), found["sha256"].lower()
        if listed.setdefault(name, sha256) != sha256:
            raise DataError(f"{where} is not a listing of SHA-256 sums and file names (line {number} contradicts another on {name[:80]!r})")
    return listed
