"""Contour: the metric over a family's two most important parameters, smoothed between its trials.

The field is a Gaussian-kernel regression (Nadaraya, 1964; Watson, 1964) on axes scaled to [0, 1], its width by Scott's rule for two
dimensions (Scott, 1992). It stays empty where no trial is within two widths: nothing is known there. Choices are never smoothed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from analysis.dashboard.figures.pairs import Pair, Scale, pair_of, scale_axis
from analysis.dashboard.figures.parallel import WORST_TO_BEST
from analysis.dashboard.figures.plotly_text import escape, escape_template, hover, trial_hover
from analysis.dashboard.figures.style import draw, metric_name, rounded, short_name, trial_customdata
from analysis.dashboard.trials import RankedTrial

N_GRID = 36
REACH = 2.0
SPREAD = 0.29
"""Standard deviation of a parameter drawn evenly from [0, 1]."""


class Contour(NamedTuple):
    """What `contour_figure` draws.

    Attributes:
        x: (n_x,) grid values, or choices.
        y: (n_y,)
        field: (n_y, n_x) smoothed metric, NaN where nothing is known.
    """

    family: str
    metric: str
    pair: Pair
    x: tuple[Any, ...]
    y: tuple[Any, ...]
    field: np.ndarray


def contour_data(trials: Sequence[RankedTrial], *, metric: str, family: str, parameters: tuple[str, str]) -> Contour:
    """Smooth the values, or forecasts, of the family's trials over two parameters."""
    pair = pair_of(trials, family, *parameters)
    width = SPREAD * max(len(pair.numbers), 1) ** (-1 / 6)
    (x, x_positions), (y, y_positions) = _grid(pair.x), _grid(pair.y)
    weights = _weights(pair.y, y_positions, width)[:, None, :] * _weights(pair.x, x_positions, width)[None, :, :]  # (n_y, n_x, n_trials)
    total = weights.sum(axis=2)
    smoothed = (weights * np.array(pair.values)).sum(axis=2) / np.where(total > 0, total, 1)
    known = weights.max(axis=2, initial=0.0) >= np.exp(-0.5 * REACH**2)
    return Contour(family, metric, pair, x, y, np.where(known, smoothed, np.nan))


def contour_figure(data: Contour) -> go.Figure:
    """Draw the field, lighter where worse, with the trials as points on it."""
    pair = data.pair
    z = [[None if np.isnan(value) else float(f"{value:.5g}") for value in line] for line in data.field]
    x, y = (
        [escape(v) for v in grid] if scale.kind == "category" else rounded(grid) for grid, scale in ((data.x, pair.x), (data.y, pair.y))
    )
    look = {
        "colorscale": WORST_TO_BEST,
        "colorbar": {"title": {"text": escape(metric_name(data.metric)), "side": "right"}, "thickness": 12, "tickformat": ".3f"},
        "hovertemplate": hover("smoothed %{z:.4f}"),
    }
    smooth = "category" not in (pair.x.kind, pair.y.kind)
    field = (
        go.Contour(x=x, y=y, z=z, contours={"coloring": "heatmap"}, line={"width": 0.5}, **look)
        if smooth
        else go.Heatmap(x=x, y=y, z=z, **look)
    )
    names = [escape_template(short_name(scale.name, data.family)) for scale in (pair.x, pair.y)]
    points = go.Scatter(
        x=_values(pair.x),
        y=_values(pair.y),
        mode="markers",
        marker={"color": "rgba(255,255,255,0.85)", "size": 7, "line": {"width": 1.2, "color": "#24292f"}},
        showlegend=False,
        customdata=trial_customdata(pair.numbers, pair.shown),
        hovertemplate=trial_hover(data.family, f"{names[0]} %{{x}}", f"{names[1]} %{{y}}", "%{customdata[1]}"),
    )
    axes = {"xaxis": scale_axis(pair.x, data.family), "yaxis": scale_axis(pair.y, data.family)}
    x_name, y_name = (short_name(scale.name, data.family) for scale in (pair.x, pair.y))
    return draw([field, points], height=440, columns={"Trial": 0, x_name: "x", y_name: "y", metric_name(data.metric): 1}, **axes)


def _grid(scale: Scale) -> tuple[tuple[Any, ...], np.ndarray]:
    """Divide an axis into grid points: the values that are shown, and their positions as in `Scale.positions`."""
    if scale.kind == "category":
        return scale.choices, np.arange(len(scale.choices), dtype=float)
    low, high = (min(scale.values), max(scale.values)) if scale.values else (0.0, 1.0)
    if low == high:
        return (low,), np.array([0.5])
    positions = np.linspace(0, 1, N_GRID)
    shown = np.exp(np.log(low) + positions * np.log(high / low)) if scale.kind == "log" else low + positions * (high - low)
    return tuple(map(float, shown)), positions


def _weights(scale: Scale, positions: np.ndarray, width: float) -> np.ndarray:
    """Weigh trials by their distance along one axis; (n_positions, n_trials)."""
    apart = np.abs(positions[:, None] - np.array(scale.positions)[None, :])
    weights: np.ndarray = (apart < 0.5).astype(float) if scale.kind == "category" else np.exp(-0.5 * (apart / width) ** 2)
    return weights


def _values(scale: Scale) -> list[Any]:
    return [escape(value) for value in scale.values] if scale.kind == "category" else rounded(scale.values)
