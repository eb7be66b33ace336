"""A broken vertical axis: the best values of a search lie close together, far above those of the trials that were stopped early.

Its upper part shows the best quarter on a larger scale, the lower part the rest. Every point is drawn in one of them, at its own value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.dashboard.figures.style import axis, value_range

FEWEST_POINTS = 20
SHARE_ABOVE = 0.25
MOST_OF_RANGE, MOST_WITH_KEPT = 0.2, 0.35
"""The axis is broken only if the best quarter takes less than the first share of the whole range, and `kept` goes above the break
only if both together take less than the second."""
UPPER, LOWER = (0.42, 1.0), (0.0, 0.36)
"""Where the two parts lie, as shares of the figure's height."""


def find_break(values: Sequence[float], kept: Sequence[float] = ()) -> float | None:
    """Choose the round value at which to break the axis, or None when one scale shows all values well.

    Args:
        values: Of the points.
        kept: Values to show in the upper part as well, as long as its scale stays the larger one.
    """
    if len(values) < FEWEST_POINTS:
        return None
    ranked = sorted(values)
    low, high, least = ranked[0], ranked[-1], ranked[-math.ceil(SHARE_ABOVE * len(ranked))]
    if not 0 < high - least < MOST_OF_RANGE * (high - low):
        return None
    lower = min([least, *kept])
    if high - lower < MOST_WITH_KEPT * (high - low):
        least = lower
    step = 10.0 ** math.floor(math.log10(high - least))
    at = round(math.floor(least / step) * step, 12)
    return at if at > low else None


def axis_of(value: float, break_at: float | None) -> str:
    """Choose the axis for a value, by plotly's name: "y" for the upper part, "y2" for the lower one."""
    return "y" if break_at is None or value >= break_at else "y2"


def broken_axes(title: str, values: Sequence[float], break_at: float | None) -> Mapping[str, Any]:
    """Lay out the vertical axes: two if the axis is broken, else one. The horizontal axis lies below the lowest."""
    if break_at is None:
        return {"yaxis": axis(title, range=value_range(values))}
    low, high = value_range(values)[0], max(values)
    upper = axis(title, range=[break_at - 0.02 * (high - break_at), high + 0.06 * (high - break_at)], domain=UPPER)
    lower = axis("", range=[low, break_at + 0.04 * (break_at - low)], domain=LOWER, nticks=5)
    mark = {"text": "≈", "xref": "paper", "yref": "paper", "x": 0, "y": (UPPER[0] + LOWER[1]) / 2, "showarrow": False, "font": {"size": 18}}
    return {"yaxis": upper, "yaxis2": lower, "annotations": [{**mark, "xanchor": "center", "yanchor": "middle"}]}
