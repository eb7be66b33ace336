"""The plane of two parameters, and where a family's trials lie on it; for the contour and the rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from analysis.dashboard.figures.plotly_text import escape
from analysis.dashboard.figures.style import axis, log_axis, short_name
from analysis.dashboard.trials import RankedTrial, compared


class Scale(NamedTuple):
    """A parameter's axis.

    Attributes:
        kind: "linear", "log" or "category", after the parameter's distribution.
        values: (n_trials,) of the trials; text on a category scale.
        positions: (n_trials,) the values scaled to 0..1; on a category scale the index of the choice.
        choices: Those that were tried, in the distribution's order, on a category scale.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    positions: tuple[float, ...]
    choices: tuple[str, ...]


class Pair(NamedTuple):
    """A family's trials that have both parameters, lowest value first.

    Attributes:
        numbers, values, shown: (n_trials,) their numbers, values or forecasts, and these as text.
    """

    x: Scale
    y: Scale
    numbers: tuple[int, ...]
    values: tuple[float, ...]
    shown: tuple[str, ...]


def pair_of(trials: Sequence[RankedTrial], family: str, x: str, y: str) -> Pair:
    """Collect the family's trials that have both parameters, and a value or a forecast."""
    own = sorted(
        (trial for trial in compared(trials, family) if x in trial.params and y in trial.params), key=lambda trial: trial.expected or 0.0
    )
    values = tuple(float(trial.expected or 0.0) for trial in own)
    shown = tuple(f"{value:.4f}" if trial.value is not None else f"forecast {value:.4f}" for trial, value in zip(own, values, strict=True))
    return Pair(_scale(own, x), _scale(own, y), tuple(trial.number for trial in own), values, shown)


def scale_axis(scale: Scale, family: str) -> Mapping[str, Any]:
    """Turn a scale into a plotly axis."""
    title = short_name(scale.name, family)
    if scale.kind == "category":
        names = [escape(choice) for choice in scale.choices]
        return axis(title, type="category", categoryorder="array", categoryarray=names, range=[-0.5, len(names) - 0.5])
    if scale.kind == "log":
        return log_axis(title, min(scale.values), max(scale.values))
    return axis(title, type="linear")


def _scale(trials: Sequence[RankedTrial], name: str) -> Scale:
    raw = [trial.params[name] for trial in trials]
    distribution = trials[-1].distributions[name] if trials else None
    offered = getattr(distribution, "choices", None)
    if offered is not None or any(isinstance(value, (str, bool, type(None))) for value in raw):
        shown = [str(value) for value in raw]
        choices = tuple(dict.fromkeys([*(str(choice) for choice in offered or () if str(choice) in shown), *shown]))
        return Scale(name, "category", tuple(shown), tuple(float(choices.index(one)) for one in shown), choices)
    log = bool(getattr(distribution, "log", False))
    known = np.log(raw) if log else np.array(raw, dtype=float)
    span = float(np.ptp(known)) if trials else 0.0
    positions = (known - known.min()) / span if span else np.full(len(known), 0.5)
    return Scale(name, "log" if log else "linear", tuple(raw), tuple(map(float, positions)), ())
