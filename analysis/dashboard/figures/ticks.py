"""Round tick positions, for axes whose scale plotly does not label well (logarithms over few decades, parallel axes)."""

from __future__ import annotations

import math


def linear_ticks(low: float, high: float, *, most: int = 6, whole: bool = False) -> list[float]:
    """Choose multiples of 1, 2 or 5 times a power of ten within [low, high]; only whole numbers if `whole`."""
    if low >= high:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    step = max(step, 1.0) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(multiple * step, 12) for multiple in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, *, most: int = 7) -> list[float]:
    """Choose 1-2-5 values within [low, high] (both > 0), or only powers of ten if those are more than `most`."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        marks = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [mark for mark in marks if low * (1 - 1e-9) <= mark <= high * (1 + 1e-9)]
        if len(inside) <= most:
            break
    return inside or [low, high]
