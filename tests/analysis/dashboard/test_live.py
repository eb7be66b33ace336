"""The live page's state and server, without a browser: what is sent, what is said, who is let in."""

from __future__ import annotations

import html
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import analysis.dashboard.live
from analysis.dashboard.live import LiveStudy
from analysis.dashboard.live_server import LiveServer
from ecg_tune.cli.main import run
from ecg_tune.errors import UsageError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every question look at the study, and read it if it changed."""
    monkeypatch.setattr(analysis.dashboard.live, "CHECK_INTERVAL_S", 0.0)
    monkeypatch.setattr(analysis.dashboard.live, "CPU_SHARE", float("inf"))


def make(folder: Path, *, n_trials: int = 3, name: str = "study") -> optuna.Study:
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(storage=f"sqlite:///{folder / 'study.db'}", study_name=name, direction="maximize")
    for number in range(n_trials):
        add(study, 0.5 + number / 100)
    return study


def add(study: optuna.Study, value: float, *, state: TrialState = TrialState.COMPLETE) -> None:
    attrs = {"family": "rnn", "config": {"family": "rnn"}}
    done = state == TrialState.COMPLETE
    study.add_trial(create_trial(state=state, value=value if done else None, intermediate_values={1: value}, user_attrs=attrs))


def news(live: LiveStudy, since: str) -> dict[str, Any]:
    text = live.news(since)
    return {} if text is None else json.loads(text)


def test_only_what_changed_is_sent_and_nothing_when_nothing_did(tmp_path: Path) -> None:
    study = make(tmp_path)
    live = LiveStudy(tmp_path)
    assert "<h1>study <" in live.html()
    had = live.version
    assert live.news(had) is None
    add(study, 0.7)
    sent = news(live, had)
    assert list(sent["cards"]) == ["3"]
    assert "history-0-0" in sent["figures"]
    assert "rungs" not in sent["markup"]  # nothing to say about rungs, before and after
    assert "facts" not in sent
    assert live.news(sent["version"]) is None
    everything = news(live, "another server.3")
    assert set(everything["cards"]) == {"0", "1", "2", "3"}


def test_a_page_that_was_updated_is_the_one_that_is_made_anew(searched_study: optuna.Study, tmp_path: Path) -> None:
    """Whatever an update keeps of the page before: trials, texts of cards, panels, figures."""
    database = str(searched_study._storage._backend.engine.url.database)  # type: ignore[attr-defined]
    shutil.copy(database, tmp_path / "study.db")
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 'study.db'}")
    live = LiveStudy(tmp_path)
    live.html()
    first = live._page
    for epoch in range(1, 4):
        if epoch == 1:
            running = study.ask()
            study._storage.set_trial_user_attr(running._trial_id, "family", "rnn")
        running.report(0.9 + epoch / 100, epoch)
        if epoch == 3:
            study.tell(running, 0.93)
        live.refresh()
        anew = LiveStudy(tmp_path)
        anew.refresh()
        ours, theirs = live._page, anew._page
        assert ours is not None
        assert theirs is not None
        assert first is not None
        assert (ours.figures, ours.cards, ours.facts) == (theirs.figures, theirs.cards, theirs.facts)
        assert {**ours.markup, "foot": ""} == {**theirs.markup, "foot": ""}
        assert ours.figures != first.figures


def test_an_epoch_of_a_running_trial_is_news(tmp_path: Path) -> None:
    study = make(tmp_path)
    add(study, 0.5, state=TrialState.RUNNING)
    live = LiveStudy(tmp_path)
    live.html()
    had = live.version
    study._storage.set_trial_intermediate_value(study.trials[3]._trial_id, 2, 0.8)
    assert news(live, had)["cards"]["3"]["curve"] == [0.5, 0.8]


def test_a_locked_study_is_shown_as_it_was_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecg_tune.study.database.READING_WAIT_S", 0.05)
    make(tmp_path)
    live = LiveStudy(tmp_path)
    live.html()
    had = live.version
    holder = sqlite3.connect(tmp_path / "study.db")
    holder.execute("PRAGMA user_version = 7")  # a change that is none of the study's
    holder.commit()
    holder.execute("BEGIN EXCLUSIVE")
    sent = news(live, had)
    assert set(sent) == {"version", "notice"}
    assert "Not up to date since" in sent["notice"]
    assert "database is locked: another program holds it" in sent["notice"]
    assert live.news(sent["version"]) is None
    holder.close()
    assert news(live, sent["version"])["notice"] == ""


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), "can't be read: "),
        (lambda file: file.write_bytes(b""), "can't be read: "),
        (lambda file: file.write_text("no database at all, but long enough to hold a header" * 9), "file is not a database"),
        (lambda file: file.unlink(), "is not a study"),
        (lambda file: shutil.rmtree(file.parent), "is not a study"),
    ],
    ids=["cut", "empty", "other bytes", "deleted", "folder deleted"],
)
def test_a_damaged_study_leaves_the_last_good_state_and_is_left_alone(harm: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    file = tmp_path / "study" / "study.db"
    make(file.parent)
    live = LiveStudy(file.parent)
    live.html()
    had = live.version
    harm(file)
    left = file.read_bytes() if file.exists() else None
    sent = news(live, had)
    assert set(sent) == {"version", "notice"}
    assert message in sent["notice"]
    assert "<h1>study <" in live.html()
    assert message in html.unescape(live.html())
    assert (file.read_bytes() if file.exists() else None) == left


def test_another_study_in_its_place_is_shown_and_said(tmp_path: Path) -> None:
    make(tmp_path / "study")
    add(make(tmp_path / "other", n_trials=0, name="other"), 0.9)
    live = LiveStudy(tmp_path / "study")
    live.html()
    had = live.version
    (tmp_path / "other" / "study.db").replace(tmp_path / "study" / "study.db")
    sent = news(live, had)
    assert "Another study took this one's place" in sent["notice"]
    assert sent["cards"].keys() == {"0", "1", "2"}
    assert (sent["cards"]["1"], sent["cards"]["2"]) == (None, None)
    assert "<h1>other <" in sent["markup"]["head"]


def test_more_trials_of_the_same_study_are_not_another_study(tmp_path: Path) -> None:
    study = make(tmp_path)
    live = LiveStudy(tmp_path)
    live.html()
    add(study, 0.9)
    live.refresh()
    assert live.notice == ""


def test_a_study_that_can_not_be_read_yet_has_a_page_that_waits(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"")
    live = LiveStudy(tmp_path)
    assert "Nothing to show yet" in live.html()
    assert "data-waiting" in live.html()
    had = live.version
    (tmp_path / "study.db").unlink()
    make(tmp_path)
    assert "head" in news(live, had)["markup"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """Return a function that serves two studies."""
    servers: list[LiveServer] = []

    def serve(**where: Any) -> LiveServer:
        for name in ("one", "two"):
            make(tmp_path / name, name=name)
        servers.append(LiveServer([tmp_path / "one", tmp_path / "two"], **where))
        threading.Thread(target=servers[0].serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return servers[0]

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_several_studies_have_a_page_that_lists_them(served: Callable[..., LiveServer]) -> None:
    url = served().url
    code, index = ask(url)
    assert code == 200
    assert '<a href="1/">one</a>' in index
    assert '<a href="2/">two</a>' in index
    assert "3 complete" in index
    page = ask(f"{url}2/")[1]
    assert "<h1>two <" in page
    assert '<a class="home" href="../">All studies</a>' in page
    with urllib.request.urlopen(urllib.request.Request(f"{url}2/", method="HEAD")) as answer:
        assert (answer.status, answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 1_000_000
    assert json.loads(ask(f"{url}2/news?since=")[1])["title"].startswith("two")
    for path in ("3/", "1", "1/../2/", "etc/passwd", "1/study.db"):
        assert ask(url + path)[0] == 404, path


@pytest.mark.parametrize(("host", "code"), [("localhost:80", 200), ("127.0.0.1", 200), ("[::1]:7", 200), ("evil.example", 403), ("", 403)])
def test_on_loopback_only_requests_that_name_this_machine_are_answered(served: Callable[..., LiveServer], host: str, code: int) -> None:
    server = served()
    assert server.token == ""
    assert ask(server.url, Host=host)[0] == code


def test_beyond_loopback_a_token_is_needed_and_goes_with_every_link(served: Callable[..., LiveServer]) -> None:
    server = served(host="0.0.0.0")
    here = f"http://127.0.0.1:{server.server_address[1]}/"
    assert len(server.token) >= 32
    assert server.url.endswith(f"/?token={server.token}")
    for wrong in ("", "?token=", "?token=wrong", f"?token={server.token}x", f"?tokens={server.token}"):
        code, text = ask(here + wrong)
        assert (code, server.token in text) == (403, False), wrong
        assert ask(f"{here}1/news{wrong}")[0] == 403
    code, index = ask(f"{here}?token={server.token}", Host="gpu-box.example")
    assert code == 200
    assert f'href="1/?token={server.token}"' in index
    assert ask(f"{here}1/news?since=&token={server.token}")[0] == 200
    assert f'<a class="home" href="../?token={server.token}">' in ask(f"{here}1/?token={server.token}")[1]


def test_a_taken_port_and_a_strange_host_are_refused_in_one_line(served: Callable[..., LiveServer], tmp_path: Path, capsys: Any) -> None:
    port = served().server_address[1]
    assert run(["dashboard", str(tmp_path / "one"), "--serve", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"ecg-tune: port {port} of 127.0.0.1 is taken: give another --port, or 0 for a free one\n"
    with pytest.raises(UsageError, match=r"--host 203\.0\.113\.7 --port 0 can't be listened on"):
        LiveServer([tmp_path / "one"], host="203.0.113.7")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["one", "two", "--address", "http://127.0.0.1:8265"], "--address is for one STUDY, but got 2"),
        (["one", "./one"], "one is given twice"),
        (["one", "--serve", "--out", "a.html"], "--serve writes no file"),
        (["one", "--serve", "--address", "http://127.0.0.1:8265"], "--serve shows studies of this machine"),
        (["gone/nowhere", "--serve"], "gone/nowhere can't become a study: there is no folder gone"),
        (["one/study.db", "--serve"], "study.db is a file: give the folder of a study"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags: list[str], message: str, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    make(tmp_path / "one")
    monkeypatch.chdir(tmp_path)
    assert run(["dashboard", *flags]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_ctrl_c_ends_the_server_with_0(tmp_path: Path) -> None:
    make(tmp_path)
    heard = ["env", "--default-signal=INT"]  # a shell's background jobs ignore Ctrl-C, and what they start does too
    command = [*heard, sys.executable, "-m", "ecg_tune", "dashboard", str(tmp_path), "--serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ), cwd=ROOT)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert ask(url)[0] == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "ended"
