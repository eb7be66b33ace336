"""Subgroups of MADE-UP records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analysis.evaluation.report.subgroup_text import subgroup_figure, subgroup_lines
from analysis.evaluation.statistics.bootstrap import patient_weights, percentile_interval, weighted_ranks
from analysis.evaluation.statistics.subgroups import subgroup_table, subgroups
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.data.ptbxl.quality import FLAGS

NAMES = ("MI", "HYP")


def made_up(n_records: int = 200) -> tuple[Split, np.ndarray]:
    """Return a split and a model's probabilities; HYP is rare among women, device C has few records."""
    rng = np.random.default_rng(0)
    sex = np.arange(n_records) % 2
    labels = (rng.random((n_records, 2)) < np.where(sex[:, None] == 1, [0.4, 0.04], [0.4, 0.5])).astype(np.uint8)
    records: dict[str, Any] = {
        "patient_id": np.arange(n_records) // 2,
        "sex": sex,
        "age": rng.choice([30.0, 40.0, 90.0, np.nan], n_records),
    }
    records |= {"device": np.where(np.arange(n_records) < 15, "C", "A"), "site": np.zeros(n_records, np.int64)}
    records["flags"] = np.where(rng.random(n_records) < 0.3, FLAGS["static_noise"] | FLAGS["extra_beats"], 0)
    probabilities = np.clip(0.3 * labels + 0.7 * rng.random((n_records, 2)), 0, 1)
    return Split("test", np.zeros((n_records, 1, 1), np.int16), labels, records), probabilities


def table_of(split: Split, seeds: list[np.ndarray], n_resamples: int = 100):
    weights = patient_weights(split.records["patient_id"], n_resamples=n_resamples)
    return subgroup_table(split, seeds, weights, class_names=NAMES)


def test_groups_partition_the_records_but_for_quality_which_may_overlap() -> None:
    split, _ = made_up()
    found = subgroups(split.records)
    for attribute in ("sex", "age (years)", "device", "site"):
        assert (np.sum(list(found[attribute].values()), axis=0) == 1).all(), attribute
    assert list(found["age (years)"]) == ["under 40", "40 to 59", "80 and over", "unknown"]
    assert (found["quality"]["static noise"] & found["quality"]["extra beats"]).any()
    assert (found["quality"]["no flag"] == (split.records["flags"] == 0)).all()
    assert "pacemaker" not in found["quality"]


def test_a_groups_auc_is_that_of_its_records_with_the_interval_of_the_same_resamples() -> None:
    split, p = made_up()
    table = table_of(split, [p, p**2 + 0.01]).set_index(["Group", "Class"])
    member = split.records["sex"] == 0
    row = table.loc[("male", "MI")]
    assert row["AUC"] == pytest.approx(roc_auc_score(split.labels[member, 0], p[member, 0]))
    weights = patient_weights(split.records["patient_id"], n_resamples=100)[member]
    limits = percentile_interval(weighted_ranks(split.labels[member, 0], p[member, 0], weights)[0])
    assert (row["AUC_lo"], row["AUC_hi"]) == (pytest.approx(limits.low), pytest.approx(limits.high))
    assert (row["Records"], row["Patients"], row["Positives"]) == (100, 100, split.labels[member, 0].sum())
    assert table.loc[("male", "macro_avg"), "AUC"] == pytest.approx(np.mean([table.loc[("male", name), "AUC"] for name in NAMES]))


def test_small_cells_are_suppressed_and_the_macro_mean_is_compared_on_its_own_classes() -> None:
    split, p = made_up()
    table = table_of(split, [p])
    cells = table.set_index(["Group", "Class"])
    hyp = cells.loc[("female", "HYP")]
    assert np.isnan(hyp["AUC"])
    assert hyp["Suppressed"] == "under 10 positives"
    macro = cells.loc[("female", "macro_avg")]
    assert (macro["Classes"], macro["AUC"]) == ("MI", cells.loc[("female", "MI"), "AUC"])
    assert macro["AUC_of_all"] == pytest.approx(roc_auc_score(split.labels[:, 0], p[:, 0]))
    small = cells.loc[("1 group under 20 records", "macro_avg")]
    assert (small["Records"], small["Suppressed"]) == (15, "under 20 records")
    assert "C" not in set(table["Group"])
    text = "\n".join(subgroup_lines(table, model="A"))
    assert "suppressed: female (100 records): HYP under 10 positives" in text
    assert "suppressed: 1 group under 20 records (15 records)" in text
    assert f"{macro['AUC']:.4f} [{macro['AUC_lo']:.4f}, {macro['AUC_hi']:.4f}]" in text


def test_the_forest_plot_has_one_row_a_group_with_a_macro_auc() -> None:
    split, p = made_up()
    table = table_of(split, [p])
    shown = table[(table["Class"] == "macro_avg") & table["AUC"].notna()]
    axes = subgroup_figure(table, model="A", note="MADE UP.").axes[0]
    assert len(axes.get_yticks()) == len(shown)
    assert any("n = 100, MI" in text.get_text() for text in axes.texts)


def test_a_part_too_small_for_any_group_is_said_to_be_so() -> None:
    split, p = made_up(16)
    table = table_of(split, [p], 20)
    assert table["AUC"].isna().all()
    assert set(table["Suppressed"]) <= {"no class shown", "under 20 records", "under 10 positives", "under 10 negatives"}
    assert "no class shown" in "\n".join(subgroup_lines(table, model="A"))
    assert len(subgroup_figure(table, model="A").axes[0].get_yticks()) == 0
