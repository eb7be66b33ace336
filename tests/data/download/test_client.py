"""A server that drops connections, is busy, stalls, cuts, lies, redirects: tried again, or refused in one line."""

from __future__ import annotations

from itertools import repeat

import pytest

from ecg_tune.data.download import client, download
from tests.data.download.checks import content, get, record_file, refused, wanted
from tests.file_server import (
    Fault,
    babble,
    drop,
    redirect,
    stall,
    stall_half_way,
    status,
    trickle,
    truncate,
    truncate_without_length,
    wrong_bytes,
)

STALLING = (stall, stall_half_way, trickle)


def impatient(monkeypatch: pytest.MonkeyPatch, *faults: Fault) -> bool:
    """Let a client wait less long for a server that stalls, where that is the fault; on a busy machine others may then seem to stall."""
    stalling = any(fault in STALLING for fault in faults)
    if stalling:
        monkeypatch.setattr(client, "STALL_TIMEOUT_S", 0.3)
    return stalling


PASSING: dict[str, list[Fault]] = {
    "dropped": [drop],
    "dropped again and again": [drop] * 5,
    "503": [status(503)],
    "500 and 502": [status(500), status(502)],
    "429 with seconds": [status(429, Retry_After="0")],
    "429 with a date": [status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")],
    "429 with nonsense": [status(429, Retry_After="soon")],
    "truncated": [truncate],
    "wrong bytes": [wrong_bytes],
    "truncated without a length": [truncate_without_length],
    "stalls": [stall],
    "stalls half-way": [stall_half_way],
    "trickles": [trickle],
    "one after the other": [drop, status(503), truncate, wrong_bytes],
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_tried_again_and_counted(name, server, published, tmp_path, monkeypatch):
    stalling = impatient(monkeypatch, *PASSING[name])
    server.faults[record_file(published)] = iter(PASSING[name])
    said = get(server, tmp_path / "out")
    assert said.code == 0, said.err
    assert "tries repeated" in said.out if stalling else f"{len(PASSING[name])} tries repeated" in said.out
    assert content(tmp_path / "out") == wanted(published)


@pytest.mark.parametrize("path", ["SHA256SUMS.txt", "RECORDS", "ptbxl_database.csv"])
@pytest.mark.parametrize("fault", [drop, status(503), truncate, stall])
def test_faults_of_the_tables_pass_too(path, fault, server, published, tmp_path, monkeypatch):
    impatient(monkeypatch, fault)
    server.faults[path] = iter([fault])
    assert get(server, tmp_path / "out").code == 0
    assert content(tmp_path / "out") == wanted(published)


LASTING: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "dropped": (drop, ("the connection broke", "tried 6 times", "run the same command again", "--base-url")),
    "503": (status(503), ("HTTP 503 Service Unavailable", "tried 6 times", "run the same command again", "--base-url")),
    "429": (status(429), ("HTTP 429 Too Many Requests", "tried 6 times")),
    "truncated": (truncate, ("the connection broke", "tried 6 times")),
    "stalls": (stall, ("the server stalls", "tried 6 times")),
    "trickles": (trickle, ("bytes came in", "tried 6 times")),
    "wrong bytes": (wrong_bytes, ("2 times with a wrong SHA-256", "run the same command again", "--base-url")),
    "cut without a length": (truncate_without_length, ("2 times with a wrong SHA-256",)),
    "404": (status(404), ("HTTP 404 Not Found", "--base-url")),
    "403": (status(403), ("HTTP 403 Forbidden", "~/.netrc")),
    "401": (status(401), ("HTTP 401 Unauthorized", "~/.netrc")),
    "204": (status(204), ("HTTP 204 No Content",)),
    "unknown status": (status(299), ("HTTP 299",)),
    "elsewhere": (redirect("https://example.org/x"), ("redirected to another server, 'https://example.org/x': not followed",)),
    "another port": (redirect("http://127.0.0.1:9/x"), ("redirected to another server",)),
    "another scheme": (redirect("file:///etc/passwd"), ("redirected to another server", "file:///etc/passwd")),
    "a wrong address": (redirect("http://[::1/x"), ("redirected to another server",)),
    "controls": (redirect("https://e.org/\x1b]0;x\x07"), ("redirected to another server",)),
    "no HTTP": (babble, ("the connection broke",)),
    "in a circle": (redirect("?again"), ("redirected more than 5 times",)),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_fault_that_lasts_is_one_line_and_leaves_only_whole_files(name, server, published, tmp_path, monkeypatch):
    fault, parts = LASTING[name]
    impatient(monkeypatch, fault)
    path = record_file(published)
    server.faults[path] = repeat(fault)
    refused(get(server, tmp_path / "out"), path, *parts)
    there = content(tmp_path / "out")
    assert path not in there
    assert there.items() < wanted(published).items()
    server.faults.clear()
    assert get(server, tmp_path / "out").code == 0
    assert content(tmp_path / "out") == wanted(published)


@pytest.mark.parametrize("name", [name for name, (_, parts) in LASTING.items() if "SHA-256" not in parts[0]])
def test_a_listing_that_is_not_to_be_had_leaves_nothing_behind(name, server, tmp_path, monkeypatch):
    fault, parts = LASTING[name]
    impatient(monkeypatch, fault)
    server.faults["SHA256SUMS.txt"] = repeat(fault)
    refused(get(server, tmp_path / "out"), "SHA256SUMS.txt", *parts)
    assert not (tmp_path / "out").exists()


def test_one_file_that_the_server_lacks_does_not_keep_the_others_from_coming(server, published, tmp_path):
    lost = sorted(name for name in wanted(published) if name.endswith(".hea"))[:3]
    server.faults |= {lost[0]: repeat(status(404)), lost[1]: repeat(wrong_bytes), lost[2]: repeat(status(404))}
    refused(get(server, tmp_path / "out"), "3 files are not to be had, the first: ", server.url)
    assert content(tmp_path / "out").keys() == wanted(published).keys() - set(lost)


def test_a_server_that_lacks_many_files_is_left_soon(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_UNAVAILABLE", 3)
    server.faults |= {name: repeat(status(404)) for name in wanted(published) if name.startswith("records")}
    refused(get(server, tmp_path / "out"), "3 files are not to be had")


def test_a_retry_after_of_hours_is_not_waited_for(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "LONGEST_PAUSE_S", 0.05)
    server.faults[record_file(published)] = iter([status(503, Retry_After="86400"), status(429, Retry_After="9" * 400)])
    assert get(server, tmp_path / "out").code == 0


def test_a_server_that_asks_for_a_pause_gets_it_from_all_connections(server, tmp_path, monkeypatch):
    shared = client.Client(server.url)
    monkeypatch.setattr(shared._stop, "wait", lambda seconds=None: waits.append(seconds) or False)
    waits: list[float] = []
    shared._plan_retry("x", 1, client.FailedTryError("busy", pause_s=0.03))
    shared._wait()
    assert len(waits) >= 2
    assert all(0 < seconds <= 0.03 for seconds in waits)


def test_connections_stay_bounded(server, tmp_path):
    server.delay_s = 0.02
    assert get(server, tmp_path / "out", "--jobs", 3).code == 0
    assert server.busiest <= 3


def test_a_redirect_on_the_same_server_is_followed(server, published, tmp_path):
    path = record_file(published)
    server.faults[path] = repeat(redirect(f"/{path}.moved"))
    server.content[f"{path}.moved"] = (published / path).read_bytes()
    assert get(server, tmp_path / "out").code == 0
    assert content(tmp_path / "out") == wanted(published)


def test_a_file_without_end_is_refused(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "MOST_BYTES", 2000)
    refused(get(server, tmp_path / "out"), "is larger than 0 MiB, which no file of PTB-XL is")
