"""Run the command against a server on loopback, and compare what it left with what is published."""

from __future__ import annotations

from pathlib import Path

from tests.commands import Said, ecg_tune
from tests.file_server import (
    FileServer,
)

TABLES = {"LICENSE.txt", "RECORDS", "SHA256SUMS.txt", "ptbxl_database.csv", "scp_statements.csv"}


def get(server: FileServer, out: Path, *flags: object) -> Said:
    """Run the command against a server."""
    return ecg_tune("data", "download", out, "--base-url", server.url, *flags)


def content(folder: Path) -> dict[str, bytes]:
    """Read everything in a folder, hidden files too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wanted(published: Path, *, rate: int = 100) -> dict[str, bytes]:
    """Read what a download of one rate must hold."""
    return {name: data for name, data in content(published).items() if name in TABLES or name.startswith(f"records{rate}/")}


def record_file(published: Path) -> str:
    """Name one signal file."""
    return min(path.relative_to(published).as_posix() for path in published.glob("records100/*/*.dat"))


def refused(said: Said, *parts: str) -> None:
    """Check that a command ended with one line that has all parts, and exit code 2."""
    assert said.code == 2, said
    assert said.err.startswith("ecg-tune: ")
    assert said.err.count("\n") == 1, said.err
    for part in parts:
        assert part in said.err
    assert said.err.isprintable() or said.err.rstrip("\n").isprintable(), "nothing that a terminal would obey"
