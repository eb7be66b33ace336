"""The evaluation's CSV tables. Every number has four decimals; an undefined one is an empty cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.metrics import AVERAGES, COUNTS, Metrics
from analysis.evaluation.provenance import Provenance
from analysis.evaluation.statistics.bootstrap import Interval
from ecg_tune.config import check_choice
from ecg_tune.metrics import Array

MACRO_COLUMNS = {
    "Sensitivity": "sensitivity",
    "Specificity": "specificity",
    "Precision": "precision",
    "F1-Score": "f1_score",
    "Accuracy": "accuracy",
    "AUC-ROC": "auc_roc",
    "AUC-PR": "auc_pr",
}
DETAIL_COLUMNS = {
    "Sensitivity": "sensitivity",
    "Specificity": "specificity",
    "Precision": "precision",
    "NPV": "npv",
    "F1-Score": "f1_score",
    "Accuracy": "accuracy",
    "AUC-ROC": "auc_roc",
    "AUC-PR": "auc_pr",
}
MACRO_FILE = "01_macro_comparison"
PER_CLASS_FILES = {
    "f1_score": "02_per_class_f1_comparison",
    "sensitivity": "03_per_class_sensitivity_comparison",
    "auc_roc": "04_per_class_auc_roc_comparison",
}
THRESHOLDED = ("f1_score", "sensitivity")  # the ranks of 04 are the same at every threshold
BEST_FILE = "05_best_model_detailed"
PREDICTIONS = "predictions.parquet"
UNKNOWN = "unknown"

Results = Mapping[str, Metrics]
Intervals = Mapping[str, Mapping[str, Mapping[str, Interval]]]


def generate_macro_table(
    results: Results, output_dir: Path | str | None = None, *, intervals: Intervals | None = None, suffix: str = ""
) -> pd.DataFrame:
    """Tabulate the macro means, one row a model, then their 95 % limits when `intervals` are given.

    Args:
        results: {model: metrics of `ECGMetrics.calculate_metrics`}.
        output_dir: Where `01_macro_comparison<suffix>.csv` is written; None writes nothing.
        intervals: {model: {"macro_avg": {metric: Interval}}}.
    """
    rows = []
    for name, metrics in results.items():
        row: dict[str, str | float] = {"Model": name}
        row |= {column: metrics["macro_avg"][metric] for column, metric in MACRO_COLUMNS.items()}
        if intervals is not None:
            for column, metric in MACRO_COLUMNS.items():
                limits = intervals[name]["macro_avg"][metric]
                row |= {f"{column}_lo": limits.low, f"{column}_hi": limits.high}
        rows.append(row)
    return write_table(pd.DataFrame(rows), output_dir, f"{MACRO_FILE}{suffix}")


def generate_per_class_tables(
    results: Results,
    output_dir: Path | str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    metrics: Sequence[str] = tuple(PER_CLASS_FILES),
    suffix: str = "",
) -> dict[str, pd.DataFrame]:
    """Make the tables 02 to 04, for F1, sensitivity and AUC-ROC: {metric: one row a model, one column a class}.

    Args:
        class_names: Columns; None for the classes of the results.
    """
    return {
        metric: write_table(per_class_table(results, metric, class_names=class_names), output_dir, f"{PER_CLASS_FILES[metric]}{suffix}")
        for metric in metrics
    }


def per_class_table(results: Results, metric: str, *, class_names: Sequence[str] | None = None) -> pd.DataFrame:
    """Tabulate one metric for each class: one row a model, `Model` and one column a class; of all classes of the results for None."""
    columns = classes_of(results) if class_names is None else class_names
    rows = [{"Model": name, **{c: metrics[c][metric] for c in columns}} for name, metrics in results.items()]
    return pd.DataFrame(rows, columns=["Model", *columns])


def classes_of(results: Results) -> list[str]:
    """List the classes of metrics, in their order.

    Args:
        results: {model: metrics of `ECGMetrics.calculate_metrics`}, all of the same classes.
    """
    return [row for row in next(iter(results.values()), {}) if row not in AVERAGES]


def generate_best_model_table(
    results: Results,
    best: str,
    output_dir: Path | str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    intervals: Intervals | None = None,
) -> pd.DataFrame:
    """Tabulate all metrics of the best model: a row a class, then the four averages; limits last when `intervals` are given.

    Counts of a trial with several seeds are means over them.

    Args:
        best: The model, one of `results`.
        class_names: Rows; None for the classes of the results.
    """
    check_choice("model", best, list(results))
    rows = []
    for name in (*(classes_of(results) if class_names is None else class_names), *AVERAGES):
        metrics = results[best][name]
        row: dict[str, str | float] = {"Class": name}
        row |= {column: metrics[metric] for column, metric in DETAIL_COLUMNS.items()}
        row |= {metric.upper() if metric != "support" else "Support": metrics.get(metric, float("nan")) for metric in COUNTS}
        for column, metric in DETAIL_COLUMNS.items() if intervals is not None else ():
            limits = (intervals or {})[best].get(name, {}).get(metric)
            row |= {f"{column}_lo": limits.low if limits else np.nan, f"{column}_hi": limits.high if limits else np.nan}
        rows.append(row)
    table = pd.DataFrame(rows)
    for column in ("TP", "FP", "FN", "TN", "Support"):
        if (table[column].dropna() % 1 == 0).all():
            table[column] = table[column].astype("Int64")
    return write_table(table, output_dir, BEST_FILE)


def predictions_table(
    labels: NDArray[Any], records: Mapping[str, NDArray[Any]], probabilities: Mapping[str, Array], *, class_names: Sequence[str]
) -> pd.DataFrame:
    """Tabulate ids, labels and all probabilities in full precision, one row a record.

    Args:
        labels: (n_records, n_classes) of 0/1.
        records: "ecg_id" and "patient_id", (n_records,) each.
        probabilities: {model and seed, e.g. "RNNModel_seed0": (n_records, n_classes)}; columns are `<model>_seed<n>_<class>`.
    """
    columns: dict[str, NDArray[Any]] = {"ecg_id": records["ecg_id"], "patient_id": records["patient_id"]}
    columns |= {f"label_{name}": labels[:, k] for k, name in enumerate(class_names)}
    for model, values in probabilities.items():
        columns |= {f"{model}_{name}": values[:, k] for k, name in enumerate(class_names)}
    return pd.DataFrame(columns)


def write_predictions(
    table: pd.DataFrame, provenance: Provenance, folder: Path, *, best: str, choice: str, best_seeds: Mapping[str, int]
) -> None:
    """Write `predictions.csv` and the same as `predictions.parquet`, whose metadata (`DataFrame.attrs`) say what it rests on.

    Args:
        best: The model that validation chose.
        choice: By what.
        best_seeds: {model: the seed with the best validation macro AUC}.
    """
    table.to_csv(folder / "predictions.csv", index=False, lineterminator="\n")
    noted = table.copy()
    noted.attrs = {**_facts(provenance), "Limited": provenance.limited, "Best": best, "Choice": choice, "Best_Seeds": dict(best_seeds)}
    noted.to_parquet(folder / PREDICTIONS, engine="pyarrow", index=False)


def with_provenance(table: pd.DataFrame, provenance: Provenance) -> pd.DataFrame:
    """Append columns that say where the numbers come from: split, records, patients, data, whether synthetic."""
    facts = {key: value for key, value in _facts(provenance).items() if key not in table}
    return patients_as_known(table.assign(**facts), provenance)


def patients_as_known(table: pd.DataFrame, provenance: Provenance) -> pd.DataFrame:
    """Call the numbers of patients unknown where each record counts as one."""
    return table if provenance.patients_known or "Patients" not in table else table.assign(Patients=UNKNOWN)


def _facts(provenance: Provenance) -> dict[str, str | int | bool]:
    return {
        "Split": provenance.split_scheme,
        "Records": provenance.n_records,
        "Patients": provenance.n_patients if provenance.patients_known else UNKNOWN,
        "Data_Fingerprint": provenance.fingerprint,
        "Synthetic": provenance.synthetic,
    }


def write_table(table: pd.DataFrame, folder: Path | str | None, name: str, *, number_format: str | None = "%.4f") -> pd.DataFrame:
    """Write `<folder>/<name>.csv` unless `folder` is None, and return the table. No number format keeps every digit."""
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        table.to_csv(Path(folder) / f"{name}.csv", index=False, float_format=number_format, lineterminator="\n")
    return table
