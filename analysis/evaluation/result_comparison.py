"""Two evaluations of the same test records beside each other, with paired tests of their models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.evaluation.metrics import ECGMetrics, mean_metrics
from analysis.evaluation.plots.differences import differences_figure
from analysis.evaluation.result_files import EvaluationFiles
from analysis.evaluation.statistics.bootstrap import mean_over_seeds, patient_weights
from analysis.evaluation.statistics.paired_tests import ComparedModel, holm, paired_table
from analysis.evaluation.tables import write_table
from analysis.plots import saved
from ecg_tune.config import check_choice
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array
from ecg_tune.storage import LocalStorage

TABLE, JSON_FILE, FIGURE = "comparison", "comparison.json", "differences.png"
SIDES = ("A", "B")


@dataclass(frozen=True)
class ResultComparison:
    """Models of two evaluations, compared on the same records.

    Attributes:
        table: Of `analysis.evaluation.statistics.paired_tests.paired_table`, models named "A: CNN1D" and "B: CNN1D".
        facts: What the comparison rests on, plain data.
        note: The same in a line.
    """

    table: pd.DataFrame
    facts: dict[str, Any]
    note: str


def compare_evaluations(
    a: EvaluationFiles,
    b: EvaluationFiles,
    *,
    model_a: str | None = None,
    model_b: str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> ResultComparison:
    """Compare models of two evaluations in pairs, always A minus B.

    Without names, models that both have are compared, and the two that validation had chosen; where that gives no pair, all are.

    Args:
        model_a, model_b: A model of each; None chooses.
        n_bootstrap: Resamples of patients for the macro means.
        seed: Of the resampling.

    Raises:
        DataError: The two are not of the same records, labels or classes.
        ConfigError: An evaluation has no such model.
    """
    check_same_records(a, b)
    for files, name in ((a, model_a), (b, model_b)):
        if name is not None:
            check_choice(f"model of {files.folder}", name, files.models)
    pairs = _pairs(a, b, model_a, model_b)
    weights = patient_weights(a.patient_ids, n_resamples=n_bootstrap, seed=seed)
    left = {name: _measured(a, name, weights) for name in dict.fromkeys(pair[0] for pair in pairs)}
    right = {name: _measured(b, name, weights) for name in dict.fromkeys(pair[1] for pair in pairs)}
    parts = [
        paired_table(a.labels, a.patient_ids, {f"A: {one}": left[one], f"B: {other}": right[other]}, class_names=a.class_names)
        for one, other in pairs
    ]
    n_patients = len(np.unique(a.patient_ids))
    facts: dict[str, Any] = {
        "A": str(a.folder), "B": str(b.folder), "data_fingerprint": a.fingerprint, "split": a.split, "records": len(a.labels),
        "best": {side: {"model": files.best, "chosen_by": files.choice} for side, files in zip(SIDES, (a, b), strict=True)},
        "patients": n_patients, "classes": list(a.class_names), "synthetic": a.synthetic or b.synthetic, "bootstrap": n_bootstrap,
        "limited": a.limited or b.limited,
        "seeds": {f"{side}: {name}": len(files.models[name].seeds) for side, files, of_side in
                  zip(SIDES, (a, b), (left, right), strict=True) for name in of_side},
    }  # fmt: skip
    return ResultComparison(_adjusted(pd.concat(parts, ignore_index=True)), facts, _note(facts))


def check_same_records(a: EvaluationFiles, b: EvaluationFiles) -> None:
    """Refuse two evaluations that are not of the same records: a paired test would mean nothing.

    Raises:
        DataError: Says what differs.
    """
    where = f"{a.folder} and {b.folder} can't be compared"
    if a.class_names != b.class_names:
        raise DataError(f"{where}: their classes are {', '.join(a.class_names)[:80]} and {', '.join(b.class_names)[:80]}")
    if a.fingerprint != b.fingerprint:
        raise DataError(
            f"{where}: they are of other data ({a.fingerprint[:12]} and {b.fingerprint[:12]}): evaluate both on the same prepared data"
        )
    for name, here, there in (("records", a.ids, b.ids), ("patients", a.patient_ids, b.patient_ids), ("labels", a.labels, b.labels)):
        if here.shape != there.shape or not np.array_equal(here, there):
            raise DataError(f"{where}: their test {name} are not the same ({len(here)} and {len(there)} records)")


def write_comparison(comparison: ResultComparison, out: Path) -> None:
    """Write `comparison.csv`, `comparison.json` and the figure of the differences."""
    out.mkdir(parents=True, exist_ok=True)
    facts = comparison.facts
    told = {"Split": facts["split"], "Records": facts["records"], "Patients": facts["patients"]}
    told |= {"Data_Fingerprint": facts["data_fingerprint"], "Synthetic": facts["synthetic"], "Limited": facts["limited"]}
    write_table(comparison.table.assign(**told), out, TABLE, number_format="%.6g")
    text = json.dumps(plain(comparison), indent=1, ensure_ascii=False)
    LocalStorage(out).write(JSON_FILE, lambda file: file.write(text.encode()))
    saved(differences_figure(comparison.table, note=comparison.note), out / FIGURE)


def plain(comparison: ResultComparison) -> dict[str, Any]:
    """Write a comparison as plain data; what is not known is null."""
    rows = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in comparison.table.astype(object).to_dict("records")
    ]
    return {**comparison.facts, "differences": rows}


def choice_lines(comparison: ResultComparison) -> list[str]:
    """Say which model each evaluation had called its best, and by what; nothing where older files don't say."""
    best = comparison.facts["best"].items()
    return [f"best of {side}: {of['model']}, chosen by the {of['chosen_by']}" for side, of in best if of["model"] and of["chosen_by"]]


def _note(facts: Mapping[str, Any]) -> str:
    mark = "SYNTHETIC data, " if facts["synthetic"] else ""
    mark += f"LIMITED to {facts['limited']}, " if facts["limited"] else ""
    records = f"{facts['records']} test records of {facts['patients']} patients"
    return f"{mark}{records}, split {facts['split']}, data {facts['data_fingerprint'][:12]}"


def _pairs(a: EvaluationFiles, b: EvaluationFiles, model_a: str | None, model_b: str | None) -> list[tuple[str, str]]:
    lefts, rights = [model_a] if model_a else list(a.models), [model_b] if model_b else list(b.models)
    if model_a or model_b:
        return [(one, other) for one in lefts for other in rights]
    chosen = [(a.best, b.best)] if a.best and b.best else []
    found = list(dict.fromkeys([*chosen, *((name, name) for name in a.models if name in b.models)]))
    return found or [(one, other) for one in lefts for other in rights]


def _measured(files: EvaluationFiles, name: str, weights: Array) -> ComparedModel:
    model = files.models[name]
    values = mean_metrics(
        [ECGMetrics(files.class_names, seed.thresholds).calculate_metrics(files.labels, seed.probabilities) for seed in model.seeds]
    )
    return ComparedModel(model.seeds, model.chosen, mean_over_seeds(files.labels, model.seeds, weights), values)


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Adjust the p values over all pairs, each quantity and class on its own; order the rows by these, as the reports do."""
    for _, group in table.groupby(["Quantity", "Class"], sort=False):
        table.loc[group.index, "P_Holm"] = holm(group["P"].to_numpy(dtype=np.float64))
        table.loc[group.index, "Pairs"] = int(group["P"].notna().sum())
    return table
