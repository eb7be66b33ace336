"""Decision curves: what acting on a model is worth against acting on everybody or on nobody (Vickers & Elkin, 2006).

Net benefit at threshold probability t, in true positives a record: TP / n - FP / n x t / (1 - t). Somebody who acts at t holds
a missed case for (1 - t) / t times as bad as a needless action; nobody's benefit is 0.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.plots import COLOURS, class_panels, footer
from ecg_tune.metrics import Array

THRESHOLDS = np.arange(1, 100) / 100
SHOWN = (0.05, 0.1, 0.2, 0.3, 0.5)
RULES = (
    "Net benefit in true positives a record of acting on a class at a threshold probability t: TP / n - FP / n x t / (1 - t), mean "
    "over seeds, with 95 % intervals over patients. The model is worth using at the t where it lies above both acting on all and "
    "acting on none (0). Probabilities after Platt scaling fitted on validation; the CSV also holds them as trained."
)


def decision_rules(class_names: Sequence[str]) -> str:
    """State the rules of the curves; where there is NORM, also what acting on a normal ECG may mean."""
    norm = " Acting on NORM means, for instance, to spare somebody further examination."
    return RULES + (norm if "NORM" in class_names else "")


def net_benefit(positive: NDArray[np.bool_], probabilities: Array, weights: Array) -> Array:
    """Compute the net benefit at `THRESHOLDS` for every weighting, (n_thresholds, n_weightings).

    Args:
        positive: (n_records,).
        probabilities: (n_records,); acted on at probability >= threshold.
        weights: (n_records, n_weightings).
    """
    acted = probabilities >= THRESHOLDS[:, None]  # (thresholds, records)
    hits, alarms = ((acted & kind).astype(np.float64) @ weights for kind in (positive, ~positive))
    odds = (THRESHOLDS / (1 - THRESHOLDS))[:, None]
    return np.asarray((hits - odds * alarms) / weights.sum(axis=0), dtype=np.float64)


def decision_table(labels: NDArray[np.generic], model: ModelPredictions, weights: Array, *, class_names: Sequence[str]) -> pd.DataFrame:
    """Tabulate the net benefit of one model, one row a class and threshold.

    Args:
        labels: (n_records, n_classes) of 0/1.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    truth, once = np.asarray(labels).astype(bool), np.ones((len(labels), 1))
    tables = []
    for k, name in enumerate(class_names):
        scaled = [seed.calibrated[:, k] for seed in model.seeds]
        resampled = np.mean([net_benefit(truth[:, k], p, weights) for p in scaled], axis=0)
        low, high = np.percentile(resampled, [2.5, 97.5], axis=1)
        raw = np.mean([net_benefit(truth[:, k], seed.test[:, k], once)[:, 0] for seed in model.seeds], axis=0)
        columns = {"Model": model.name, "Class": name, "Threshold": THRESHOLDS}
        columns |= {"Net_Benefit": np.mean([net_benefit(truth[:, k], p, once)[:, 0] for p in scaled], axis=0)}
        columns |= {"Net_Benefit_lo": low, "Net_Benefit_hi": high, "Net_Benefit_as_trained": raw}
        tables.append(pd.DataFrame(columns | {"Net_Benefit_of_all": net_benefit(truth[:, k], once[:, 0], once)[:, 0]}))
    return pd.concat(tables, ignore_index=True)


def decision_lines(table: pd.DataFrame) -> list[str]:
    """Write the section of the detailed report: the net benefit at a few thresholds."""
    lines = [f"DECISION CURVES of {table['Model'].iloc[0]}", *textwrap.wrap(decision_rules(table["Class"].unique().tolist()), WIDTH), ""]
    lines.append(f"{'':<10}{'t':>6}   {'model':<28}{'all':>8}")
    for row in table[table["Threshold"].round(2).isin(SHOWN)].itertuples():
        cell = f"{number(row.Net_Benefit)} [{number(row.Net_Benefit_lo)}, {number(row.Net_Benefit_hi)}]"
        lines.append(f"{row.Class:<10}{row.Threshold:>6.2f}   {cell:<28}{number(row.Net_Benefit_of_all):>8}")
    return lines


def decision_figure(table: pd.DataFrame, *, n_positives: Mapping[str, int], note: str = "") -> Figure:
    """Draw one panel a class: the model with its band, the model as trained, everybody, nobody.

    Args:
        n_positives: {class: positives}, for the titles.
    """
    class_names = list(table["Class"].unique())
    figure, panels, corner = class_panels([f"{name} (n+ = {n_positives[name]})" for name in class_names])
    for name, axes in zip(class_names, panels, strict=True):
        rows = table[table["Class"] == name]
        x, top = rows["Threshold"], max(rows["Net_Benefit_hi"].max(), rows["Net_Benefit_of_all"].max(), 0.02)
        axes.fill_between(x, rows["Net_Benefit_lo"], rows["Net_Benefit_hi"], color=COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(x, rows["Net_Benefit"], color=COLOURS[0], linewidth=1.8, label="model, Platt")
        axes.plot(x, rows["Net_Benefit_as_trained"], color=COLOURS[1], linewidth=1.0, linestyle="--", label="model, as trained")
        axes.plot(x, rows["Net_Benefit_of_all"], color="#666666", linewidth=1.0, linestyle="-.", label="act on all")
        axes.axhline(0, color="black", linewidth=0.8, linestyle=":", label="act on none")
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.15 * top, 1.05 * top)
        axes.set_xlabel("threshold probability", fontsize=8)
        axes.set_ylabel("net benefit (TP a record)", fontsize=8)
    corner.legend(*panels[0].get_legend_handles_labels(), loc="center left", fontsize=8, frameon=False)
    footer(figure, f"{note} n+ = positives. Band: 95 % interval over patients.")
    return figure
