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
LABEL = "Illustrative: explanations show what moved one answer, not that the model is right or why."


def explanation_figure(found: ModelExplanation, *, class_names: Sequence[str], ids: Sequence[int], note: str = "") -> Figure:
    """Draw one model's explained answers.

    Args:
        ids: ecg_id of each case.
        note: What it rests on.
    """
    titles = [
        f"{case.kind}: {class_names[case.k]}, p = {case.probability:.2f}, threshold {case.threshold:.2f}, record {ecg_id}"
        for case, ecg_id in zip(found.cases, ids, strict=True)
    ]
    return (_signals if found.kind == "signal" else _images)(found, titles, f"{LABEL} Model: {found.model}. {note}")


def _signals(found: ModelExplanation, titles: Sequence[str], note: str) -> Figure:
    chosen = [_strongest(values) for values in found.maps]
    n_rows = max(1, sum(map(len, chosen)))
    figure = Figure(figsize=(WIDTH_IN, 1.3 + 0.66 * n_rows + 0.25 * len(titles)), layout="constrained")
    panels = list(np.atleast_1d(figure.subplots(n_rows, 1, sharex=True)))
    place = 0
    for signal, values, leads, title in zip(found.inputs, found.maps, chosen, titles, strict=True):
        smooth = _smoothed(values, round(SMOOTH_S * len(values) / found.seconds))
        top = float(np.percentile(np.abs(smooth), 99)) or 1.0
        norm = Normalize(-top, top)
        for i, lead in enumerate(leads):
            axes = panels[place]
            _coloured(axes, np.linspace(0, found.seconds, len(signal)), signal[:, lead], smooth[:, lead], norm)
            axes.set_ylabel(f"{found.names[lead]} (mV)", fontsize=7.5)
            axes.tick_params(labelsize=7.5)
            axes.spines[["top", "right"]].set_visible(False)
            if i == 0:
                axes.set_title(title, fontsize=8.5, loc="left")
            place += 1
    panels[-1].set_xlabel("time (s)", fontsize=8)
    few = f" Drawn: the {MOST_CHANNELS} leads with most attribution." if len(found.names) > MOST_CHANNELS else ""
    footer(figure, f"Integrated gradients: orange raised the class' logit against a flat line, blue lowered it, grey did neither; "
           f"means over {1000 * SMOOTH_S:.0f} ms; each record has its own scale.{few} {note}")  # fmt: skip
    return figure


def _strongest(values: Array) -> list[int]:
    """Return the leads with most attribution in their own order, at most `MOST_CHANNELS`."""
    return sorted(int(i) for i in np.argsort(-np.abs(values).sum(axis=0), kind="stable")[:MOST_CHANNELS])


def _smoothed(values: Array, width: int) -> Array:
    kernel = np.ones(max(1, width)) / max(1, width)
    return np.stack([np.convolve(column, kernel, mode="same") for column in values.T], axis=1)


def _coloured(axes: Axes, time_s: Array, signal: Array, values: Array, norm: Normalize) -> None:
    points = np.stack([time_s, signal], axis=1)
    segments = np.stack([points[:-1], points[1:]], axis=1)  # (n_samples - 1, 2 ends, x and y)
    lines = LineCollection(list(segments), cmap=FOR_AND_AGAINST, norm=norm, linewidths=1.3, capstyle="round")
    lines.set_array((values[:-1] + values[1:]) / 2)
    axes.add_collection(lines)
    pad = 0.08 * (float(np.ptp(signal)) or 1.0)
    axes.set_xlim(time_s[0], time_s[-1])
    axes.set_ylim(signal.min() - pad, signal.max() + pad)


def _images(found: ModelExplanation, titles: Sequence[str], note: str) -> Figure:
    n_columns = min(len(found.names), MOST_CHANNELS)
    n_rows = max(1, len(titles))
    figure = Figure(figsize=(WIDTH_IN, 1.2 + 2.3 * n_rows), layout="constrained")
    rows = figure.subfigures(n_rows, 1, squeeze=False)[:, 0]
    for part, images, cam, title in zip(rows, found.inputs, found.maps, titles, strict=False):
        nothing = "" if cam.any() else "; nothing on the map raised the logit"
        part.suptitle(title + nothing, fontsize=8.5, x=0.02, ha="left")
        for channel, axes in enumerate(np.atleast_1d(part.subplots(1, n_columns))):
            extent = (0.0, found.seconds, found.seconds, 0.0)
            axes.imshow(images[channel], cmap="gray", extent=extent)
            axes.imshow(cam, cmap="viridis", alpha=0.15 + 0.45 * cam, vmin=0, vmax=1, extent=extent)
            axes.set_title(found.names[channel], fontsize=8, loc="right")
            axes.set_xlabel("time (s)", fontsize=7.5)
            axes.tick_params(labelsize=7.5)
            if channel == 0:
                axes.set_ylabel("time (s)", fontsize=7.5)
    few = f" Drawn: the first {MOST_CHANNELS} channels." if len(found.names) > MOST_CHANNELS else ""
    footer(figure, f"Grad-CAM, one map a record, over each channel of its image (of the middle crop where a record is cut): yellow raised "
           f"the class' logit most, dark violet not at all.{few} {note}")  # fmt: skip
    return figure
