"""A folder as text: it arrives complete, or is refused."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from ecg_tune.cluster import archive
from ecg_tune.cluster.archive import END_MARK, ArchiveReader, write_archive
from ecg_tune.errors import WorkFailedError

WRITTEN_AT = 1_000_000_000


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.pth").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "study.db").write_bytes(b"rows")
    os.utime(tmp_path / "study.db", (WRITTEN_AT, WRITTEN_AT))
    out = io.StringIO()
    write_archive({"models": tmp_path / "models", "study.db": tmp_path / "study.db"}, out)
    return out.getvalue()


@pytest.mark.parametrize("piece", [1, 7, 5000, 10**6])
def test_it_arrives_as_it_was_however_it_is_cut(text: str, piece: int, tmp_path: Path) -> None:
    other_text: list[str] = []
    reader, output = ArchiveReader(other_text.append), f"before\n{text}after\n"
    for start in range(0, len(output), piece):
        reader.feed(output[start : start + piece])
    reader.unpack(tmp_path / "unpacked")
    assert (tmp_path / "unpacked/models/a.pth").read_bytes() == bytes(range(256)) * 50
    assert (tmp_path / "unpacked/study.db").read_bytes() == b"rows"
    assert ((tmp_path / "unpacked/study.db").stat().st_mtime == WRITTEN_AT) == ("filter" in archive.EXTRACTION)
    assert other_text == ["before\n", "after\n"]
    reader.packed.close()


def test_it_arrives_where_python_has_no_filters(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "EXTRACTION", {"set_attrs": False})  # as of Python 3.11.2
    test_it_arrives_as_it_was_however_it_is_cut(text, 5000, tmp_path)


def test_one_that_is_cut_or_changed_is_not_unpacked(text: str, tmp_path: Path) -> None:
    lines = text.splitlines(keepends=True)
    for broken in ("".join(lines[:-1]), "".join([lines[0], *lines[2:]]), text.replace(END_MARK, f"{END_MARK} 0000")):
        reader = ArchiveReader(lambda line: None)
        reader.feed(broken)
        with pytest.raises(WorkFailedError, match="the files did not arrive complete"):
            reader.unpack(tmp_path / "unpacked")
        reader.packed.close()
    assert not (tmp_path / "unpacked").exists()
