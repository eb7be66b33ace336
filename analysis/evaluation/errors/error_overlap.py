"""How much wrong predictions overlap: between two models, and between two classes of the best model.

A prediction is one record's yes or no for one class, at the threshold with the highest F1 on validation. The overlap of two sets of
wrong predictions is Jaccard's index: the number wrong in both divided by the number wrong in either. It is 1 for the same mistakes
and 0 for none in common. Models whose mistakes overlap little gain most from an ensemble.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.statistics.bootstrap import percentile_interval
from analysis.plots import WIDTH_IN, footer
from ecg_tune.metrics import Array

ALL = "all classes"
MODELS, CLASSES = "models", "classes"
MOST_DRAWN = 10
MOST_PAIRS = 10
COLUMNS = ("Between", "Of", "A", "B", "Answers", "Wrong_A", "Wrong_B", "Wrong_both", "By_chance", "Overlap", "Overlap_lo", "Overlap_hi")
RULES = (
    "A prediction here is one record's yes or no to one class at the F1 threshold of validation, by each model's best seed on validation. "
    "Overlap: predictions wrong in both / wrong in either, with 95 % intervals over patients. 'By chance' is how many would be wrong in "
    "both if mistakes fell independently. Classes: records on which the best model is wrong about both classes."
)
Wrong = NDArray[np.bool_]


def wrong_predictions(labels: NDArray[np.generic], model: ModelPredictions) -> Wrong:
    """Mark the wrong predictions of the model's best seed at its F1 thresholds, (n_records, n_classes)."""
    run = model.at_f1_thresholds[model.chosen]
    return np.asarray((run.probabilities >= run.thresholds) != np.asarray(labels).astype(bool))


def overlap_table(
    labels: NDArray[np.generic], predictions: Mapping[str, ModelPredictions], weights: Array, *, best: str, class_names: Sequence[str]
) -> pd.DataFrame:
    """Count wrong predictions and their overlap: one row for each pair of models and class, and for each pair of the best model's classes.

    Args:
        labels: (n_records, n_classes) of 0/1.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    wrong = {name: wrong_predictions(labels, model) for name, model in predictions.items()}
    rows = []
    columns_of = {ALL: list(range(len(class_names)))} | {name: [k] for k, name in enumerate(class_names)}
    for classes, columns in columns_of.items():
        rows += _pairs(MODELS, classes, {name: errors[:, columns] for name, errors in wrong.items()}, weights)
    rows += _pairs(CLASSES, best, {name: wrong[best][:, [k]] for k, name in enumerate(class_names)}, weights)
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(between: str, of: str, wrong: Mapping[str, Wrong], weights: Array) -> list[dict[str, object]]:
    """Count for all pairs at once: one matrix product holds all resamples of all pairs.

    Args:
        between, of: What the columns `Between` and `Of` say.
        wrong: {name: (n_records, n) whether a prediction is wrong}.
    """
    pairs = list(combinations(wrong, 2))
    if not pairs:
        return []
    both = np.array([(wrong[a] & wrong[b]).sum(axis=1) for a, b in pairs], dtype=np.float64)  # (pairs, records)
    either = np.array([(wrong[a] | wrong[b]).sum(axis=1) for a, b in pairs], dtype=np.float64)
    resampled = _share(both @ weights, either @ weights)
    rows: list[dict[str, object]] = []
    for i, (a, b) in enumerate(pairs):
        limits, n_a, n_b = percentile_interval(resampled[i]), int(wrong[a].sum()), int(wrong[b].sum())
        row: dict[str, object] = {"Between": between, "Of": of, "A": a, "B": b, "Answers": wrong[a].size, "Wrong_A": n_a, "Wrong_B": n_b}
        row |= {"Wrong_both": int(both[i].sum()), "By_chance": n_a * n_b / wrong[a].size}
        row["Overlap"] = float(_share(both[i].sum(), either[i].sum()))
        rows.append(row | {"Overlap_lo": limits.low, "Overlap_hi": limits.high})
    return rows


def _share(part: Array, whole: Array) -> Array:
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0), dtype=np.float64)


def overlap_lines(table: pd.DataFrame, *, best: str) -> list[str]:
    """Write the section of the detailed text report: pairs of models on all classes together, then pairs of the best model's classes."""
    lines = ["MISTAKES IN COMMON", *textwrap.wrap(RULES, WIDTH)]
    models = table[(table["Between"] == MODELS) & (table["Of"] == ALL)]
    if models.empty:
        lines += ["", "between models: one model was evaluated"]
    elif len(models) > MOST_PAIRS:
        lines += ["", f"{len(models)} pairs; shown are those with {best}, all are in the CSV"]
        models = models[(models["A"] == best) | (models["B"] == best)]
    for title, rows in ((f"Models, {ALL}", models), (f"Classes of {best}", table[table["Between"] == CLASSES])):
        if rows.empty:
            continue
        width = max(len(title), *(len(f"{row.A} / {row.B}") for row in rows.itertuples())) + 2
        lines += ["", f"{title:<{width}}{'wrong: 1st':>10}{'2nd':>7}{'both':>7}{'by chance':>11}   overlap"]
        for row in rows.itertuples():
            interval = f"{number(row.Overlap)} [{number(row.Overlap_lo)}, {number(row.Overlap_hi)}]"
            counts = f"{row.Wrong_A:>10}{row.Wrong_B:>7}{row.Wrong_both:>7}{row.By_chance:>11.1f}"
            lines.append(f"{f'{row.A} / {row.B}':<{width}}{counts}   {interval}")
    return lines


