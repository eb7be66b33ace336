"""Reliability curves: promised against observed frequency, bin by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.evaluation.statistics.calibration import N_BINS, equal_mass_bins
from analysis.plots import COLOURS, class_panels, footer
from ecg_tune.metrics import Array


@dataclass(frozen=True)
class Reliability:
    """One class' curve; the bins that hold records, in rising order.

    Attributes:
        promised: (n_bins,) mean probability.
        observed: (n_bins,) share of positives.
        low, high: (n_bins,) 95 % percentile limits of the share, over resamples of patients.
        n_records: (n_bins,).
    """

    promised: Array
    observed: Array
    low: Array
    high: Array
    n_records: NDArray[np.int64]


def reliability_data(positive: NDArray[np.bool_], probabilities: Array, weights: Array) -> Reliability:
    """Compute the curve over `N_BINS` bins of equal numbers of records.

    Args:
        positive: (n_records,).
        probabilities: (n_records,) in [0, 1].
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    bins = equal_mass_bins(probabilities)
    members = [bins == b for b in range(N_BINS) if (bins == b).any()]
    limits = []
    for inside in members:
        n_resampled = weights[inside].sum(axis=0)
        hits = positive[inside].astype(np.float64) @ weights[inside]
        limits.append(np.percentile(hits[n_resampled > 0] / n_resampled[n_resampled > 0], [2.5, 97.5]))
    low, high = np.array(limits, dtype=np.float64).T
    return Reliability(
        promised=np.array([probabilities[inside].mean() for inside in members]),
        observed=np.array([positive[inside].mean() for inside in members]),
        low=low,
        high=high,
        n_records=np.array([inside.sum() for inside in members]),
    )


def reliability_figure(
    curves: Mapping[str, Sequence[Reliability]], *, class_names: Sequence[str], n_positives: Sequence[int], note: str = ""
) -> Figure:
    """Draw one panel a class with one curve a scaling.

    Args:
        curves: {"as trained": one curve a class, "Platt": …}.
        n_positives: Of each class, for the titles.
        note: What the numbers rest on.
    """
    figure, panels, corner = class_panels([f"{name} (n+ = {n})" for name, n in zip(class_names, n_positives, strict=True)])
    for k, axes in enumerate(panels):
        axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
        for i, (scaling, of_classes) in enumerate(curves.items()):
            _curve(axes, of_classes[k], COLOURS[i], "os"[i % 2], scaling)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("probability stated", fontsize=8)
        axes.set_ylabel("share of positives", fontsize=8)
    corner.legend(*panels[0].get_legend_handles_labels(), loc="center left", fontsize=8, frameon=False)
    sizes = {int(n) for of_classes in curves.values() for curve in of_classes for n in curve.n_records}
    n_records = f"{min(sizes)}" if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
    footer(figure, f"{note} n+ = positives. Bins of {n_records} records; whiskers: 95 % intervals over patients; dotted: perfect.")
    return figure


def _curve(axes: Axes, curve: Reliability, colour: str, marker: str, label: str) -> None:
    axes.vlines(curve.promised, curve.low, curve.high, color=colour, linewidth=0.9, alpha=0.6)
    axes.plot(curve.promised, curve.observed, color=colour, marker=marker, markersize=3.5, linewidth=1.2, label=label)
