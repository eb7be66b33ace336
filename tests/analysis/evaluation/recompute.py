"""Recompute an evaluation's headline numbers from its predictions file alone, and compare them with its CSV, TXT and HTML files.

    python tests/analysis/evaluation/recompute.py RESULTS

Needs numpy, pandas, scikit-learn; nothing of this project is imported. Thresholds are read from the table of what was fitted on
validation. Prints one line a disagreement and exits with 1 if there is any.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

MACRO = ("Sensitivity", "Specificity", "Precision", "F1-Score", "Accuracy", "AUC-ROC", "AUC-PR")
PER_CLASS = {"02_per_class_f1_comparison": "F1-Score", "03_per_class_sensitivity_comparison": "Sensitivity"}
RANKS = "04_per_class_auc_roc_comparison"
HALF_A_DIGIT = 5.1e-5
N_RESAMPLES = 300


class Tables(HTMLParser):
    """Collects every table of a page: {id: rows of cell texts}; an interval under a number is a text of its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self.name, self.inside = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.name = dict(attrs).get("id") or ""
            self.found[self.name] = []
        elif tag == "tr" and self.name:
            self.found[self.name].append([])
        elif tag in ("td", "th"):
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[self.name][-1].append(data)


def class_metrics(truth: np.ndarray, p: np.ndarray, threshold: float) -> dict[str, float]:
    """Return one class' metrics by scikit-learn; AUC is NaN with one kind of record, AUC-PR without positives."""
    guess = p >= threshold
    return {
        "Sensitivity": recall_score(truth, guess, zero_division=0),
        "Specificity": recall_score(~truth, ~guess, zero_division=0),
        "Precision": precision_score(truth, guess, zero_division=0),
        "F1-Score": f1_score(truth, guess, zero_division=0),
        "Accuracy": accuracy_score(truth, guess),
        "AUC-ROC": roc_auc_score(truth, p) if truth.any() and not truth.all() else np.nan,
        "AUC-PR": average_precision_score(truth, p) if truth.any() else np.nan,
    }


def recomputed(folder: Path, column: str | None) -> dict[str, pd.DataFrame]:
    """Return {model: classes by metrics}, means over the model's files.

    Args:
        column: Of the fitted thresholds; None for 0.5.
    """
    rows, fitted = pd.read_csv(folder / "predictions.csv"), pd.read_csv(folder / "12_fitted_on_validation.csv")
    found: dict[str, list[pd.DataFrame]] = {}
    for (model, seed), group in fitted.groupby(["Model", "Seed"], sort=False):
        table = {}
        for r in group.to_dict("records"):
            truth, p = rows[f"label_{r['Class']}"].to_numpy(bool), rows[f"{model}_seed{seed}_{r['Class']}"].to_numpy()
            table[r["Class"]] = class_metrics(truth, p, 0.5 if column is None else r[column])
        found.setdefault(str(model), []).append(pd.DataFrame(table).T)
    return {model: sum(tables) / len(tables) for model, tables in found.items()}


def bootstrap_interval(folder: Path, model: str) -> tuple[float, float]:
    """Return a 95 % interval of a model's macro AUC over resamples of patients, one by one, drawn otherwise than the project's."""
    rows, fitted = pd.read_csv(folder / "predictions.csv"), pd.read_csv(folder / "12_fitted_on_validation.csv")
    seeds, classes = fitted.loc[fitted["Model"] == model, "Seed"].unique(), list(fitted["Class"].unique())
    of_patient = {patient: group.to_numpy() for patient, group in pd.Series(rows.index).groupby(rows["patient_id"])}
    patients, rng, values = list(of_patient), np.random.default_rng(12345), []
    for _ in range(N_RESAMPLES):
        drawn = rows.iloc[np.concatenate([of_patient[patients[i]] for i in rng.integers(0, len(patients), len(patients))])]
        sided = [c for c in classes if 0 < drawn[f"label_{c}"].mean() < 1]
        aucs = [[roc_auc_score(drawn[f"label_{c}"], drawn[f"{model}_seed{seed}_{c}"]) for c in sided] for seed in seeds]
        values.append(np.mean(aucs))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def differs(message: float, value: float) -> bool:
    return not (abs(message - value) <= HALF_A_DIGIT or (np.isnan(message) and np.isnan(value)))


def csv_complaints(folder: Path) -> list[str]:
    complaints = []
    for suffix, column in (("", "F1_threshold"), ("_at_0.5", None), ("_at_sensitivity_target", "Sensitivity_threshold")):
        found = recomputed(folder, column)
        macro = pd.read_csv(folder / f"01_macro_comparison{suffix}.csv", index_col="Model")
        if set(macro.index) != set(found):
            complaints.append(f"01{suffix}: models {sorted(macro.index)} in the table, {sorted(found)} in the predictions")
        for model, table in found.items():
            pairs = [(f"01{suffix} {model} {m}", macro.loc[model, m], table[m].mean()) for m in MACRO]
            names = dict(PER_CLASS) | ({RANKS: "AUC-ROC"} if suffix == "" else {})
            for name, metric in names.items():
                message = pd.read_csv(folder / f"{name}{suffix}.csv", index_col="Model").loc[model]
                pairs += [(f"{name}{suffix} {model} {c}", message[c], table.loc[c, metric]) for c in table.index]
            complaints += [
                f"{where}: {message} written, {value:.6f} recomputed" for where, message, value in pairs if differs(message, value)
            ]
    return complaints