def overlap_figure(table: pd.DataFrame, *, best: str, class_names: Sequence[str], models: Sequence[str], note: str = "") -> Figure:
    """Draw the overlap between models (all classes), at most `MOST_DRAWN`, beside that between the best model's classes."""
    drawn = list(models)[:MOST_DRAWN]
    between_models = table[(table["Between"] == MODELS) & (table["Of"] == ALL)]
    size = max(len(drawn), len(class_names), 3)
    figure = Figure(figsize=(WIDTH_IN, 1.9 + 0.27 * size), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=(len(drawn) + 2, len(class_names) + 2)) if len(drawn) > 1 else [figure.subplots()]
    if len(drawn) > 1:
        _draw_matrix(panels[0], between_models, drawn, "Models, all classes")
    _draw_matrix(panels[-1], table[table["Between"] == CLASSES], list(class_names), f"Classes of {best}")
    left_out = f" Drawn: the {len(drawn)} best on validation of {len(models)} models." if len(drawn) < len(models) else ""
    footer(figure, f"Overlap of wrong predictions: wrong in both / wrong in either; in brackets: how many are wrong.{left_out} {note}")
    return figure


def _draw_matrix(axes: Axes, rows: pd.DataFrame, names: Sequence[str], title: str) -> None:
    index = {name: i for i, name in enumerate(names)}
    values, wrong = np.full((len(names), len(names)), np.nan), dict.fromkeys(names, 0)
    for row in rows.itertuples():
        if row.A in index and row.B in index:
            values[index[row.A], index[row.B]] = values[index[row.B], index[row.A]] = row.Overlap
            wrong |= {row.A: row.Wrong_A, row.B: row.Wrong_B}
    top = float(np.nanmax(values, initial=0.2))
    axes.imshow(np.ma.masked_invalid(values), vmin=0, vmax=top, cmap=colormaps["cividis"].with_extremes(bad="#EEEEEE"), aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        text = "" if i == j else "n/a" if np.isnan(value) else f"{value:.2f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=7.5, color="white" if value < 0.5 * top else "black")
    axes.set_xticks(
        range(len(names)), names, fontsize=7.5, rotation=35 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center"
    )
    axes.set_yticks(range(len(names)), [f"{name} ({wrong[name]})" for name in names], fontsize=7.5)
    axes.set_title(title, fontsize=9)
