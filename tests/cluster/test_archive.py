"""A folder as text, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ecg_tune.cluster.archive import ENDS, ParcelReader, write_parcel
from ecg_tune.errors import WorkFailedError


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.pth").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "study.db").write_bytes(b"rows")
    out = io.StringIO()
    write_parcel({"models": tmp_path / "models", "study.db": tmp_path / "study.db"}, out)
    return out.getvalue()


@pytest.mark.parametrize("piece", [1, 7, 5000, 10**6])
def test_it_arrives_as_it_was_however_it_is_cut(text: str, piece: int, tmp_path: Path) -> None:
    message: list[str] = []
    reader, whole = ParcelReader(message.append), f"before\n{text}after\n"
    for start in range(0, len(whole), piece):
        reader.feed(whole[start : start + piece])
    reader.unpack(tmp_path / "here")
    assert (tmp_path / "here/models/a.pth").read_bytes() == bytes(range(256)) * 50
    assert (tmp_path / "here/study.db").read_bytes() == b"rows"
    assert message == ["before\n", "after\n"]
    reader.packed.close()


def test_one_that_is_cut_or_changed_is_not_unpacked(text: str, tmp_path: Path) -> None:
    lines = text.splitlines(keepends=True)
    for broken in ("".join(lines[:-1]), "".join([lines[0], *lines[2:]]), text.replace(ENDS, f"{ENDS} 0000")):
        reader = ParcelReader(lambda line: None)
        reader.feed(broken)
        with pytest.raises(WorkFailedError, match="nothing whole arrived"):
            reader.unpack(tmp_path / "here")
        reader.packed.close()
    assert not (tmp_path / "here").exists()
