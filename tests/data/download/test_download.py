"""`ecg-tune data download` against a real server on loopback that has real records: what comes, and how it resumes."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from itertools import repeat
from pathlib import Path

import pytest

from ecg_tune.data.download import client, download
from tests.commands import ecg_tune
from tests.data.download.checks import content, get, record_file, refused, wanted
from tests.data.download.conftest import N_RECORDS
from tests.file_server import (
    serving,
    stall,
    wait_for,
)


@pytest.mark.parametrize("rate", [100, 500])
def test_a_download_holds_the_tables_and_the_wanted_rate_byte_for_byte(rate, server, published, tmp_path):
    said = get(server, tmp_path / "out", "--rate", rate)
    assert said.code == 0, said.err
    assert content(tmp_path / "out") == wanted(published, rate=rate)
    assert f"{N_RECORDS} records at {rate} Hz, every file verified" in said.out
    assert f"next: ecg-tune data prepare {tmp_path / 'out'} DATA" in said.out
    assert ("--rate 500" in said.out) == (rate == 500)
    assert sorted(server.asked) == sorted(wanted(published, rate=rate)), "each file is asked for once"


@pytest.mark.slow
def test_all_real_records_come_over_the_wire_and_the_printed_command_prepares_them(ptbxl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving(ptbxl) as server:
        said = get(server, Path("out"), "--rate", 500)
    assert said.code == 0, said.err
    listed = dict(reversed(line.split()) for line in (ptbxl / "SHA256SUMS.txt").read_text().splitlines())
    got = {name: hashlib.sha256(data).hexdigest() for name, data in content(Path("out")).items() if name != "SHA256SUMS.txt"}
    assert got == {name: digest for name, digest in listed.items() if not name.startswith("records100/")}
    following = said.out.rpartition("next: ecg-tune ")[2].split()
    assert following == ["data", "prepare", "out", "DATA", "--rate", "500", "--damaged", "drop"]
    assert ecg_tune(*following).code == 0


def test_the_same_command_again_fetches_nothing_but_the_listing(server, tmp_path):
    get(server, tmp_path / "out")
    server.asked.clear()
    said = get(server, tmp_path / "out")
    assert said.code == 0
    assert server.asked == ["SHA256SUMS.txt"]
    assert f"there already  {2 * N_RECORDS + 4} files" in said.out


def test_files_that_are_cut_or_changed_are_fetched_again_and_reported(server, published, tmp_path):
    get(server, tmp_path / "out")
    names = sorted(name for name in wanted(published) if name.startswith("records"))
    (tmp_path / "out" / names[0]).write_bytes(b"")
    (tmp_path / "out" / names[1]).write_bytes((published / names[1]).read_bytes()[:-2])
    (tmp_path / "out" / names[2]).unlink()
    (tmp_path / "out" / "ptbxl_database.csv").write_text("ecg_id;patient_id\n")
    server.asked.clear()
    said = get(server, tmp_path / "out")
    assert said.code == 0
    assert sorted(server.asked) == sorted(["SHA256SUMS.txt", "ptbxl_database.csv", *names[:3]])
    assert "replaced       3 files with a wrong SHA-256: ptbxl_database.csv" in said.out
    assert content(tmp_path / "out") == wanted(published)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_download_that_was_ended_and_started_again_fetches_only_what_is_missing(how, server, published, tmp_path):
    server.delay_s = 0.1
    out = tmp_path / "out"
    heard = ["env", "--default-signal=INT"]  # a shell's background jobs ignore Ctrl-C, and what they start does too
    command = [*heard, sys.executable, "-m", "ecg_tune", "data", "download", str(out), "--base-url", server.url, "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: len(list(out.rglob("*.dat"))) >= 3)
        process.send_signal(how)
        message = process.communicate()[1]
    assert "Traceback" not in message
    if how != signal.SIGKILL:
        assert process.returncode == 130
        assert message == "ecg-tune: interrupted; the same command again keeps what is finished and does the rest\n"
    there = {name: data for name, data in content(out).items() if not Path(name).name.startswith(".")}
    assert there.items() < wanted(published).items(), "some files, each whole"
    server.asked.clear()
    server.delay_s = 0
    assert get(server, out).code == 0
    assert sorted(server.asked) == sorted({"SHA256SUMS.txt"} | wanted(published).keys() - there.keys())
    assert content(out) == wanted(published), "and nothing half-written is left"


@pytest.mark.slow
def test_an_interruption_does_not_wait_for_a_server_that_stalls(server, published, tmp_path):
    server.faults[record_file(published)] = repeat(stall)
    command = [sys.executable, "-m", "ecg_tune", "data", "download", str(tmp_path / "out"), "--base-url", server.url]
    with subprocess.Popen(["env", "--default-signal=INT", *command], stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: record_file(published) in server.asked)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=client.CONNECT_TIMEOUT_S)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--base-url", "ftp://example.org/"], "--base-url must be a folder such as https://HOST/"),
        (["--base-url", "file:///etc/"], "--base-url must be a folder"),
        (["--base-url", "ptb-xl"], "--base-url must be a folder"),
        (["--base-url", "http://"], "--base-url must be a folder"),
        (["--base-url", "http://h/?a=b"], "--base-url must be a folder"),
        (["--base-url", "http://h/\x1b[2J"], "--base-url must be a folder"),
        (["--base-url", "http://h:99999/"], "is no address"),
        (["--base-url", "http://[::1/"], "is no address"),
        (["--base-url", "http://me:secret@h/"], "holds a name or a password for h: leave them out and put them into ~/.netrc"),
        (["--base-url", "http://a..b/"], "check --base-url"),
        (["--base-url", "http://" + "a" * 300 + "/"], "check --base-url"),
        (["--base-url", "http://127.0.0.1:1/"], "no connection (Connection refused): check --base-url, the network and the proxy"),
        (["--base-url", "http://nowhere.invalid/"], "the host's name can't be resolved"),
        (["--base-url", "http://h/", "--version", "1.0.3"], "leave --version 1.0.3 out"),
        (["--version", "1.0.9"], "unknown version '1.0.9'"),
        (["--version", "../../x"], "unknown version '../../x'"),
        (["--rate", "250"], "rate must be 100 or 500 Hz, but got 250"),
        (["--jobs", "0"], "--jobs"),
        (["--jobs", "1000"], "--jobs"),
    ],
)
def test_wrong_flags_are_one_line_and_leave_nothing_behind(flags, part, tmp_path):
    said = ecg_tune("data", "download", tmp_path / "out", *flags)
    refused(said, part)
    assert "secret" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_version_has_its_address_at_physionet():
    assert download.address_of("1.0.2") == "https://physionet.org/files/ptb-xl/1.0.2/"
