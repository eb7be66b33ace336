"""An archive comes from another machine: plain files below the target, or one line and nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import resource
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_tune.cluster import archive
from ecg_tune.cluster.archive import BEGIN_MARK, END_MARK, ArchiveReader, write_archive
from ecg_tune.errors import UsageError

Content = Callable[[tarfile.TarFile], None]


def text_of(packed: bytes) -> str:
    """Print bytes as a job does, with the right digest."""
    lines = [base64.b64encode(packed[start : start + 1425]).decode() for start in range(0, len(packed), 1425)]
    return "\n".join([BEGIN_MARK, *lines, f"{END_MARK} {hashlib.sha256(packed).hexdigest()} {len(packed)}", ""])


def packed_tar(*contents: Content, format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=format) as tar:
        for content in (member("before"), *contents):
            content(tar)
    return file.getvalue()


def unpack(packed: bytes, target: Path, names: tuple[str, ...] = ()) -> None:
    reader = ArchiveReader(lambda line: None)
    reader.feed(text_of(packed))
    try:
        reader.unpack(target, names=names)
    finally:
        reader.packed.close()


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", size: int = 0, data: bytes = b"", **more: object) -> Content:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size or len(data)
        for key, value in more.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data) if data else None)

    return add


def many(n: int) -> Content:
    return lambda tar: [member(f"f{number}")(tar) for number in range(n)] and None


CHAIN = [member("/".join(["d" * 50] * depth), tarfile.DIRTYPE) for depth in range(1, 25)]
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**40)}
MEMBERS = {
    "absolute": [member("/tmp/victim")],
    "up": [member("../victim")],
    "up in the middle": [member("a/../../victim")],
    "harmless up": [member("a/../b")],
    "dot": [member(".")],
    "dots": [member("a/./b")],
    "empty part": [member("a//b")],
    "backslash": [member("..\\victim")],
    "link to a file": [member("link", tarfile.SYMTYPE, link="/etc/passwd")],
    "link inside": [member("link", tarfile.SYMTYPE, link="before")],
    "link up": [member("link", tarfile.SYMTYPE, link=".."), member("link/victim", data=b"x")],
    "chain of long links": [member("a" * 200, tarfile.SYMTYPE, link="b" * 200), member("a" * 200 + "/x", data=b"x")],
    "hard link": [member("link", tarfile.LNKTYPE, link="before")],
    "hard link out": [member("link", tarfile.LNKTYPE, link="/etc/passwd")],
    "pipe": [member("pipe", tarfile.FIFOTYPE)],
    "device": [member("disk", tarfile.BLKTYPE, devmajor=8)],
    "terminal": [member("tty", tarfile.CHRTYPE, devmajor=5)],
    "continued": [member("cont", tarfile.CONTTYPE)],
    "unknown kind": [member("what", b"Z")],
    "sparse": [member("sparse", pax_headers=SPARSE, data=b"0\n")],
    "control characters": [member("a\x1b[2Jb")],
    "line break": [member("a\nb")],
    "long name": [member("a" * 5000)],
    "long part": [member("a" * 300)],
    "deep": CHAIN,
    "twice": [member("a", data=b"1"), member("a", data=b"2")],
    "file as folder": [member("a", data=b"1"), member("a/b", data=b"2")],
    "huge size": [member("big", size=2**50)],
    "negative size in pax": [member("big", pax_headers={"size": "-5"})],
    "folder as file": [member("a/b", data=b"2"), member("a", data=b"1")],
    "many": [many(300)],
}


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 200)
    monkeypatch.setattr(archive, "MOST_BYTES", 10**6)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("name", MEMBERS)
def test_only_plain_files_and_folders_below_the_target_are_taken(name, format, tmp_path):
    (tmp_path / "target").mkdir()
    if format == tarfile.GNU_FORMAT and ("pax" in name or name == "sparse"):
        pytest.skip("GNU's format has no such header")
    refused(packed_tar(*MEMBERS[name], format=format), tmp_path)


def refused(packed: bytes, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        unpack(packed, folder / "target" / "new")
    assert len(str(caught.value)) < 500
    assert [str(path.relative_to(folder)) for path in folder.rglob("*")] == ["target"], "refused means untouched"


WHOLE = packed_tar(member("a", data=os.urandom(5000)), member("folder", tarfile.DIRTYPE), member("folder/b", data=b"b"))
TAR = gzip.decompress(WHOLE)
LONG_LINK = tarfile.TarInfo("././@LongLink")
LONG_LINK.type, LONG_LINK.size = tarfile.GNUTYPE_LONGNAME, 2**33
PAX = tarfile.TarInfo("pax")
PAX.type, PAX.size = tarfile.XHDTYPE, 2**33
BYTES = {
    "nothing": b"",
    "text": b"hello",
    "no gzip": TAR,
    "no tar": gzip.compress(b"hello" * 1000),
    "empty gzip": gzip.compress(b""),
    "cut": WHOLE[: len(WHOLE) // 2],
    "cut by a byte": WHOLE[:-1],
    "its checksum changed": WHOLE[:-8] + bytes(4) + WHOLE[-4:],
    "a byte in its middle changed": WHOLE[:3000] + bytes([WHOLE[3000] ^ 255]) + WHOLE[3001:],
    "a cut tar": gzip.compress(TAR[:3000]),
    "a header of noise": gzip.compress(TAR[:512] + os.urandom(512) + TAR[1024:]),
    "a name of 8 GB": gzip.compress(LONG_LINK.tobuf(tarfile.GNU_FORMAT) + bytes(10**8)),
    "a pax header of 8 GB": gzip.compress(PAX.tobuf(tarfile.PAX_FORMAT) + bytes(10**8)),
    "a bomb": packed_tar(member("zeros", data=bytes(10**8))),
}


@pytest.mark.parametrize("name", BYTES)
def test_what_is_no_whole_archive_is_one_line_and_takes_no_memory(name, tmp_path):
    (tmp_path / "target").mkdir()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(BYTES[name], tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000, "kB"


def test_what_was_not_asked_for_is_refused(tmp_path):
    unpack(packed_tar(), tmp_path / "one", names=("before",))
    with pytest.raises(UsageError, match=r"hold 'other', which was not asked for"):
        unpack(packed_tar(member("other")), tmp_path / "two", names=("before",))
    assert not (tmp_path / "two").exists()


def test_lines_in_between_that_are_no_part_of_it_are_passed_on(tmp_path):
    others: list[str] = []
    reader = ArchiveReader(others.append)
    reader.feed(text_of(WHOLE).replace("\n", "\nx\n", 2))
    reader.unpack(tmp_path / "unpacked")
    assert others == ["x\n", "x\n"]
    reader.packed.close()


def test_links_and_pipes_of_a_study_arrive_as_what_they_lead_to(tmp_path):
    folder = tmp_path / "study"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "a.pth").write_bytes(b"weights")
    os.link(folder / "models" / "a.pth", folder / "models" / "hard.pth")
    (folder / "models" / "soft.pth").symlink_to("a.pth")
    (folder / "linked").symlink_to(folder / "models")
    os.mkfifo(folder / "pipe")
    out = io.StringIO()
    write_archive({path.name: path for path in sorted(folder.iterdir())}, out)
    reader = ArchiveReader(lambda line: None)
    reader.feed(out.getvalue())
    reader.unpack(tmp_path / "home")
    reader.packed.close()
    arrived = {str(path.relative_to(tmp_path / "home")): path for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert sorted(arrived) == [f"{part}/{name}.pth" for part in ("linked", "models") for name in ("a", "hard", "soft")]
    assert all(path.read_bytes() == b"weights" and not path.is_symlink() for path in arrived.values())


def test_a_folder_that_holds_itself_is_refused_when_it_is_packed(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="more than 20 folders deep: remove links that lead back"):
        write_archive({"folder": tmp_path}, io.StringIO())
