"""Early stopping: one row each."""

from __future__ import annotations

from collections.abc import Callable

from ecg_tune.config import SearchSettings
from ecg_tune.search.asha import Asha, NoStopping, rung_levels


def asha(settings: SearchSettings) -> Asha | NoStopping:
    """Return successive halving on the rungs of the settings."""
    levels = rung_levels(settings.grace, settings.reduction_factor, settings.epochs)
    return Asha(levels, factor=settings.reduction_factor, min_results=settings.min_results)


def none(settings: SearchSettings) -> Asha | NoStopping:
    """Return no early stopping."""
    return NoStopping()


SCHEDULERS: dict[str, Callable[[SearchSettings], Asha | NoStopping]] = {"asha": asha, "none": none}
