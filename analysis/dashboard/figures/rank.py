"""Rank: a family's trials on the plane of two parameters, coloured by their rank and not by their value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from scipy.stats import rankdata

from analysis.dashboard.figures.pairs import Pair, Scale, pair_of, scale_axis
from analysis.dashboard.figures.parallel import WORST_TO_BEST
from analysis.dashboard.figures.plotly_text import escape, escape_template, trial_hover
from analysis.dashboard.figures.style import cached_figure, draw, metric_name, number, rounded, short_name, trial_customdata
from analysis.dashboard.trials import RankedTrial

N_PARAMETERS = 3


class Rank(NamedTuple):
    """What `rank_figure` draws; `ranks` is (n_trials,), 1 for the best of those drawn, equals share their mean rank."""

    family: str
    metric: str
    pair: Pair
    ranks: tuple[float, ...]


def rank_data(trials: Sequence[RankedTrial], *, metric: str, family: str, parameters: Sequence[str]) -> list[Rank]:
    """Rank the trials that have a value or a forecast on one plane for every pair of the first `N_PARAMETERS` parameters."""
    found = []
    for x, y in combinations(parameters[:N_PARAMETERS], 2):
        pair = pair_of(trials, family, x, y)
        found.append(Rank(family, metric, pair, tuple(map(float, rankdata([-value for value in pair.values])))))
    return found


@cached_figure
def rank_figure(data: Rank) -> go.Figure:
    """Draw the trials as points, the best in the strongest colour and on top; those at the same choice lie side by side."""
    pair, last = data.pair, max(len(data.ranks), 2)
    names = (escape_template(short_name(scale.name, data.family)) for scale in (pair.x, pair.y))
    points = go.Scatter(
        x=_spread(pair.x),
        y=_spread(pair.y),
        mode="markers",
        marker={
            "color": [-rank for rank in rounded(data.ranks)],  # the best is on top of the bar, as in the contour
            "colorscale": WORST_TO_BEST,
            "cmin": -last,
            "cmax": -1,
            "size": 9,
            "line": {"width": 0.6, "color": "#24292f"},
            "colorbar": {
                "title": {"text": "rank", "side": "right"},
                "thickness": 12,
                "tickvals": [-1, -last],
                "ticktext": ["best", str(last)],
            },
        },
        showlegend=False,
        customdata=trial_customdata(
            pair.numbers,
            [number(value) for value in pair.x.values],
            [number(value) for value in pair.y.values],
            pair.shown,
            rounded(data.ranks),
        ),
        hovertemplate=trial_hover(
            data.family,
            *(f"{name} %{{customdata[{index}]}}" for index, name in enumerate(names, 1)),
            f"rank %{{customdata[4]}} of {len(data.ranks)}, %{{customdata[3]}}",
        ),
    )
    axes = {"xaxis": _axis(pair.x, data.family), "yaxis": _axis(pair.y, data.family)}
    x, y = (short_name(scale.name, data.family) for scale in (pair.x, pair.y))
    return draw([points], height=330, columns={"Trial": 0, x: 1, y: 2, metric_name(data.metric): 3, "Rank": 4}, **axes)


def _spread(scale: Scale) -> list[Any]:
    """Place the points on an axis: at their value, or for a choice side by side in a narrow column, in the order of the trials."""
    if scale.kind != "category":
        return rounded(scale.values)
    counts = {position: scale.positions.count(position) for position in set(scale.positions)}
    seen: dict[float, int] = {}
    shown = []
    for position in scale.positions:
        seen[position] = seen.get(position, 0) + 1
        shown.append(position + 0.5 * ((seen[position] - 0.5) / counts[position] - 0.5))
    return rounded(np.array(shown).tolist(), 4)


def _axis(scale: Scale, family: str) -> dict[str, Any]:
    if scale.kind != "category":
        return dict(scale_axis(scale, family))
    names = [escape(choice) for choice in scale.choices]
    usual = dict(scale_axis(scale._replace(kind="linear"), family))
    return {**usual, "tickvals": list(range(len(names))), "ticktext": names, "range": [-0.5, len(names) - 0.5]}
