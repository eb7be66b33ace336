"""Calibration of every model before and after Platt scaling: the table and its section of the report."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.statistics.calibration import (
    MEASURES,
    N_BINS,
    PERFECT,
    Calibration,
    calibration,
    estimates,
    mean_calibration,
    patient_signs,
)
from analysis.evaluation.statistics.clusters import patient_index
from ecg_tune.metrics import Array

BEFORE, AFTER = "as trained", "Platt"
RULES = (
    f"ECE: {N_BINS} bins of equal numbers of records; equal probabilities stay in one bin. 'perfect' is the mean ECE that perfect "
    "probabilities would show on these records: an ECE near it is no evidence of miscalibration. Skill: Brier score against always "
    "saying the test split's frequency. Slope 1 and intercept 0 are ideal; a slope below 1 is overconfident, an intercept above 0 "
    "means probabilities that are too low. Platt scaling was fitted on validation only, one line a class, file by file. Means over "
    "seeds, with 95 % intervals over patients. Chance raises a measured ECE: its interval lies mostly below it, and starts at 0 where "
    "perfect probabilities could show as much. n/a: a class with one kind of record, or without a finite slope."
)


def calibration_table(
    labels: NDArray[np.generic],
    patient_ids: NDArray[np.generic],
    predictions: Mapping[str, ModelPredictions],
    weights: Array,
    *,
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Measure calibration, one row a model, class and scaling; `macro_avg` is the mean over classes with both kinds of record.

    Args:
        labels: (n_records, n_classes) of 0/1.
        patient_ids: (n_records,).
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    truth, index = np.asarray(labels).astype(bool), patient_index(patient_ids)
    signs = patient_signs(index, n_resamples=weights.shape[1])
    rows = []
    for model in predictions.values():
        measured = {}
        for scaling in (BEFORE, AFTER):
            probabilities = [seed.test if scaling == BEFORE else seed.calibrated for seed in model.seeds]
            for k, name in enumerate(class_names):
                measured[name, scaling] = mean_calibration([calibration(truth[:, k], p[:, k], weights, signs) for p in probabilities])
            if defined := [measured[name, scaling] for k, name in enumerate(class_names) if truth[:, k].any() and not truth[:, k].all()]:
                measured["macro_avg", scaling] = mean_calibration(defined)
        for name, scaling in sorted(measured, key=lambda key: (*class_names, "macro_avg").index(key[0])):
            rows.append({"Model": model.name, "Class": name, "Scaling": scaling, **_cells(measured[name, scaling], index)})
    return pd.DataFrame(rows)


def _cells(measured: Calibration, index: NDArray[np.intp]) -> dict[str, float]:
    cells: dict[str, float] = {}
    for measure, (value, low, high) in estimates(measured, index).items():
        cells |= {measure: value, f"{measure}_lo": low, f"{measure}_hi": high}
        if measure == "ECE":
            cells[PERFECT] = measured.values[PERFECT]
    return cells


def calibration_lines(table: pd.DataFrame, *, best: str) -> list[str]:
    """Write the section of the detailed report: every model's mean over classes, then the best model's classes."""
    width = max(14, table["Model"].str.len().max() + 2)
    lines = ["CALIBRATION", *textwrap.wrap(RULES, WIDTH)]
    lines += ["", *_block(table[table["Class"] == "macro_avg"], "Mean over classes", "Model", width)]
    return [*lines, "", *_block(table[(table["Model"] == best) & (table["Class"] != "macro_avg")], best, "Class", width)]


def _block(rows: pd.DataFrame, title: str, column: str, width: int) -> list[str]:
    names = {"Brier_skill": "Brier skill"}
    head = f"{title:<{width}}{'':<12}" + "".join(f"{names.get(measure, measure):<25}" for measure in MEASURES[:3])
    lines = [head.rstrip(), f"{'':<{width}}{'':<12}{'perfect':<25}" + "".join(f"{measure:<25}" for measure in MEASURES[3:]).rstrip()]
    for row in rows.to_dict("records"):
        cells = {m: f"{number(row[m])} [{number(row[m + '_lo'])}, {number(row[m + '_hi'])}]" for m in MEASURES}
        lines.append(f"{row[column]:<{width}}{row['Scaling']:<12}" + "".join(f"{cells[m]:<25}" for m in MEASURES[:3]).rstrip())
        lines.append(f"{'':<{width + 12}}{number(row[PERFECT]):<25}" + "".join(f"{cells[m]:<25}" for m in MEASURES[3:]).rstrip())
    return lines