def text_complaints(folder: Path) -> list[str]:
    text, macro = (folder / "EVALUATION_SUMMARY.txt").read_text(), pd.read_csv(folder / "01_macro_comparison.csv", index_col="Model")
    best = next(line for line in text.splitlines() if line.startswith("BEST MODEL: ")).removeprefix("BEST MODEL: ")
    detailed = pd.read_csv(folder / "05_best_model_detailed.csv", index_col="Class").loc["macro_avg"]
    complaints = []
    for metric in MACRO:
        row = macro.loc[best]
        line = f"{f'test {metric} (macro)':<26}{row[metric]:.4f} [{row[f'{metric}_lo']:.4f}, {row[f'{metric}_hi']:.4f}]"
        if line not in text:
            complaints.append(f"EVALUATION_SUMMARY.txt lacks the line {line!r}")
        if differs(detailed[metric], row[metric]):
            complaints.append(f"05 {metric}: {detailed[metric]} there, {row[metric]} in 01")
    return complaints


def page_complaints(folder: Path) -> list[str]:
    tables, complaints = Tables((folder / "report.html").read_text(encoding="utf-8")).found, []
    for suffix in ("", "_at_0.5", "_at_sensitivity_target"):
        csv = pd.read_csv(folder / f"01_macro_comparison{suffix}.csv")
        for row, shown in zip(csv.to_dict("records"), tables[f"01_macro_comparison{suffix}"][1:], strict=True):
            wanted = [row[key] for metric in MACRO for key in (metric, f"{metric}_lo", f"{metric}_hi")]
            cells = [text for cell in shown[1:] for text in cell.strip("[]").split(", ")]
            if shown[0] != row["Model"] or not all(map(agrees, cells, wanted)):
                complaints.append(f"report.html, 01{suffix}: {shown} shown, {wanted} in the CSV")
    for name in (*PER_CLASS, RANKS):
        csv = pd.read_csv(folder / f"{name}.csv")
        for row, shown in zip(csv.to_dict("records"), tables[name][1:], strict=True):
            numbers = [value for key, value in row.items() if key != "Model"]
            if row["Model"] != shown[0] or not all(map(agrees, shown[1::2], numbers)):
                complaints.append(f"report.html, {name}: {shown} shown, {row} in the CSV")
    return complaints


def agrees(shown: str, value: float) -> bool:
    """Tell whether a text is a number of the CSV (four decimals) in two to four decimals."""
    if np.isnan(value):
        return shown == "n/a"
    decimals = len(shown.partition(".")[2])
    return 2 <= decimals <= 4 and abs(float(shown) - value) <= 0.5 * 10**-decimals + (0.5e-4 if decimals < 4 else -0.4e-4)


def other_complaints(folder: Path) -> list[str]:
    """Compare the two files of predictions, and the best model's interval of macro AUC with one drawn here."""
    csv, parquet = pd.read_csv(folder / "predictions.csv"), pd.read_parquet(folder / "predictions.parquet")
    complaints = [] if csv.equals(parquet.astype(csv.dtypes)) else ["predictions.csv and predictions.parquet differ"]
    macro = pd.read_csv(folder / "01_macro_comparison.csv", index_col="Model")
    best = macro.loc[recomputed_best(folder)]
    low, high = bootstrap_interval(folder, str(best.name))
    slack = 0.25 * (high - low)
    if abs(best["AUC-ROC_lo"] - low) > slack or abs(best["AUC-ROC_hi"] - high) > slack:
        complaints.append(
            f"AUC-ROC of {best.name}: [{best['AUC-ROC_lo']}, {best['AUC-ROC_hi']}] written, [{low:.4f}, {high:.4f}] drawn here"
        )
    return complaints


def recomputed_best(folder: Path) -> str:
    lines = (folder / "EVALUATION_SUMMARY.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("BEST MODEL: ")).removeprefix("BEST MODEL: ")


def complaints(folder: Path) -> list[str]:
    """Return one line a disagreement."""
    return [*csv_complaints(folder), *text_complaints(folder), *page_complaints(folder), *other_complaints(folder)]


if __name__ == "__main__":
    found = complaints(Path(sys.argv[1]))
    print("\n".join(found) or f"{sys.argv[1]}: CSV, TXT and HTML agree with the predictions")
    sys.exit(bool(found))
