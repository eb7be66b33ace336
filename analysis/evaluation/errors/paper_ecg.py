"""An ECG as it is printed: 25 mm a second, 10 mm a millivolt, on millimetre paper.

Twelve leads are drawn in the usual three rows of four, a quarter of the recording each, with all of lead II below. Fewer leads get
one row each. Every row begins with a calibration pulse, 1 mV for 0.2 s. Printed at 1:1 the figure is to scale; at any size a small
square is 40 ms by 0.1 mV.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from analysis.evaluation.explanations.figures import attribution_colours
from ecg_tune.config import LEAD_NAMES
from ecg_tune.metrics import Array

MM_PER_S, MM_PER_MV, INCH = 25.0, 10.0, 25.4
NARROWEST_MM = 170.0
"""Of a figure: what the line below the paper needs."""
ROW_MM, PULSE_MM, MARGIN_MM, TITLE_MM, FOOT_MM = 30.0, 10.0, 5.0, 5.5, 6.0
LAYOUT = (("I", "AVR", "V1", "V4"), ("II", "AVL", "V2", "V5"), ("III", "AVF", "V3", "V6"), ("II",))
SHOWN = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}
FINE, COARSE, INK = "#F6D5D2", "#E3A29C", "#111111"


def ecg_figure(
    signal_mv: Array, *, leads: Sequence[str], sampling_rate_hz: int, title: Sequence[str], attribution: Array | None = None
) -> Figure:
    """Draw one record on ECG paper.

    Args:
        signal_mv: (n_samples, n_leads) in millivolts.
        leads: Names of the columns.
        title: Lines above the paper.
        attribution: (n_samples, n_leads) to colour the signal by, see `explanations.figures`; None draws it black.
    """
    colours = None if attribution is None else attribution_colours(attribution, sampling_rate_hz)
    n_samples = len(signal_mv)
    rows = LAYOUT if set(LEAD_NAMES) <= set(leads) else tuple((lead,) for lead in leads)
    above, below = (
        _overhang(sign * signal_mv[:, [list(leads).index(name) for name in names]]) for sign, names in ((1, rows[0]), (-1, rows[-1]))
    )
    paper_mm = (PULSE_MM + MM_PER_S * n_samples / sampling_rate_hz + MARGIN_MM, ROW_MM * len(rows) + 2 * MARGIN_MM + above + below)
    width = max(paper_mm[0], NARROWEST_MM) + 2 * MARGIN_MM
    height = paper_mm[1] + TITLE_MM * len(title) + FOOT_MM + 2 * MARGIN_MM
    figure = Figure(figsize=(width / INCH, height / INCH))
    axes = figure.add_axes((MARGIN_MM / width, (FOOT_MM + MARGIN_MM) / height, paper_mm[0] / width, paper_mm[1] / height))
    _paper(axes, paper_mm)
    for i, names in enumerate(rows):
        middle = paper_mm[1] - above - MARGIN_MM - ROW_MM * (i + 0.5)
        _pulse(axes, middle)
        bounds = np.linspace(0, n_samples, len(names) + 1).round().astype(int)
        for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True):
            time_mm = PULSE_MM + MM_PER_S * np.arange(first, last) / sampling_rate_hz
            lead = list(leads).index(name)
            _trace(axes, time_mm, middle + MM_PER_MV * signal_mv[first:last, lead], None if colours is None else colours[first:last, lead])
            if first:
                axes.plot([time_mm[0]] * 2, [middle - 2.5, middle + 2.5], color=INK, linewidth=0.5)
            label = axes.text(time_mm[0] + 0.8, middle + ROW_MM / 2 - 4.5, SHOWN.get(name, name), fontsize=10, fontweight="bold", color=INK)
            label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # a tall R wave may cross it
    figure.text(MARGIN_MM / width, 1 - MARGIN_MM / height, "\n".join(title), va="top", fontsize=10.5, linespacing=1.35)
    scale = f"25 mm/s, 10 mm/mV at {width:.0f} mm width; small square 40 ms × 0.1 mV; {sampling_rate_hz} Hz, unfiltered"
    figure.text(MARGIN_MM / width, MARGIN_MM / height, scale, fontsize=9, color="#444444")
    return figure


def _overhang(signal_mv: Array) -> float:
    """Compute how far the outermost row reaches over its margin, in millimetres, in steps of a large square."""
    over = MM_PER_MV * float(np.nanmax(signal_mv, initial=0)) - ROW_MM / 2 - MARGIN_MM
    return 5 * float(np.ceil(max(0.0, over) / 5))


def _trace(axes: Axes, x: Array, y: Array, colours: Array | None) -> None:
    """Draw one lead: black, or each sample in its colour, (n_samples, 4)."""
    if colours is None:
        axes.plot(x, y, color=INK, linewidth=0.8, clip_on=False)
        return
    points = np.stack([x, y], axis=1)
    lines = np.stack([points[:-1], points[1:]], axis=1)  # (n_samples - 1, 2 ends, x and y)
    axes.add_collection(LineCollection(list(lines), colors=colours[:-1], linewidths=1.3, capstyle="round", clip_on=False))


def _paper(axes: Axes, size_mm: tuple[float, float]) -> None:
    width, height = size_mm
    for step, colour, line in ((1, FINE, 0.3), (5, COARSE, 0.6)):
        axes.vlines(np.arange(0, width + 0.1, step), 0, height, color=colour, linewidth=line, zorder=0)
        axes.hlines(np.arange(0, height + 0.1, step), 0, width, color=colour, linewidth=line, zorder=0)
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")


def _pulse(axes: Axes, middle: float) -> None:
    """Draw 1 mV for 0.2 s at the beginning of a row."""
    x = np.array([1.5, 2.5, 2.5, 7.5, 7.5, 8.5])
    axes.plot(x, middle + MM_PER_MV * np.array([0, 0, 1, 1, 0, 0]), color=INK, linewidth=0.8)
