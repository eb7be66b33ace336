"""`--on-end`: a command that finds the study in its environment, an address that gets it as JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from optuna.trial import create_trial

from ecg_tune.errors import UsageError
from ecg_tune.search.callbacks import Callbacks
from ecg_tune.search.on_end import on_end
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study

NASTY = "a $(touch pwned) `touch pwned`; touch pwned 'b\" && touch pwned"


def ended(folder: Path, text: str) -> list[str]:
    """Make a study of one trial, and end a search on it; return what was said."""
    said: list[str] = []
    told = Callbacks([on_end(text)], said.append)
    with told.ending(folder), Study.open_or_create(folder, StudyAttributes(metric="macro_auc", settings={})) as study:
        if not study.trials():
            study.optuna.add_trial(create_trial(value=0.75, user_attrs={"family": "cnn1d"}))
        told.begin(study)
        told.outcome = "max_hours"
    return said


def test_a_command_finds_the_study_and_its_outcome_in_its_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ended(tmp_path / "study", "env | grep ^ECG_TUNE_ | sort > seen") == []
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines() if "PTBXL" not in line)
    assert seen["ECG_TUNE_STUDY"] == str(tmp_path / "study")
    assert seen["ECG_TUNE_OUTCOME"] == "max_hours"
    assert (seen["ECG_TUNE_METRIC"], seen["ECG_TUNE_BEST_VALUE"], seen["ECG_TUNE_BEST_TRIAL"]) == ("macro_auc", "0.75", "0")
    assert seen["ECG_TUNE_TEXT"] == "search study: max_hours; 1 trials, best macro_auc 0.7500 (trial 0, cnn1d)"


def test_a_name_of_a_study_is_never_run_by_the_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ended(tmp_path / NASTY, 'echo "$ECG_TUNE_NAME" $ECG_TUNE_STUDY > seen') == []
    assert NASTY in (tmp_path / "seen").read_text()
    assert not list(tmp_path.rglob("pwned"))


def test_a_command_that_fails_is_said(tmp_path):
    (line,) = ended(tmp_path / "study", "exit 3")
    assert line == "callback --on-end failed in on_study_end: the command ended with code 3; it is not called again, no trial is touched"


def test_a_command_may_work_on_the_study_which_is_free_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "import sys; from pathlib import Path; from ecg_tune.study.lock import search_runs; print(search_runs(Path(sys.argv[1])))"
    (tmp_path / "look.py").write_text(code)
    assert ended(tmp_path / "study", f'"{sys.executable}" look.py "$ECG_TUNE_STUDY" > seen') == []
    assert (tmp_path / "seen").read_text() == "False\n"


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, object]], list[int]]]:
    """Return the address of a server, the bodies that it gets, and its answers' status, to be changed."""
    bodies: list[dict[str, object]] = []
    status = [204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret", bodies, status
        server.shutdown()


def test_an_address_gets_the_facts_as_json(tmp_path, hook, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    address, bodies, _ = hook
    assert ended(tmp_path / "study", address) == []
    (body,) = bodies
    assert body["study"] == str(tmp_path / "study")
    assert (body["outcome"], body["trials"], body["best_value"], body["best_family"]) == ("max_hours", 1, 0.75, "cnn1d")


def test_an_address_that_refuses_is_said_without_its_secret_path(tmp_path, hook, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    address, _, status = hook
    status[0] = 302
    (line,) = ended(tmp_path / "study", address)
    assert line.startswith("callback --on-end http://127.0.0.1/… failed in on_study_end: it answered with status 302;")
    (line,) = ended(tmp_path / "study", "http://127.0.0.1:9/secret")
    assert "it can't be reached (ConnectionError)" in line
    assert "secret" not in line


@pytest.mark.parametrize(("text", "said"), [("  ", "--on-end is empty"), ("https://", "is no address"), ("http://[::1", "is no address")])
def test_what_is_neither_command_nor_address_is_refused_before_the_search(text, said):
    with pytest.raises(UsageError, match=said):
        on_end(text)
