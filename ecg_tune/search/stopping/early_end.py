"""When a search adds no more trials, though it has not all: nothing better was found, or none is expected to be.

What runs is trained to its end; what waits resumes as in a search that has all its trials. All of it follows from the study, so
that a search that is started again decides the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ecg_tune.config import SearchSettings
from ecg_tune.search.stopping.choice import Chooser
from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.study.extensions import guiding
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

PATIENCE, GAIN = "patience_trials", "min_gain"
"""The settings, and what `Outcome.spent` says."""
ASSUMED_PATIENCE = 20
"""Trials of patience for which `status` says what they would have saved, where the study has none."""


@dataclass(frozen=True)
class Saving:
    """What patience would have saved on a study.

    Attributes:
        patience: Trials without a better value.
        after: Trials that the search would have had.
        epochs_saved, epochs: Of the later trials, and of all.
        best, best_then: Best value of all trials, and of those that the search would have had.
    """

    patience: int
    after: int
    epochs_saved: int
    epochs: int
    best: float
    best_then: float

    def text(self) -> str:
        """Say it in one line."""
        lost = "the same best value" if self.best_then == self.best else f"best {self.best_then:.4f} instead of {self.best:.4f}"
        return (
            f"--patience-trials {self.patience} would have ended the search after {self.after} trials: "
            f"{self.epochs_saved} of {self.epochs} epochs fewer, {lost}"
        )


class EarlyEnd:
    """Decides whether a search adds more trials; once it adds none, that stays so.

    Attributes:
        reason: "patience_trials" or "min_gain" once it adds none; None before.
    """

    def __init__(self, study: Study, settings: SearchSettings, forecasts: Forecasts) -> None:
        self.study, self.settings, self.forecasts = study, settings, forecasts
        self.reason: str | None = None
        self.judged, self.since = False, study.attributes.space_since

    def changed(self) -> None:
        """Take in that a trial ended, or waits."""
        self.judged = False

    def judge(self, waiting: Sequence[int], families: Sequence[str], *, pauses: bool) -> str:
        """Look again if anything has changed; return a line for the user when the search adds no more trials from now on, else "".

        Args:
            waiting: Trials that wait at a rung.
            families: Those that may be sampled.
            pauses: Whether trials wait for their forecasts.
        """
        if self.judged or self.reason is not None or not families:
            return ""
        self.judged = True
        patience, least = self.settings.patience_trials, self.settings.min_gain
        if patience is not None and (idle := unimproved(guiding(self.study.all_trials()), self.since)) >= patience:
            self.reason = PATIENCE
            return f"{idle} trials without a better value (--patience-trials {patience}): no more trials are added"
        if least is not None and pauses and (gain := Chooser(self.forecasts, waiting, ()).expected_gain(families)) < least:
            self.reason = GAIN
            return f"a further trial is expected to gain {gain:.5f}, less than --min-gain {least:g}: no more trials are added"
        return ""


def unimproved(trials: Sequence[Trial], since: int = 0) -> int:
    """Count the trials that ended, or paused at their first rung, after the best value was known, and did not reach it.

    Args:
        trials: Each once; failed and imported ones are left out.
        since: Number of the first one that is counted: a changed space is given as many trials again.
    """
    counted = _counted(trials)
    best = max(counted, key=lambda trial: (trial.best_value, -trial.number), default=None)
    if best is None:
        return 0
    return sum(_later(trial, best) for trial in counted if trial is not best and trial.number >= since)


def saving(trials: Sequence[Trial], patience: int) -> Saving | None:
    """Work out what patience would have saved on a study; None when it would not have ended the search.

    Args:
        trials: Each once, of a search that went on without it.
        patience: Trials without a better value.
    """
    counted = _counted(trials)
    best, idle, last = -math.inf, 0, None
    for trial in sorted((trial for trial in counted if trial.finished or trial.decisions), key=_judged_at):
        value = _first_value(trial)
        best, idle = (value, 0) if value > best else (best, idle + 1)
        if idle >= patience:
            last = _judged_at(trial)[0]
            break
    had = [trial for trial in counted if last is not None and trial.start is not None and trial.start <= last]
    if len(had) == len(counted) or not had:
        return None
    (epochs, best), (kept, best_then) = (
        (sum(trial.epochs for trial in some), max(float(trial.best_value or -math.inf) for trial in some)) for some in (counted, had)
    )
    return Saving(patience, len(had), epochs - kept, epochs, best, best_then)


def _counted(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of this search that have a value."""
    return [trial for trial in trials if trial.best_value is not None and trial.state != "FAIL" and not trial.imported]


def _later(trial: Trial, best: Trial) -> bool:
    """Return whether a trial was judged after the best value was known."""
    if trial.decisions:
        return bool(trial.decisions[0]["best"] >= (best.best_value or 0.0))
    if not trial.finished or not best.finished or trial.end is None or best.end is None:
        return False
    return (trial.end, trial.number) > (best.end, best.number)


def _judged_at(trial: Trial) -> tuple[datetime, int]:
    """Return about when a trial was judged: one that paused soon after it began, others when they ended."""
    at = trial.start if trial.decisions else trial.end
    return at or datetime.max, trial.number


def _first_value(trial: Trial) -> float:
    return float(trial.decisions[0]["value"] if trial.decisions else trial.best_value or 0.0)
