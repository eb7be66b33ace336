"""Files and requests that nobody would think of: each is taken, or refused by an error of ours in one short line, and none hangs.

A sample is tried in every run, the same each time; `FUZZ=2000 pytest tests/faults/test_fuzzing*.py` tries that many new ones a kind.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from analysis.dashboard.live_server import LiveServer
from ecg_tune.api.settings import read_settings
from ecg_tune.data.ptbxl.tables import read_ptbxl
from ecg_tune.data.recordings.files import read_recordings
from ecg_tune.data.synthetic.generator import synthesize
from tests.analysis.dashboard.test_live import make
from tests.faults.fuzzing import fuzzed, refused_or_taken

pytestmark = pytest.mark.slow


# ---- settings ----
NAMES = st.sampled_from([
    "trials", "families", "space", "training", "enqueue", "sampler", "seed", "target", "max_hours", "storage", "gpus_per_trial",
    "cnn1d.dropout", "cnn1d.depth", "cnn1d.learning_rate", "low", "high", "log", "step", "prior", "confidence", "minimise", "checkpoints",
])  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.text(max_size=20), st.dates(), NAMES,
    st.sampled_from(["cnn1d", "s3://", "postgresql://a", "~", "\0", "false", "1e999", "auto"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | SCALARS, inner, max_size=4), max_leaves=12
)


@fuzzed
@given(text=st.dictionaries(NAMES, VALUES, max_size=5).map(lambda value: yaml.dump(value)) | st.text(max_size=200))
def test_settings(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    refused_or_taken(lambda: read_settings(tmp_path / "c.yaml", {}))


# ---- WFDB headers, tables of recordings ----
HEADER = "r 2 100 1000 12:00:00 01/02/2026\nr.dat 16 1000(0)/mV 16 0 1 -2 0 I\nr.dat 16 1000(0)/mV 16 0 3 4 0 II\n"
WORDS = st.sampled_from([
    "r", "r/2", "2", "0", "-1", "99999999999", "1e400", "nan", "inf", "100", "1000", "16", "16x2", "16+99", "212", "80", "516", "0(0)/mV",
    "1000(0)/furlongs", "1000.5(-3)/uV", "../../etc/passwd", "/dev/zero", "r.dat", "other.dat", "I", "II", "\0", "é", "#", "\n", "~", "*2",
])  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    """Replace, drop or repeat some words of a text."""
    words = text.replace("\n", " \n ").split(" ")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words) - 1))
        words[at : at + draw(st.integers(0, 2))] = [draw(WORDS | st.text(max_size=8)) for _ in range(draw(st.integers(0, 2)))]
        words = words or [""]
    return " ".join(words).replace(" \n ", "\n")


@fuzzed
@given(header=changed(HEADER), signal=st.binary(max_size=50) | st.just(b"\1\0\2\0" * 1000))
def test_wfdb_headers(header, signal, tmp_path):
    (tmp_path / "r.hea").write_text(header, encoding="utf-8", errors="surrogatepass")
    (tmp_path / "r.dat").write_bytes(signal)
    refused_or_taken(lambda: read_recordings(tmp_path / "r.hea"))


@fuzzed
@given(text=changed("time,I,II\n0,0.1,0.2\n0.01,0.1,0.2\n0.02,0.1,0.2\n") | st.text(max_size=200))
def test_csv_recordings(text, tmp_path):
    (tmp_path / "r.csv").write_text(text, encoding="utf-8", errors="surrogatepass")
    refused_or_taken(lambda: read_recordings(tmp_path / "r.csv"))


# ---- PTB-XL's table ----
CELLS = st.one_of(
    st.text(max_size=12), st.integers().map(str), st.floats().map(str),
    st.sampled_from(["", "nan", "{'NORM': 100.0}", "{", "{'NORM': 'x'}", "[" * 300, "../x", "/dev/zero", "1.5", "1e30", "\u0661"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def ptbxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ptbxl")
    synthesize(folder / "syn", n_records=12, seed=1)
    (folder / "syn" / "SHA256SUMS.txt").unlink(missing_ok=True)
    return folder / "syn"


@fuzzed
@given(row=st.integers(1, 12), cells=st.dictionaries(st.integers(0, 27), CELLS, min_size=1, max_size=4))
def test_rows_of_ptbxl(row, cells, ptbxl_folder):
    import csv  # beside the only test of it

    table = ptbxl_folder / "ptbxl_database.csv"
    whole = table.read_bytes()
    rows = list(csv.reader(whole.decode().splitlines()))
    for column, cell in cells.items():
        rows[row][column % len(rows[row])] = cell
    try:
        with table.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            csv.writer(file).writerows(rows)
        refused_or_taken(lambda: read_ptbxl(ptbxl_folder))
    finally:
        table.write_bytes(whole)


# ---- requests ----
@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("study")
    make(folder)
    with LiveServer([folder]) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


LINES = st.sampled_from([
    b"GET / HTTP/1.1", b"GET /news?since=1 HTTP/1.1", b"HEAD / HTTP/1.0", b"GET /study/ HTTP/1.1", b"POST / HTTP/1.1",
    b"GET http://[ HTTP/1.1",
    b"GET /%00 HTTP/1.1", b"GET /news?since=%ff&since=" + b"9" * 3000 + b" HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1",
    b"GET /?token=x HTTP/9.9",
    b"Host: 127.0.0.1", b"Host: evil.example", b"Host:", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: x",
    b"Expect: 100-continue",
    b"Transfer-Encoding: chunked", b"Connection: keep-alive", b"Range: bytes=-1", b"If-None-Match: *",
    b"Accept-Encoding: gzip;q=x", b" folded", b"\xff: \xff",
    b"A" * 5000 + b": b", b"Cookie: token=\x00", b"",
])  # fmt: skip
PIECES = st.sampled_from([
    b"GET ", b"HEAD ", b"POST ", b"/", b"/news?since=", b"\r\n", b"\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: 127.0.0.1\r\n",
    b"Host: ", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: keep-alive\r\n", b"\0", b"//[", b"?token=",
])  # fmt: skip


@fuzzed
@given(request=st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join) | st.lists(LINES, max_size=8).map(b"\r\n".join))
def test_requests(request, server, capfd):
    with socket.create_connection(server.server_address[:2], timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        with suppress(ConnectionError):
            connection.sendall(request)
            with suppress(OSError):  # the server has closed it already
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    assert capfd.readouterr().err == ""
