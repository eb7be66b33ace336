"""Listings that are wrong, or that try to write elsewhere."""

from __future__ import annotations

import pytest

from tests.data.download.checks import content, get, refused, wanted
from tests.data.download.conftest import N_RECORDS
from tests.file_server import (
    FileServer,
)


def publish_records(server: FileServer, content: bytes) -> None:
    """Let a server have another `RECORDS`, which its listing does not know."""
    listing = (server.folder / "SHA256SUMS.txt").read_text().splitlines()
    server.content["SHA256SUMS.txt"] = "\n".join(line for line in listing if not line.endswith(" RECORDS")).encode()
    server.content["RECORDS"] = content


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("../../etc/passwd", "'../../etc/passwd' is no record of PTB-XL"),
        ("/etc/passwd", "is no record"),
        ("records100/../../x/00001_lr", "is no record"),
        ("records100\\00000\\00001_lr", "is no record"),
        ("records100/00000/00001_hr", "is no record"),
        ("records100/00000/00001_lr.dat", "is no record"),
        ("records250/00000/00001_lr", "is no record"),
        ("https://example.org/records100/00000/00001_lr", "is no record"),
        ("records100/00000/00001_lr\x1b[2J", "is no record"),
        ("records100/00000/00001_lr\x00", "is no record"),
        ("records100/00000/0000１_lr", "is no record"),
        ("x" * 10000, "xxx…"),
        ("<!DOCTYPE html>", "'<!DOCTYPE html>' is no record"),
        ("records100/00000/99999_lr", "lacks 2 of 22 files of the records in RECORDS, the first is records100/00000/99999_lr.hea"),
    ],
)
def test_a_line_of_records_that_is_no_listed_record_is_refused_before_anything_is_written(line, part, server, published, tmp_path):
    publish_records(server, (published / "RECORDS").read_bytes() + line.encode())
    refused(get(server, tmp_path / "out"), server.url, "--base-url", part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{sum} ../x", "lists '../x', which is no plain path inside the folder"),
        ("{sum} /etc/passwd", "no plain path"),
        ("{sum} a/../../b", "no plain path"),
        ("{sum} a//b", "no plain path"),
        ("{sum} a/./b", "no plain path"),
        ("{sum} ..", "no plain path"),
        ("{sum} a\\b", "no plain path"),
        ("{sum} C:x", "no plain path"),
        ("{sum} a\x1b[2Jb", "no plain path"),
        ("{sum} a\u202eb", "no plain path"),
        ("{sum}", "is not a listing of SHA-256 sums and file names (line 1:"),
        ("g" + "0" * 63 + " LICENSE.txt", "is not a listing"),
        ("0123 LICENSE.txt", "is not a listing"),
        ("<html>\x1b[2J", "is not a listing"),
        ("\x00\x01\x02", "is not a listing"),
        ("{sum} LICENSE.txt", "contradicts another on 'LICENSE.txt'"),
    ],
)
def test_a_listing_with_tricks_is_refused_before_anything_is_written(line, part, server, published, tmp_path):
    listing = (published / "SHA256SUMS.txt").read_text()
    server.content["SHA256SUMS.txt"] = (line.format(sum="0" * 64) + "\n" + listing).encode()
    refused(get(server, tmp_path / "out"), server.url, "SHA256SUMS.txt", part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ptbxl_database.csv", "scp_statements.csv"])
def test_a_listing_of_something_else_is_refused(name, server, published, tmp_path):
    listing = (published / "SHA256SUMS.txt").read_text().splitlines()
    server.content["SHA256SUMS.txt"] = "\n".join(line for line in listing if name not in line).encode()
    refused(get(server, tmp_path / "out"), f"does not list {name}", "--base-url")
    assert not (tmp_path / "out").exists()


def test_a_listing_as_other_programs_write_it_is_read(server, published, tmp_path):
    lines = (published / "SHA256SUMS.txt").read_text().splitlines()
    other = [f"{line.split()[0].upper()} *./{line.split()[1]}\r\n" for line in lines]
    server.content["SHA256SUMS.txt"] = "".join([*other, other[0]]).encode()
    assert get(server, tmp_path / "out").code == 0
    assert content(tmp_path / "out").keys() == wanted(published).keys()


def test_a_rate_that_the_server_lacks_is_refused(server, published, tmp_path):
    text = "".join(line for line in (published / "RECORDS").read_text().splitlines(keepends=True) if "records100" in line)
    publish_records(server, text.encode())
    refused(get(server, tmp_path / "out", "--rate", 500), "lists no record at 500 Hz: take --rate 100")


def test_records_that_the_table_has_and_the_server_lacks_are_counted(server, published, tmp_path):
    names = [line for line in (published / "RECORDS").read_text().split() if "records100" in line]
    publish_records(server, "\n".join(names[:4]).encode())
    said = get(server, tmp_path / "out")
    assert said.code == 0
    assert f"not published  {N_RECORDS - 4} records of the table at 100 Hz" in said.out
    assert said.out.endswith("DATA --damaged drop\n")
