"""The live page in a real browser: while a real search runs, and when its study is locked, cut, replaced or gone."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import analysis.dashboard.live
from analysis.dashboard.live_server import LiveServer
from ecg_tune.cli.status import facts
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.study.study import Study
from tests.stored import newest_trials, open_study, progress

from .pages import EVIL, Opened, made_up, needs_browser

pytestmark = [pytest.mark.browser, needs_browser]

HISTORY = "history-0-0"
ROOT = Path(__file__).parents[2]


def start(*words: object) -> subprocess.Popen[str]:
    heard = ["env", "--default-signal=INT"]  # a shell's background jobs ignore Ctrl-C, and what they start does too
    command = [*heard, sys.executable, "-m", "ecg_tune", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ), cwd=ROOT)


def search(study: Path, data: PreparedData, *more: object) -> subprocess.Popen[str]:
    flags = ("--families", "rnn,cnn1d", "--profile", "small", "--max-epochs", 3, "--slots", 1, "--scheduler", "none")
    return start("search", study, "--data", data.folder, *flags, *more)


def wait_for(condition: Callable[[], object], *, at_most_s: float = 500) -> None:
    end = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture(scope="module")
def running(
    commands_join_ray: None, toy_data: PreparedData, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, subprocess.Popen[str], str]]:
    """Return a study with its search in progress, and the address of its page."""
    study = tmp_path_factory.mktemp("live") / "study"
    process = search(study, toy_data, "--trials", 1000)  # more than it gets to
    served = None
    try:
        wait_for(lambda: progress(study)[1] >= 2 or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        served = start("dashboard", study, "--serve", "--port", 0)
        assert served.stdout is not None
        yield study, process, served.stdout.readline().strip()
    finally:
        for one in (process, served):
            if one is not None and one.poll() is None:
                one.send_signal(signal.SIGINT)
                one.communicate(timeout=120)


def zoom(opened: Opened, key: str) -> list[float]:
    """Zoom a figure with the mouse and return its ranges."""
    was = ranges(opened, key)
    box = opened.page.locator(f"[data-figure={key}] .nsewdrag").first.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(300)  # plotly takes a second click for a double one within this time
    now = ranges(opened, key)
    assert now != was
    return now


def ranges(opened: Opened, key: str) -> list[float]:
    found: list[float] = opened.figure(key, "[...plot._fullLayout.xaxis.range, ...plot._fullLayout.yaxis.range]")
    return found


COUNT = "Number(/([0-9]+) trials/.exec(document.getElementById('count').textContent)[1])"


@pytest.mark.ray
def test_a_page_follows_a_real_search_and_keeps_what_the_reader_did(
    browser: Any, running: tuple[Path, subprocess.Popen[str], str], toy_data: PreparedData, tmp_path: Path
) -> None:
    study, process, url = running
    opened = Opened(browser, url)
    page = opened.page
    zoomed = zoom(opened, HISTORY)
    page.locator("table.best details summary").first.click()
    page.locator("#go").fill("0")
    page.keyboard.press("Enter")
    page.locator("#families button", has_text="rnn").click()
    page.locator("#slices [role=tab]").nth(1).click()
    opened.drawn()
    page.locator("#slices").scroll_into_view_if_needed()
    top = page.locator("#slices").evaluate("e => e.getBoundingClientRect().top")

    before = page.evaluate(COUNT)
    page.wait_for_function(f"{COUNT} >= {before + 3}")
    opened.drawn()
    assert page.locator("#slices").evaluate("e => e.getBoundingClientRect().top") == pytest.approx(top, abs=60)
    assert page.locator("#slices [role=tab]").nth(1).get_attribute("aria-selected") == "true"
    assert page.locator("table.best details[open]").count() == 1  # of the same trial, wherever it stands now
    assert page.locator("#card-name").inner_text() == "Trial 0"
    assert page.locator("#families button", has_text="rnn").get_attribute("aria-pressed") == "true"
    assert ranges(opened, HISTORY) == zoomed
    assert page.locator("#notice").is_hidden()

    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=500)[0] is not None
    assert process.returncode == 130
    status = facts(Study.open(study))
    page.wait_for_function(f"{COUNT} === {status['trials']} && !document.getElementById('head').textContent.includes('Search running')")
    shown = page.locator("#head").inner_text()
    assert f"{status['best']['value']:.4f}" in shown
    assert f"{status['epochs']:,}" in shown
    assert f"{status['states']['COMPLETE']:,} complete" in shown

    page.locator("#card-params button.copy").click()
    queued = tmp_path / "queued.yaml"
    queued.write_text(opened.pasted(), encoding="utf-8")
    again = search(study, toy_data, "--trials", status["trials"] + 1, "--enqueue", queued)
    assert (again.communicate(timeout=500)[1] is not None, again.returncode) == (True, 0)
    trials = newest_trials(open_study(study))
    assert trials[-1].params == trials[0].params
    page.wait_for_function(f"{COUNT} === {len(trials)}")
    assert opened.undrawn() == []
    assert opened.complaints == []


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """Return the folder and the page of a made-up study."""
    monkeypatch.setattr(analysis.dashboard.live, "CHECK_INTERVAL_S", 0.0)
    monkeypatch.setattr(analysis.dashboard.live, "CPU_SHARE", float("inf"))
    monkeypatch.setattr("ecg_tune.study.database.READING_WAIT_S", 0.05)
    with LiveServer([write(tmp_path / "study", EVIL)]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield tmp_path / "study", server.url
        server.shutdown()


def write(folder: Path, name: str, *, n_trials: int = 9) -> Path:
    folder.mkdir()
    optuna.copy_study(
        from_study_name=name,
        from_storage=made_up(name, family=f"rnn{name}", n_trials=n_trials)._storage,
        to_storage=f"sqlite:///{folder / 'study.db'}",
    )
    return folder


def test_a_study_that_is_locked_cut_gone_or_replaced_is_said_on_the_page_that_stays(browser: Any, served: tuple[Path, str]) -> None:
    study, url = served
    opened = Opened(browser, url)
    page, notice, file = opened.page, opened.page.locator("#notice"), study / "study.db"
    good = file.read_bytes()

    def message(text: str) -> None:
        page.wait_for_function("text => document.getElementById('notice').textContent.includes(text)", arg=text)
        assert notice.is_visible() or not text
        assert page.locator("h1").inner_text().startswith(f"{EVIL} as of")
        assert page.locator("#count").inner_text() == "Showing all 9 trials."

    holder = sqlite3.connect(file)
    holder.execute("PRAGMA user_version = 7")  # a change that is none of the study's
    holder.commit()
    holder.execute("BEGIN EXCLUSIVE")
    message("database is locked")
    holder.close()
    page.wait_for_selector("#notice", state="hidden")
    file.write_bytes(good[:9000])
    message("can't be read")
    shutil.rmtree(study)
    message("is not a study")
    page.evaluate("location.hash = '#trial-8'")
    page.wait_for_selector("#card:visible")
    write(study, "new", n_trials=4)
    page.wait_for_function("document.querySelector('h1').textContent.trim().startsWith('new')")
    assert "Another study took this one's place" in notice.inner_text()
    page.wait_for_function("document.getElementById('count').textContent === 'Showing all 4 trials.'")
    assert page.evaluate("location.hash") == ""  # what was chosen was another study's
    assert not page.locator("#card").is_visible()
    assert opened.undrawn() == []
    assert opened.complaints == []


def test_a_double_click_shows_all_that_there_is_now_and_not_what_there_was_at_first(browser: Any, tmp_path: Path) -> None:
    folder = write(tmp_path / "study", "toy")
    with LiveServer([folder]) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        opened = Opened(browser, server.url)
        first = ranges(opened, HISTORY)
        zoomed = zoom(opened, HISTORY)
        study = optuna.load_study(study_name="toy", storage=f"sqlite:///{folder / 'study.db'}")
        study.add_trials([optuna.trial.create_trial(value=0.99, user_attrs={"family": "rnn"}) for _ in range(9)])
        opened.page.wait_for_function(f"{COUNT} === 18")
        opened.drawn()
        assert ranges(opened, HISTORY) == zoomed
        opened.page.locator(f"[data-figure={HISTORY}] .nsewdrag").first.dblclick()
        opened.drawn()
        now = ranges(opened, HISTORY)
        assert now[1] > first[1] + 8
        assert now[3] > 0.99
        assert opened.complaints == []
        server.shutdown()


def test_a_page_that_was_opened_before_its_search_shows_the_study_as_soon_as_there_is_one(browser: Any, tmp_path: Path) -> None:
    served = start("dashboard", tmp_path / "study", "--serve", "--port", 0)
    assert served.stdout is not None
    assert served.stdout.readline() == f"{tmp_path / 'study'} holds no study yet: its page waits for its search\n"
    opened = Opened(browser, served.stdout.readline().strip())
    assert opened.page.locator("h1").inner_text() == "Nothing to show yet"
    assert "is not a study" in opened.page.locator("#notice").inner_text()
    write(tmp_path / "study", "toy")
    opened.page.wait_for_function("document.querySelector('h1').textContent.trim().startsWith('toy')")
    opened.drawn()
    assert not opened.page.locator("#notice").is_visible()
    assert opened.complaints == []
    served.send_signal(signal.SIGINT)
    served.communicate(timeout=500)


def test_a_page_whose_server_has_ended_says_so(browser: Any, tmp_path: Path) -> None:
    served = start("dashboard", write(tmp_path / "study", "toy"), "--serve", "--port", 0)
    assert served.stdout is not None
    opened = Opened(browser, served.stdout.readline().strip())
    served.send_signal(signal.SIGINT)
    served.communicate(timeout=500)
    opened.page.wait_for_function("document.getElementById('notice').textContent.includes('does not answer any more')")
    assert opened.page.locator("h1").inner_text().startswith("toy as of")
    assert opened.undrawn() == []


def test_the_list_of_several_studies_leads_to_their_pages(browser: Any, tmp_path: Path) -> None:
    with LiveServer([write(tmp_path / "one", "one"), write(tmp_path / "two", EVIL)]) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        opened = Opened(browser, server.url, ready="table")
        page = opened.page
        page.locator("a", has_text=EVIL).click()
        opened.drawn()
        assert page.url == f"{server.url}2/"
        assert page.locator("h1").inner_text().startswith(f"{EVIL} as of")
        assert opened.complaints == []
        server.shutdown()
