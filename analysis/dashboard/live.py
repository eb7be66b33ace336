"""A study on the live page: its last good state in pieces, of which a browser gets those that changed since it last asked.

Asking costs a look at the study's file. Only when that has changed is the study read and drawn again, by the request that finds it
so, and not more often than `SHARE` of the time: a page that is open does not slow the search down.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from analysis.dashboard.dashboard import dashboard_page
from analysis.dashboard.figure_json import inline_json
from analysis.dashboard.frames import TrialRow, trial_rows
from analysis.dashboard.page import Page, page_html
from analysis.dashboard.summary import StudySummary, summarise
from analysis.templating import render
from ecg_tune.errors import StudyError
from ecg_tune.study.change_detection import change_mark, read_study

SHARE = 0.2
"""Of a core's time that reading and drawing one study may take."""
LOOK_S = 1.0
"""Between two looks at a study's file, however many browsers ask."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What a browser shows.

    Attributes:
        version: Goes up by one whenever anything changes.
        pieces: Kind → key → the piece as JSON text ("null": gone), and the version in which it changed.
    """

    version: int = 0
    pieces: Mapping[str, Mapping[str, tuple[str, int]]] = field(default_factory=dict)

    def updated(self, kind: str, texts: Mapping[str, str]) -> State:
        """Return the next state: these pieces of a kind, and no others."""
        version, old = self.version + 1, self.pieces.get(kind, {})
        gone = {key: "null" for key in old if key not in texts}
        new = {key: (text, old[key][1] if key in old and old[key][0] == text else version) for key, text in {**texts, **gone}.items()}
        if all(then < version for _, then in new.values()):
            return self
        return State(version, {**self.pieces, kind: new})


class LiveStudy:
    """Shows a study as it is, or as it last was, and says which.

    Attributes:
        summary: The study's facts; None before it could be read.
        notice: What stands above the page; "" when all is well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary: StudySummary | None = None
        self.notice = self._trouble = self._replaced = ""
        self._page: Page | None = None
        self._trials: dict[int, TrialRow] = {}
        self._state = State()
        self._server = secrets.token_hex(4)
        self._mark: object = None
        self._look_at = 0.0
        self._read_at = 0.0
        self._drawing = threading.Lock()

    @property
    def version(self) -> str:
        """What a browser that has the present state says when it asks again."""
        return f"{self._server}.{self._state.version}"

    def html(self, home: str = "") -> str:
        """Return the whole page.

        Args:
            home: Address of the list of studies; "" when there is none.
        """
        self.refresh()
        with self._drawing:
            page = self._page or _waiting(self.folder)
            return page_html(page, live=self.version, notice=self.notice, waiting=self._page is None, home=home)

    def news(self, since: str) -> str | None:
        """Return what changed as JSON text, or None when nothing did.

        Args:
            since: The `version` that the browser has; one of another server's gets everything.
        """
        self.refresh()
        state = self._state
        server, _, number = since.partition(".")
        known = int(number) if server == self._server and number.isdigit() else 0
        if known == state.version:
            return None
        parts = [f'"version":{json.dumps(f"{self._server}.{state.version}")}']
        for kind, pieces in state.pieces.items():
            new = {key: text for key, (text, then) in pieces.items() if then > known}
            if kind in new:  # a kind of one piece
                parts.append(f'"{kind}":{new[kind]}')
            elif new:
                parts.append(f'"{kind}":{{{",".join(f"{json.dumps(key)}:{text}" for key, text in new.items())}}}')
        return f"{{{','.join(parts)}}}"

    def refresh(self) -> None:
        """Read and draw the study again if it has changed and it is time; while another request does, return at once."""
        if not self._drawing.acquire(blocking=False):
            return
        try:
            now, began = time.monotonic(), time.thread_time()
            if now < self._look_at:
                return
            self._look_at = now + LOOK_S
            mark = change_mark(self.folder)
            if mark == self._mark or now < self._read_at:
                return
            self._mark = mark if self._read() else None
            self._read_at = now + (time.thread_time() - began) / SHARE
        finally:
            self._drawing.release()

    def _read(self) -> bool:
        try:
            with read_study(self.folder) as (study, running):
                trials = trial_rows(study)
                summary = summarise(study, trials, self.folder)
            page = dashboard_page(trials, summary, now=datetime.now(), search_running=running, live=True)
        except StudyError as error:
            return self._troubled(str(error))
        except Exception as error:  # whatever a half-written study makes fail: the last good state stays, and it is said
            _log.exception("%s could not be shown", self.folder)
            return self._troubled(f"the study could not be shown: {type(error).__name__}: {error}")
        other = self.summary is not None and _another(self.summary, self._trials, summary, trials={trial.number: trial for trial in trials})
        self._page, self.summary, self._trials = page, summary, {trial.number: trial for trial in trials}
        self._take(page)
        if other:
            self._state = self._state.updated("replaced", {"replaced": json.dumps(secrets.token_hex(4))})
            self._replaced = f"Another study took this one's place at {datetime.now():%H:%M:%S}; this is the new one."
        self._trouble = ""
        self._say(self._replaced)
        return True

    def _troubled(self, trouble: str) -> bool:
        if trouble != self._trouble:  # the time is that of the first failure
            self._trouble = trouble
            self._say(f"Not up to date since {datetime.now():%H:%M:%S}: {trouble}" if self._page else trouble)
        return False

    def _say(self, notice: str) -> None:
        self.notice = notice
        self._state = self._state.updated("notice", {"notice": json.dumps(notice)})

    def _take(self, page: Page) -> None:
        state = self._state.updated("title", {"title": json.dumps(page.title)})
        state = state.updated("facts", {"facts": inline_json(page.facts)})
        state = state.updated("cards", {str(number): inline_json(card) for number, card in page.cards.items()})
        state = state.updated("figures", page.figures)
        self._state = state.updated("markup", {key: inline_json(text) for key, text in page.markup.items()})


def _another(old: StudySummary, old_trials: Mapping[int, TrialRow], new: StudySummary, *, trials: Mapping[int, TrialRow]) -> bool:
    """Return whether the study that is there now is not the one that was."""
    if (old.name, old.fingerprint) != (new.name, new.fingerprint) or max(old_trials, default=-1) > max(trials, default=-1):
        return True
    begun = {number: (trial.start, trial.params) for number, trial in old_trials.items() if trial.start is not None and trial.params}
    return any(number in trials and (trials[number].start, trials[number].params) != then for number, then in begun.items())


def _waiting(folder: Path) -> Page:
    """Make the page of a study that can't be read yet."""
    markup = {
        "head": render("analysis.dashboard", "waiting.html"),
        "nav": render("analysis.dashboard", "nav.html", sections=()),
        "foot": render("analysis.dashboard", "foot.html", study=""),
    }
    return Page(f"{folder.name} · ecg-tune study", markup, {}, {}, {"metric": "", "classes": (), "rungs": (), "states": {}})
