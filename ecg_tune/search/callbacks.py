"""Callbacks: a user's own code that is told of a study and of its trials as a search goes on.

They come from `ecg_tune.search(…, callbacks=[…])`, and from installed packages by the entry points of `CALLBACK_GROUP`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import shorten
from typing import Any

from ecg_tune.errors import EcgTuneError, StoppedError
from ecg_tune.search.progress.listener import Listener
from ecg_tune.search.progress.stats import SearchStats
from ecg_tune.study.study import Study
from ecg_tune.study.summary import StudySummary, summarise
from ecg_tune.study.trial import Trial

CALLBACK_GROUP = "ecg_tune.callbacks"
"""Entry points of this group name a callable without arguments, such as a class, that makes a `Callback` for every search."""
COMPLETE, INTERRUPTED, FAILED = "complete", "interrupted", "failed"
"""How a search ended; or the name of the budget that ended it, such as "max_hours"."""
LONGEST = 500
"""Characters of what a callback raised that are shown."""


class Callback:
    """Is told what a search does. Override the methods that you need; each gets copies, so that nothing in it changes the study.

    It is called in the search's own process, between two decisions: what takes long keeps the trials waiting. A callback that
    raises an exception is named once and not called again; the search goes on, and no trial is touched.
    """

    def on_study_start(self, folder: Path, summary: StudySummary) -> None:
        """A search begins, or resumes.

        Args:
            folder: The study's.
            summary: The study as it is before the first trial of this run.
        """

    def on_trial_start(self, trial: Trial) -> None:
        """A trial begins, or goes on.

        Args:
            trial: As the study holds it, with its config and parameters.
        """

    def on_epoch(self, trial: Trial, epoch: int, value: float) -> None:
        """A trial finished an epoch.

        Args:
            trial: As the study holds it, this epoch included.
            epoch: From 1.
            value: The search's metric on the validation split.
        """

    def on_trial_end(self, trial: Trial) -> None:
        """A trial ended.

        Args:
            trial: As the study holds it: COMPLETE, PRUNED or FAIL, with `ended_by` or `fail_reason`.
        """

    def on_study_end(self, folder: Path, summary: StudySummary, outcome: str) -> None:
        """The search ended; its study is closed and may be opened by others.

        Args:
            folder: The study's.
            summary: The study as it is now.
            outcome: "complete", "interrupted", "failed", or the name of the budget that ended it, such as "max_hours".
        """


class CallbackListener:
    """A listener that also tells a search's callbacks.

    Args:
        listener: Is told everything first.
        study: Where the trials are read.
        tell: Calls a method of every callback with copies of what is given.
    """

    def __init__(self, listener: Listener, study: Study, tell: Callable[..., None]) -> None:
        self.listener, self.study, self.tell = listener, study, tell

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.listener.started(number, family, continued_at=continued_at)
        self.tell("on_trial_start", self.study.trial(number))

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.listener.epoch(number, family, epoch, value)
        self.tell("on_epoch", self.study.trial(number), epoch, value)

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        self.listener.paused(number, family, epoch, reason)

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.listener.finished(number, family, state, value, reason)
        self.tell("on_trial_end", self.study.trial(number))

    def message(self, text: str) -> None:
        self.listener.message(text)


class Callbacks:
    """The callbacks of one search. One that raises an exception is said once, and called no more.

    Args:
        callbacks: In the order in which they are told.
        say: Shows the user a line.

    Attributes:
        outcome: How the search ended, as far as is known.
    """

    def __init__(self, callbacks: Sequence[Callback], say: Callable[[str], None]) -> None:
        self.left, self.say, self.outcome, self.started = list(callbacks), say, FAILED, False

    def tell(self, event: str, *facts: Any) -> None:
        """Call one method of every callback, with copies of the facts."""
        for callback in list(self.left):
            try:
                getattr(callback, event)(*copy.deepcopy(facts))
            except Exception as error:  # it is the user's own code
                self.left.remove(callback)
                self.say(f"callback {named(callback)} failed in {event}: {in_one_line(error)}; it is not called again, no trial is touched")

    def begin(self, study: Study) -> None:
        """Tell that the search of a study begins."""
        self.started = True
        if self.left:
            self.tell("on_study_start", study.folder, summarise(study))

    def around(self, view: Callable[[SearchStats], AbstractContextManager[Listener]], study: Study) -> Any:
        """Make a view of the search's progress whose listener tells the callbacks, too."""

        @contextmanager
        def told(stats: SearchStats) -> Iterator[Listener]:
            with view(stats) as listener:
                say, self.say = self.say, listener.message
                try:
                    yield CallbackListener(listener, study, self.tell) if self.left else listener
                finally:
                    self.say = say

        return told

    @contextmanager
    def ending(self, folder: Path) -> Iterator[None]:
        """Tell, when the block has ended in whichever way, how the search ended; nothing, if it did not begin."""
        try:
            yield
        except (KeyboardInterrupt, StoppedError):
            self.outcome = INTERRUPTED
            raise
        except Exception:
            self.outcome = FAILED
            raise
        finally:
            if self.started and self.left:
                self._end(folder)

    def _end(self, folder: Path) -> None:
        try:
            with Study.open(folder, read_only=True) as study:
                summary = summarise(study)
        except EcgTuneError as error:
            self.say(f"callbacks are not told that the search ended: {in_one_line(error)}")
            return
        self.tell("on_study_end", folder.resolve(), summary, self.outcome)


def installed_callbacks(say: Callable[[str], None]) -> list[Callback]:
    """Make the callbacks of installed packages; one that can't be made is said and left out."""
    found: list[Callback] = []
    for entry in sorted(entry_points(group=CALLBACK_GROUP), key=lambda entry: entry.name):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package without a name"
        try:
            callback = entry.load()()
        except (Exception, SystemExit) as error:  # whatever foreign code may raise
            say(f"callback {entry.name!r} of {package} can't be used: {in_one_line(error)}; repair or uninstall that package")
            continue
        if isinstance(callback, Callback):
            found.append(callback)
        else:
            say(f"callback {entry.name!r} of {package} can't be used: it must be an ecg_tune.Callback, but is a {type(callback).__name__}")
    return found


def named(callback: Callback) -> str:
    """Name a callback in a message: its own `name`, else its class's."""
    return str(getattr(callback, "name", type(callback).__name__))


def in_one_line(error: BaseException) -> str:
    """Write an exception as the first line of its text, else as its type."""
    lines = str(error).strip().splitlines()
    return shorten(lines[0], LONGEST, placeholder=" …") if lines else type(error).__name__
