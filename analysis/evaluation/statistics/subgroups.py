"""The chosen model by sex, age, device, site and signal quality: AUC where a group is large enough to say anything.

A class' AUC is shown for a group with `LEAST_RECORDS` records or more, `LEAST_LABELS` of them positive and as many negative.
The macro AUC of a group is the mean over the classes it shows; beside it is the same classes' mean over all records,
since classes differ in difficulty. Groups with fewer records are put together in one line, without a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.statistics.bootstrap import percentile_interval, weighted_ranks
from analysis.evaluation.statistics.ranks import auc_roc
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.data.ptbxl.quality import FLAGS, has_flag
from ecg_tune.metrics import Array

LEAST_RECORDS, LEAST_LABELS = 20, 10
SEXES = {0: "male", 1: "female", -1: "unknown"}
AGE_EDGES = (40, 60, 80)
AGE_BANDS = ("under 40", "40 to 59", "60 to 79", "80 and over")
SEPARATOR = "; "
"""Between the names of classes, which may hold spaces."""
COLUMNS = (
    *("Attribute", "Group", "Class", "Records", "Patients", "Positives", "AUC", "AUC_lo", "AUC_hi", "AUC_of_all"),
    *("Classes", "Suppressed", "Undefined_Resamples"),
)
Groups = Mapping[str, NDArray[np.bool_]]


def subgroups(records: Mapping[str, NDArray[np.generic]]) -> dict[str, Groups]:
    """Group the records by attribute: {attribute: {group: (n_records,) membership}}. Groups of "quality" overlap, all others don't.

    Args:
        records: `Split.records`.
    """
    sex, age = np.asarray(records["sex"]), np.asarray(records["age"], dtype=np.float64)
    band = np.array([*AGE_BANDS, "unknown"])[np.where(np.isnan(age), len(AGE_BANDS), np.digitize(age, AGE_EDGES))]
    flags = np.asarray(records["flags"]).astype(np.int64)
    quality = {"no flag": flags == 0} | {name.replace("_", " "): has_flag(flags, name) for name in FLAGS}
    return {
        "sex": {name: sex == code for code, name in SEXES.items() if (sex == code).any()},
        "age (years)": {name: band == name for name in (*AGE_BANDS, "unknown") if (band == name).any()},
        "device": _by_value(records["device"]),
        "site": _by_value(records["site"]),
        "quality": {name: member for name, member in quality.items() if member.any()},
    }


def subgroup_table(test: Split, seeds: Sequence[Array], weights: Array, *, class_names: Sequence[str]) -> pd.DataFrame:
    """Compute AUCs with intervals, one row a group and class, macro first; suppressed numbers are NaN and `Suppressed` says why.

    Args:
        seeds: (n_records, n_classes) probabilities of the model, one array a seed.
        weights: (n_records, n_resamples) of `analysis.evaluation.statistics.bootstrap.patient_weights`.
    """
    all_records: NDArray[np.bool_] = np.full(len(test), True)
    rows = _group_rows("all", "all records", all_records, test, seeds, weights, class_names=class_names)
    overall = {str(row["Class"]): float(str(row["AUC"])) for row in rows}
    for attribute, groups in subgroups(test.records).items():
        large = {name: member for name, member in groups.items() if member.sum() >= LEAST_RECORDS}
        for name, member in large.items():
            rows += _group_rows(attribute, name, member, test, seeds, weights, class_names=class_names)
        if small := [member for name, member in groups.items() if name not in large]:
            name = f"{len(small)} group{'s' if len(small) > 1 else ''} under {LEAST_RECORDS} records"
            rows.append(_suppressed(_head(attribute, name, np.any(small, axis=0), test), "macro_avg", f"under {LEAST_RECORDS} records"))
    for row in rows:
        shown = [overall[name] for name in str(row["Classes"]).split(SEPARATOR) if name]
        row["AUC_of_all"] = np.mean(shown) if shown else np.nan
    return pd.DataFrame(rows, columns=COLUMNS)


def _group_rows(
    attribute: str,
    group: str,
    member: NDArray[np.bool_],
    test: Split,
    seeds: Sequence[Array],
    weights: Array,
    *,
    class_names: Sequence[str],
) -> list[dict[str, object]]:
    truth, head = test.labels[member].astype(bool), _head(attribute, group, member, test)
    rows, points, resamples = [], {}, {}
    for k, name in enumerate(class_names):
        n_positive = int(truth[:, k].sum())
        if min(n_positive, len(truth) - n_positive) < LEAST_LABELS:
            reason = f"under {LEAST_LABELS} {'positives' if n_positive < LEAST_LABELS else 'negatives'}"
            rows.append(_suppressed(head, name, reason))
            continue
        points[name] = float(np.mean([auc_roc(truth[:, k], p[member, k]) for p in seeds]))
        resamples[name] = np.mean([weighted_ranks(truth[:, k], p[member, k], weights[member])[0] for p in seeds], axis=0)
        rows.append(_shown(head, name, [name], points[name], resamples[name]) | {"Positives": n_positive})
    if not points:
        return [_suppressed(head, "macro_avg", "no class shown"), *rows]
    macro = _shown(head, "macro_avg", list(points), float(np.mean(list(points.values()))), np.mean(list(resamples.values()), axis=0))
    return [macro, *rows]


def _head(attribute: str, group: str, member: NDArray[np.bool_], test: Split) -> dict[str, object]:
    n_patients = np.unique(np.asarray(test.records["patient_id"])[member]).size
    return {"Attribute": attribute, "Group": group, "Records": int(member.sum()), "Patients": n_patients}


def _shown(head: Mapping[str, object], class_name: str, classes: Sequence[str], value: float, resamples: Array) -> dict[str, object]:
    limits = percentile_interval(resamples)
    numbers = {"AUC": value, "AUC_lo": limits.low, "AUC_hi": limits.high, "Undefined_Resamples": limits.n_undefined}
    return {**head, "Class": class_name, "Positives": None, **numbers, "Classes": SEPARATOR.join(classes), "Suppressed": ""}


def _suppressed(head: Mapping[str, object], class_name: str, reason: str) -> dict[str, object]:
    return {**head, "Class": class_name, "Positives": None, "AUC": np.nan, "Classes": "", "Suppressed": reason}


def _by_value(values: NDArray[np.generic]) -> dict[str, NDArray[np.bool_]]:
    names = np.array([f"{value:g}" if isinstance(value, float) else str(value) for value in np.asarray(values).tolist()])
    return {str(name): names == name for name in np.unique(names)}
