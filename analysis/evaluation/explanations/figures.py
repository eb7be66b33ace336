"""Explanations as figures: the signal coloured by its attribution, the images with the Grad-CAM over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from analysis.evaluation.explanations.model_explanations import ModelExplanation
from analysis.plots import WIDTH_IN, footer
from ecg_tune.metrics import Array

EXPLANATION_FIGURE = "21_explanations_{}.png"
MOST_CHANNELS = 3
SMOOTH_S = 0.08
FOR_AND_AGAINST = LinearSegmentedColormap.from_list("for and against", ["#0072B2", "#B4BAC1", "#D55E00"])
LABEL = "Illustrative: explanations show what moved one prediction, not that the model is right or why."


def explanation_figure(explanation: ModelExplanation, *, class_names: Sequence[str], ids: Sequence[int], note: str = "") -> Figure:
    """Draw the explained predictions of one model, a block of panels for each.

    Args:
        ids: ecg_id of each case.
        note: Which data the predictions are of; stands below.
    """
    titles = [
        f"{case.kind}: {class_names[case.k]}, p = {case.probability:.2f}, threshold {case.threshold:.2f}, record {ecg_id}"
        for case, ecg_id in zip(explanation.cases, ids, strict=True)
    ]
    draw = _signal_figure if explanation.kind == "signal" else _image_figure
    return draw(explanation, titles, f"{LABEL} Model: {explanation.model}. {note}")


def _signal_figure(explanation: ModelExplanation, titles: Sequence[str], note: str) -> Figure:
    leads_drawn = [_strongest(values) for values in explanation.maps]
    n_rows = max(1, sum(map(len, leads_drawn)))
    figure = Figure(figsize=(WIDTH_IN, 1.3 + 0.66 * n_rows + 0.25 * len(titles)), layout="constrained")
    panels = list(np.atleast_1d(figure.subplots(n_rows, 1, sharex=True)))
    panel = 0
    assert explanation.seconds is not None, "a signal's length is known"
    for signal, values, leads, title in zip(explanation.inputs, explanation.maps, leads_drawn, titles, strict=True):
        smooth = _smoothed(values, round(SMOOTH_S * len(values) / explanation.seconds))
        top = float(np.percentile(np.abs(smooth), 99)) or 1.0
        norm = Normalize(-top, top)
        for i, lead in enumerate(leads):
            axes = panels[panel]
            _draw_coloured_line(axes, np.linspace(0, explanation.seconds, len(signal)), signal[:, lead], smooth[:, lead], norm)
            axes.set_ylabel(f"{explanation.names[lead]} (mV)", fontsize=7.5)
            axes.tick_params(labelsize=7.5)
            axes.spines[["top", "right"]].set_visible(False)
            if i == 0:
                axes.set_title(title, fontsize=8.5, loc="left")
            panel += 1
    panels[-1].set_xlabel("time (s)", fontsize=8)
    few = f" Drawn: the {MOST_CHANNELS} leads with most attribution." if len(explanation.names) > MOST_CHANNELS else ""
    footer(figure, f"Integrated gradients: orange raised the class' logit against a flat line, blue lowered it, grey did neither; "
           f"means over {1000 * SMOOTH_S:.0f} ms; each record has its own scale.{few} {note}")  # fmt: skip
    return figure


def _strongest(values: Array) -> list[int]:
    """Choose the leads with most attribution, at most `MOST_CHANNELS`, in the order of the leads."""
    return sorted(int(i) for i in np.argsort(-np.abs(values).sum(axis=0), kind="stable")[:MOST_CHANNELS])


def attribution_colours(values: Array, sampling_rate_hz: int) -> Array:
    """Colour attributions (n_samples, n_leads): orange for, blue against, grey neither; (n_samples, n_leads, 4)."""
    smooth = _smoothed(values, round(SMOOTH_S * sampling_rate_hz))
    top = float(np.percentile(np.abs(smooth), 99)) or 1.0
    return np.asarray(FOR_AND_AGAINST(Normalize(-top, top)(smooth)), dtype=np.float64)


def _smoothed(values: Array, width: int) -> Array:
    kernel = np.ones(max(1, width)) / max(1, width)
    return np.stack([np.convolve(column, kernel, mode="same") for column in values.T], axis=1)


def _draw_coloured_line(axes: Axes, time_s: Array, signal: Array, values: Array, norm: Normalize) -> None:
    points = np.stack([time_s, signal], axis=1)
    segments = np.stack([points[:-1], points[1:]], axis=1)  # (n_samples - 1, 2 ends, x and y)
    lines = LineCollection(list(segments), cmap=FOR_AND_AGAINST, norm=norm, linewidths=1.3, capstyle="round")
    lines.set_array((values[:-1] + values[1:]) / 2)
    axes.add_collection(lines)
    pad = 0.08 * (float(np.ptp(signal)) or 1.0)
    axes.set_xlim(time_s[0], time_s[-1])
    axes.set_ylim(signal.min() - pad, signal.max() + pad)


def _image_figure(explanation: ModelExplanation, titles: Sequence[str], note: str) -> Figure:
    n_columns = min(len(explanation.names), MOST_CHANNELS)
    n_rows = max(1, len(titles))
    figure = Figure(figsize=(WIDTH_IN, 1.2 + 2.3 * n_rows), layout="constrained")
    rows = figure.subfigures(n_rows, 1, squeeze=False)[:, 0]
    for row, images, cam, title in zip(rows, explanation.inputs, explanation.maps, titles, strict=False):
        nothing = "" if cam.any() else "; nothing on the map raised the logit"
        row.suptitle(title + nothing, fontsize=8.5, x=0.02, ha="left")
        for channel, axes in enumerate(np.atleast_1d(row.subplots(1, n_columns))):
            side, unit = (images.shape[-1], "pixels") if explanation.seconds is None else (explanation.seconds, "time (s)")
            extent = (0.0, side, side, 0.0)
            axes.imshow(images[channel], cmap="gray", extent=extent)
            axes.imshow(cam, cmap="viridis", alpha=0.15 + 0.45 * cam, vmin=0, vmax=1, extent=extent)
            axes.set_title(explanation.names[channel], fontsize=8, loc="right")
            axes.set_xlabel(unit, fontsize=7.5)
            axes.tick_params(labelsize=7.5)
            if channel == 0:
                axes.set_ylabel(unit, fontsize=7.5)
    few = f" Drawn: the first {MOST_CHANNELS} channels." if len(explanation.names) > MOST_CHANNELS else ""
    cut = "" if explanation.seconds is None else " (of the middle crop where a record is cut)"
    footer(figure, f"Grad-CAM, one map a record, over each channel of its image{cut}: yellow raised "
           f"the class' logit most, dark violet not at all.{few} {note}")  # fmt: skip
    return figure
