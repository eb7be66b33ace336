"""Why a trial paused or resumed: what a study keeps of each decision, and how a person reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecg_tune.study.trial import Trial

INTERRUPTED = "interrupted"
"""Reason of a trial that waits since its worker was lost, or its search ended, after it had gone on."""

REASONS = {
    "default": "its family's default config is trained to the end",
    "worth": "it has the largest expected improvement for what it still costs",
    "share": "its family had less than its share of epochs",
    "quota": "fewer than half of the trials at its epoch have resumed",
    "halving": "fewer than half of the trials at its epoch have resumed",  # in older studies,
    "best": "it has the best value so far",
    "whole": "few trials of its family have been trained to the end",
}
"""Reason of a `Choice` → why that trial resumes."""


@dataclass(frozen=True)
class Decision:
    """A trial pauses, or resumes.

    Attributes:
        epoch: The rung.
        resumes: Whether it resumes.
        value: Its best value so far.
        mean, sd: Its forecast at the last epoch.
        best: Best value of the search then.
        reason: Why it resumes, a key of `REASONS`; of a trial that pauses, why the worker does something else.
        other: The trial that the worker takes instead; None when it starts a new one, or nothing.
        other_family: Of that one; "" for nothing.
        other_mean, other_sd: Forecast of `other`.
    """

    epoch: int
    resumes: bool
    value: float
    mean: float
    sd: float
    best: float
    reason: str
    other: int | None = None
    other_family: str = ""
    other_mean: float | None = None
    other_sd: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return what the study keeps."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def stored(cls, plain: Mapping[str, Any]) -> Decision:
        """Read what a study keeps, also when a newer version wrote more."""
        return cls(**{field.name: plain[field.name] for field in dataclasses.fields(cls) if field.name in plain})

    def text(self, number: int, epochs: int) -> str:
        """Say it in one line.

        Args:
            number: The trial's.
            epochs: The last epoch.
        """
        forecast = f"{forecast_text(self.mean, self.sd)} at epoch {epochs}, best {self.best:.4f}"
        if self.resumes:
            return f"trial {number} resumes after epoch {self.epoch}: {REASONS.get(self.reason, self.reason)}: {forecast}"
        return f"trial {number} waits at epoch {self.epoch}: {self.value:.4f}, {forecast}; {self._instead()}"

    def _instead(self) -> str:
        if self.reason == INTERRUPTED:
            return "its worker was lost, or its search interrupted"
        if self.other is not None:
            return f"trial {self.other} resumes, {forecast_text(self.other_mean or 0.0, self.other_sd or 0.0)}"
        if not self.reason:
            return "nothing is worth its epochs"
        return f"another trial starts ({self.other_family})" if self.other_family else "another trial starts"


def forecast_text(mean: float, sd: float) -> str:
    """Write a forecast of a metric, none of which exceeds 1: a sum of gains may, and is then shown as 1."""
    return f"forecast {min(mean, 1.0):.4f} ± {sd:.4f}"


def last_decision(trial: Trial, epochs: int) -> str:
    """Say why a trial paused or resumed last."""
    return Decision.stored(trial.decisions[-1]).text(trial.number, epochs)
