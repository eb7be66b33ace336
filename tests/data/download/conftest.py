"""Ten real records at both rates in the published layout, and a server that has them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecg_tune.data.download import client
from tests.file_server import FileServer, serving

N_RECORDS = 10


def write_listing(folder: Path) -> None:
    """Write `SHA256SUMS.txt` over everything in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS.txt")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS.txt").write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def published(ptbxl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as PhysioNet publishes it, with ten records that the real one has at 500 Hz too."""
    folder = tmp_path_factory.mktemp("published")
    listed = set((ptbxl / "RECORDS").read_text().split())
    with (ptbxl / "ptbxl_database.csv").open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        rows = [row for row in table if row["filename_hr"] in listed][:N_RECORDS]
    with (folder / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table.fieldnames or [])
        writer.writeheader()
        writer.writerows(rows)
    names = [row[column] for column in ("filename_lr", "filename_hr") for row in rows]
    for name in ("scp_statements.csv", "LICENSE.txt", *(f"{name}{end}" for name in names for end in (".hea", ".dat"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ptbxl / name).read_bytes())
    (folder / "RECORDS").write_text("".join(f"{name}\n" for name in names))
    write_listing(folder)
    return folder


@pytest.fixture
def server(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve these records to clients that wait less long than usual before they try again."""
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(client, "STALL_TIMEOUT_S", 10.0)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with serving(published) as running:
        yield running
