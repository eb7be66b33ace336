"""Files and requests that nobody would think of: each is taken, or refused by an error of ours in one short line, and none hangs.

A sample is tried in every run, the same each time; `FUZZ=2000 pytest tests/faults/test_fuzzing.py` tries that many new ones a kind.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.dashboard.live_server import LiveServer
from ecg_tune.api.settings import read_settings
from ecg_tune.data.ptbxl.tables import read_ptbxl
from ecg_tune.data.recordings.files import read_recordings
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.errors import EcgTuneError
from ecg_tune.study.study import Study
from ecg_tune.training.model_file import load_model, save_model
from tests.analysis.dashboard.test_live import make
from tests.training.test_model_file import trained  # noqa: F401  # a fixture

pytestmark = pytest.mark.slow
CASES = int(os.environ.get("FUZZ", "50"))
fuzzed = settings(
    max_examples=CASES,
    derandomize=CASES <= 50,
    database=None,
    deadline=timedelta(seconds=20),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


def refused_or_taken(action: Callable[[], object]) -> None:
    """Do it; where it is refused, the message must be one line that can be printed."""
    try:
        action()
        return
    except EcgTuneError as error:
        message = str(error)
    assert message.strip()
    assert len(message) < 10_000


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


# ---- studies ----
@pytest.fixture(scope="module")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    make(folder)
    return folder


KEYS = st.sampled_from([
    "ecg_tune:format", "format", "family", "config", "path", "checkpoint", "seconds", "epochs", "epochs_trained", "decisions", "ended_by",
    "per_class_auc", "best_epoch", "losses", "fail_reason", "failure", "max_epochs", "metric", "families", "data_path", "space", "minimise",
    "classes", "profile", "checkpoints", "continued_from", "superseded_by", "forecast", "n_parameters", "queue", "imported_from",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | KEYS, inner, max_size=4),
    max_leaves=8,
)


@fuzzed
@given(key=KEYS, text=JSON.map(lambda value: __import__("json").dumps(value)) | st.text(max_size=30), of_trial=st.booleans())
def test_attributes_of_a_study(key, text, of_trial, study_folder):
    table, column = ("trial_user_attributes", "trial_id") if of_trial else ("study_user_attributes", "study_id")
    stored = text.encode("utf-8", "replace").decode()
    with closing(sqlite3.connect(study_folder / "study.db")) as database, database:
        database.execute(f"INSERT OR REPLACE INTO {table} ({column}, key, value_json) VALUES (1, ?, ?)", (key, stored))
    try:
        refused_or_taken(lambda: _look(study_folder))
    finally:
        with closing(sqlite3.connect(study_folder / "study.db")) as database, database:
            database.execute(f"DELETE FROM {table} WHERE key = ? AND NOT (key IN ('family', 'config') AND ?)", (key, of_trial))
            database.execute("UPDATE trial_user_attributes SET value_json = '\"rnn\"' WHERE key = 'family'")
            database.execute("UPDATE trial_user_attributes SET value_json = '{\"family\": \"rnn\"}' WHERE key = 'config'")


def _look(folder: Path) -> None:
    with Study.open(folder, read_only=True) as study:
        study.best_trials()
        assert [trial.state for trial in study.trials()]


# ---- model files ----
@fuzzed
@given(cut=st.floats(0, 1), at=st.floats(0, 1), patch=st.binary(min_size=1, max_size=16))
def test_model_files(cut, at, patch, trained, tmp_path):  # noqa: F811
    path = tmp_path / "RNNModel_best.pth"
    whole = tmp_path / "whole.pth"
    if not whole.exists():
        save_model(whole, trained[1])
    content = bytearray(whole.read_bytes())
    start = int(at * (len(content) - 1))
    content[start : start + len(patch)] = patch
    path.write_bytes(content[: max(1, int(cut * 2 * len(content)))])
    refused_or_taken(lambda: load_model(path))


# ---- requests ----
@pytest.fixture(scope="module")
def server(study_folder: Path) -> Iterator[LiveServer]:
    with LiveServer([study_folder]) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


PIECES = st.sampled_from([
    b"GET ", b"HEAD ", b"POST ", b"/", b"/news?since=", b"\r\n", b"\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: 127.0.0.1\r\n",
    b"Host: ", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: keep-alive\r\n", b"\0", b"//[", b"?token=",
])  # fmt: skip


@fuzzed
@given(request=st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join))
def test_requests(request, server, capfd):
    with socket.create_connection(server.server_address[:2], timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        with suppress(ConnectionError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    assert capfd.readouterr().err == ""
