"""A study on the live page. A browser that asks again gets only the pieces of the page that changed.

A question costs one look at the study's file. When the file has changed, the request that notices it reads and draws the study again.
That may take at most `CPU_SHARE` of a core's time, so that an open page does not slow the search down.
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
from analysis.dashboard.page import Page, page_html
from analysis.dashboard.trials import RankedTrial, ranked_trials
from analysis.templating import render
from ecg_tune.errors import StudyError, WorkFailedError
from ecg_tune.study.change_detection import change_mark
from ecg_tune.study.rereading import KnownTrials
from ecg_tune.study.study import Study
from ecg_tune.study.summary import StudySummary, summarise

CPU_SHARE = 0.2
"""The part of a core's time that reading and drawing one study may take."""
CHECK_INTERVAL_S = 1.0
"""Between two looks at a study's file, however many browsers ask."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageState:
    """What a browser shows.

    Attributes:
        version: Goes up by one whenever anything changes.
        pieces: Kind → key → the piece as JSON text ("null": gone), and the version in which it changed.
    """

    version: int = 0
    pieces: Mapping[str, Mapping[str, tuple[str, int]]] = field(default_factory=dict)

    def with_pieces(self, kind: str, texts: Mapping[str, str]) -> PageState:
        """Replace all pieces of a kind; return this state when none of them changed, else the next one.

        Args:
            kind: E.g. "figures", "cards", "markup".
            texts: Key → the piece as JSON text.
        """
        version, old = self.version + 1, self.pieces.get(kind, {})
        removed = {key: "null" for key in old if key not in texts}
        new = {key: (text, old[key][1] if key in old and old[key][0] == text else version) for key, text in {**texts, **removed}.items()}
        if all(changed < version for _, changed in new.values()):
            return self
        return PageState(version, {**self.pieces, kind: new})


class LiveStudy:
    """Shows a study as it is. When it can't be read, shows its last state and says so.

    Attributes:
        summary: The study's facts; None before it could be read.
        running: Whether a search was running when it was last read.
        notice: The message above the page; "" when all is well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary: StudySummary | None = None
        self.running = False
        self.notice = self._problem = self._replaced = ""
        self._page: Page | None = None
        self._trials: dict[int, RankedTrial] = {}
        self._known = KnownTrials()
        self._state = PageState()
        self._server = secrets.token_hex(4)
        self._change_mark: object = None
        self._check_at = 0.0
        self._read_at = 0.0
        self._drawing = threading.Lock()

    @property
    def version(self) -> str:
        """Name of the present state. The browser sends it with its next request."""
        return f"{self._server}.{self._state.version}"

    def html(self, home: str = "") -> str:
        """Render the whole page.

        Args:
            home: Address of the list of studies; "" when there is none.
        """
        self.refresh()
        with self._drawing:
            page = self._page or _waiting(self.folder)
            return page_html(page, live=self.version, notice=self.notice, waiting=self._page is None, home=home)

    def news(self, since: str) -> str | None:
        """Collect what changed as JSON text; None when nothing did.

        Args:
            since: The `version` that the browser has; one of another server's gets everything.
        """
        self.refresh()
        state = self._state
        server, _, number = since.partition(".")
        shown = int(number) if server == self._server and number.isdecimal() and len(number) < 12 else 0
        if shown == state.version:
            return None
        parts = [f'"version":{json.dumps(f"{self._server}.{state.version}")}']
        for kind, pieces in state.pieces.items():
            new = {key: text for key, (text, changed) in pieces.items() if changed > shown}
            if kind in new:  # a kind of one piece
                parts.append(f'"{kind}":{new[kind]}')
            elif new:
                parts.append(f'"{kind}":{{{",".join(f"{json.dumps(key)}:{text}" for key, text in new.items())}}}')
        return f"{{{','.join(parts)}}}"

    def refresh(self) -> None:
        """Read and draw the study again if it has changed and it is time. If another request is doing so, return at once."""
        if not self._drawing.acquire(blocking=False):
            return
        try:
            now, began = time.monotonic(), time.thread_time()
            if now < self._check_at:
                return
            self._check_at = now + CHECK_INTERVAL_S
            mark = change_mark(self.folder)
            if mark == self._change_mark or now < self._read_at:
                return
            self._change_mark = mark if self._read() else None
            self._read_at = now + (time.thread_time() - began) / CPU_SHARE
        finally:
            self._drawing.release()

    def _read(self) -> bool:
        try:
            with Study.open(self.folder, read_only=True, known=self._known) as study:
                trials = ranked_trials(study)
                summary, running = summarise(study, trials), study.search_running
            page = dashboard_page(trials, summary, now=datetime.now(), search_running=running, live=True)
        except (StudyError, WorkFailedError) as error:  # damaged or locked
            return self._keep_last_state(str(error))
        except Exception as error:  # a half-written study can fail anywhere: the page keeps its last state and says why
            _log.exception("%s could not be shown", self.folder)
            return self._keep_last_state(f"the study could not be shown: {type(error).__name__}: {error}")
        by_number = {trial.number: trial for trial in trials}
        other = self.summary is not None and _is_other_study(self.summary, self._trials, summary, by_number)
        self._page, self.summary, self._trials, self.running = page, summary, by_number, running
        self._set_page(page)
        if other:
            self._state = self._state.with_pieces("replaced", {"replaced": json.dumps(secrets.token_hex(4))})
            self._replaced = f"Another study took this one's place at {datetime.now():%H:%M:%S}; this is the new one."
        self._problem = ""
        self._set_notice(self._replaced)
        return True

    def _keep_last_state(self, problem: str) -> bool:
        if problem != self._problem:  # the time is that of the first failure
            self._problem = problem
            self._set_notice(f"Not up to date since {datetime.now():%H:%M:%S}: {problem}" if self._page else problem)
        return False

    def _set_notice(self, notice: str) -> None:
        self.notice = notice
        self._state = self._state.with_pieces("notice", {"notice": json.dumps(notice)})

    def _set_page(self, page: Page) -> None:
        state = self._state.with_pieces("title", {"title": json.dumps(page.title)})
        state = state.with_pieces("facts", {"facts": inline_json(page.facts)})
        state = state.with_pieces("cards", {str(number): inline_json(card) for number, card in page.cards.items()})
        state = state.with_pieces("figures", page.figures)
        self._state = state.with_pieces("markup", {key: inline_json(text) for key, text in page.markup.items()})


def _is_other_study(
    old: StudySummary, old_trials: Mapping[int, RankedTrial], new: StudySummary, new_trials: Mapping[int, RankedTrial]
) -> bool:
    """Tell whether another study has taken the place of the one that was shown."""
    same_data = old.attributes.data_fingerprint == new.attributes.data_fingerprint
    if old.name != new.name or not same_data or max(old_trials, default=-1) > max(new_trials, default=-1):
        return True
    started = (trial for trial in old_trials.values() if trial.start is not None and trial.params)
    kept = ((trial, new_trials[trial.number]) for trial in started if trial.number in new_trials)
    return any((before.start, before.params) != (now.start, now.params) for before, now in kept)


def _waiting(folder: Path) -> Page:
    """Make the page of a study that can't be read yet."""
    markup = {
        "head": render("analysis.dashboard", "waiting.html"),
        "nav": render("analysis.dashboard", "nav.html", sections=()),
        "foot": render("analysis.dashboard", "foot.html", study=""),
    }
    return Page(f"{folder.name} · ecg-tune study", markup, {}, {}, {"study": "", "metric": "", "classes": (), "rungs": (), "states": {}})
