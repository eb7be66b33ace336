"""How much better or worse models do on one set of records than on another, which shares no patient with it.

The two sets are independent samples: each is resampled by patient on its own, with draws of its own, and the interval is that of
the differences of the resamples (Efron & Tibshirani, 1993, chapter 8). It is no paired comparison, which would need the same records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.metrics import Metrics
from analysis.evaluation.statistics.bootstrap import macro_of_resamples, percentile_interval
from analysis.evaluation.tables import MACRO_COLUMNS
from ecg_tune.metrics import Array

MACRO = "macro_avg"
COLUMNS = ("Model", "Class", "Metric", "External", "Internal", "Difference", "Difference_lo", "Difference_hi", "Undefined_Resamples")


@dataclass(frozen=True)
class MeasuredSet:
    """Models measured on one set of records.

    Attributes:
        labels: (n_records, n_classes) of 0/1.
        patient_ids: (n_records,), equal for records of one patient.
        metrics: {model: mean over seeds}, at the F1 thresholds.
        resamples: {model: `mean_over_seeds`}, (n_resamples, n_classes) each, at the same thresholds.
    """

    labels: NDArray[np.generic]
    patient_ids: NDArray[np.generic]
    metrics: Mapping[str, Metrics]
    resamples: Mapping[str, Mapping[str, Array]]

    @property
    def two_sided(self) -> NDArray[np.bool_]:
        """Tell for each class whether some records have it and some don't, (n_classes,)."""
        truth = np.asarray(self.labels).astype(bool)
        return np.asarray(truth.any(axis=0) & ~truth.all(axis=0))


def difference_table(external: MeasuredSet, internal: MeasuredSet, *, class_names: Sequence[str]) -> pd.DataFrame:
    """Tabulate external minus internal, with 95 % intervals: a row for each model, class (and mean over classes) and metric.

    A class counts where both sets have records with it and without it; others get no difference, and the means leave them out on both
    sides.

    Args:
        external, internal: The same models and classes; the same number of resamples, from independent draws.
    """
    counted = external.two_sided & internal.two_sided
    rows: list[dict[str, object]] = []
    for model in external.metrics:
        for metric in MACRO_COLUMNS.values():
            sides = [_values(one, model, metric, counted, class_names) for one in (external, internal)]
            for (name, here, drawn_here), (_, there, drawn_there) in zip(*sides, strict=True):
                limits = percentile_interval(drawn_here - drawn_there)
                row: dict[str, object] = {"Model": model, "Class": name, "Metric": metric, "External": here, "Internal": there}
                row |= {"Difference": here - there if np.isfinite(drawn_here).any() else np.nan}
                rows.append(row | {"Difference_lo": limits.low, "Difference_hi": limits.high, "Undefined_Resamples": limits.n_undefined})
    facts: dict[str, object] = {"Classes_in_means": " ".join(name for name, yes in zip(class_names, counted, strict=True) if yes)}
    facts |= {"Internal_Records": len(internal.labels), "Internal_Patients": len(np.unique(internal.patient_ids))}
    return pd.DataFrame(rows, columns=COLUMNS).assign(**facts)


def _values(
    measured: MeasuredSet, model: str, metric: str, counted: NDArray[np.bool_], class_names: Sequence[str]
) -> list[tuple[str, float, Array]]:
    """List name, value and resamples of the mean over the counted classes, then of each class; NaN resamples where it is not counted."""
    metrics, drawn = measured.metrics[model], measured.resamples[model][metric]
    values = np.array([metrics[name][metric] for name in class_names])
    mean = float(values[counted].mean()) if counted.any() else float("nan")
    of_classes = np.where(counted, drawn, np.nan)
    per_class = [(name, float(values[k]), of_classes[:, k]) for k, name in enumerate(class_names)]
    return [(MACRO, mean, macro_of_resamples(drawn, defined=counted)), *per_class]
