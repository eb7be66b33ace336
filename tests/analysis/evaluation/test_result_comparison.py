"""Two evaluations' folders compared: the numbers are those of the report's own tests, and others' folders are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.evaluation.result import FITTED
from analysis.evaluation.statistics.clusters import patient_index
from analysis.evaluation.statistics.delong import correlated_aucs, placements
from tests.commands import ecg_tune

CLASSES = ("NORM", "MI")
N = 80
RNG = np.random.default_rng(7)
LABELS = (RNG.random((N, 2)) < 0.4).astype(np.uint8)
SCORES = {name: np.clip(LABELS * gain + RNG.random((N, 2)) * 0.7, 0, 1) for name, gain in (("CNN1D", 0.3), ("ResNet1D", 0.1))}


def results(folder: Path, models: dict[str, list[np.ndarray]], *, facts: dict[str, Any] | None = None, ids: int = 0) -> Path:
    """Write what an evaluation leaves of its predictions: for each model one array of probabilities a seed."""
    folder.mkdir()
    columns: dict[str, Any] = {"ecg_id": np.arange(ids, ids + N), "patient_id": np.arange(N) // 2}
    columns |= {f"label_{name}": LABELS[:, k] for k, name in enumerate(CLASSES)}
    fitted, about = [], {"Split": "official", "Data_Fingerprint": "a" * 64, "Synthetic": True, **(facts or {})}
    fingerprint = about["Data_Fingerprint"]
    for model, seeds in models.items():
        for seed, values in enumerate(seeds):
            columns |= {f"{model}_seed{seed}_{name}": values[:, k] for k, name in enumerate(CLASSES)}
            fitted += [
                {"Model": model, "Seed": seed, "Class": name, "F1_threshold": 0.4, "Data_Fingerprint": fingerprint} for name in CLASSES
            ]
    table = pd.DataFrame(columns)
    table.attrs = about
    table.to_parquet(folder / "predictions.parquet", index=False)
    pd.DataFrame(fitted).to_csv(folder / f"{FITTED}.csv", index=False)
    return folder


@pytest.fixture
def a(tmp_path: Path) -> Path:
    facts = {"Best": "CNN1D", "Choice": "race of 8 trials over seeds (validation macro AUC 0.8; the search said 0.9)"}
    return results(tmp_path / "a", {"CNN1D": [SCORES["CNN1D"]], "RNNModel": [SCORES["ResNet1D"]]}, facts=facts)


@pytest.fixture
def b(tmp_path: Path) -> Path:
    return results(
        tmp_path / "b", {"ResNet1D": [SCORES["ResNet1D"], SCORES["CNN1D"]]}, facts={"Best": "ResNet1D", "Best_Seeds": {"ResNet1D": 1}}
    )


def test_the_choices_of_validation_are_compared_by_paired_tests(a, b, tmp_path):
    said = ecg_tune("compare", a, b, "--out", tmp_path / "out", "--bootstrap", 200)
    assert (said.code, said.err) == (0, "")
    assert "A: CNN1D minus B: ResNet1D" in said.out
    assert "best of A: CNN1D, chosen by the race of 8 trials over seeds (validation macro AUC 0.8; the search said 0.9)" in said.out
    assert "best of B" not in said.out, "its files don't say"
    assert "SYNTHETIC data, 80 test records of 40 patients, split official, data aaaaaaaaaaaa" in said.out
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert facts["seeds"] == {"A: CNN1D": 1, "B: ResNet1D": 2}
    table = pd.read_csv(tmp_path / "out" / "comparison.csv").set_index(["Quantity", "Class"])
    assert (tmp_path / "out" / "differences.png").read_bytes().startswith(b"\x89PNG")

    positive, index = LABELS[:, 1].astype(bool), patient_index(np.arange(N) // 2)
    seeds = [SCORES["ResNet1D"], SCORES["CNN1D"]]
    shares = [placements(positive, SCORES["CNN1D"][:, 1]), np.mean([placements(positive, one[:, 1]) for one in seeds], axis=0)]
    difference, error = correlated_aucs(positive, np.stack(shares), index).difference(0, 1)
    row = table.loc[("AUC-ROC", "MI")]
    assert row["Difference"] == pytest.approx(difference, rel=1e-5)
    assert row["Difference_hi"] == pytest.approx(difference + 1.959964 * error, rel=1e-5)
    right = table.loc[("right answers", "NORM")]  # B's best seed predicts what A predicts
    assert (right["Difference"], right["P"], right["Only_A_right"]) == (0, 1, 0)


@pytest.mark.parametrize("older", [False, True])
def test_data_of_a_quick_try_are_said_to_be_limited(older, b, tmp_path):
    limited = results(tmp_path / "limited", {"CNN1D": [SCORES["CNN1D"]]}, facts={} if older else {"Limited": "600 of 2980 records"})
    if older:  # these say it in their summary alone
        text = "*** LIMITED DATA: only 600 of 2980 records were prepared, for a quick try. ***\n"
        (limited / "EVALUATION_SUMMARY.txt").write_text(text)
    said = ecg_tune("compare", limited, b, "--out", tmp_path / "out", "--bootstrap", 100)
    assert "SYNTHETIC data, LIMITED to 600 of 2980 records, 80 test records" in said.out
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["limited"] == "600 of 2980 records"
    assert set(pd.read_csv(tmp_path / "out" / "comparison.csv")["Limited"]) == {"600 of 2980 records"}
    assert "LIMITED" not in ecg_tune("compare", b, b, "--bootstrap", 100).out


def test_models_of_one_name_are_compared_and_p_values_adjusted_over_the_pairs(a, tmp_path):
    other = results(tmp_path / "b", {"CNN1D": [SCORES["ResNet1D"]], "RNNModel": [SCORES["CNN1D"]]})
    facts = json.loads(ecg_tune("compare", a, other, "--json", "--bootstrap", 100).out)
    pairs = {(row["Model_A"], row["Model_B"]) for row in facts["differences"]}
    assert pairs == {("A: CNN1D", "B: CNN1D"), ("A: RNNModel", "B: RNNModel")}
    first, second = (row for row in facts["differences"] if (row["Quantity"], row["Class"]) == ("AUC-ROC", "MI"))
    assert first["Difference"] == pytest.approx(-second["Difference"])
    assert first["P_Holm"] == pytest.approx(min(1.0, 2 * first["P"]))
    assert first["Pairs"] == 2


def test_named_models_are_compared(a, b):
    facts = json.loads(ecg_tune("compare", a, b, "--model-a", "RNNModel", "--json", "--bootstrap", 100).out)
    assert {(row["Model_A"], row["Model_B"]) for row in facts["differences"]} == {("A: RNNModel", "B: ResNet1D")}
    said = ecg_tune("compare", a, b, "--model-b", "ResNet")
    assert said.code == 2
    assert "unknown model of" in said.err
    assert "did you mean 'ResNet1D'?" in said.err


OTHERS = {
    "they are of other data (aaaaaaaaaaaa and bbbbbbbbbbbb)": {"facts": {"Data_Fingerprint": "b" * 64}},
    "their test records are not the same (80 and 80 records)": {"ids": 1},
}


@pytest.mark.parametrize("said", OTHERS)
def test_evaluations_of_other_records_are_refused_in_one_line(a, tmp_path, said):
    other = results(tmp_path / "b", {"CNN1D": [SCORES["CNN1D"]]}, **OTHERS[said])
    done = ecg_tune("compare", a, other)
    assert done.code == 2
    assert f"can't be compared: {said}" in done.err
    assert done.err.count("\n") == 1


def test_other_classes_are_refused(a, b):
    table = pd.read_parquet(b / "predictions.parquet")
    facts = table.attrs
    table = table.rename(
        columns={"label_MI": "label_AMI", "ResNet1D_seed0_MI": "ResNet1D_seed0_AMI", "ResNet1D_seed1_MI": "ResNet1D_seed1_AMI"}
    )
    table.attrs = facts
    table.to_parquet(b / "predictions.parquet", index=False)
    fitted = b / f"{FITTED}.csv"
    fitted.write_text(fitted.read_text().replace("MI", "AMI"))
    done = ecg_tune("compare", a, b)
    assert (done.code, "their classes are NORM, MI and NORM, AMI" in done.err) == (2, True)


def damaged(folder: Path, how: str) -> None:
    path, fitted = folder / "predictions.parquet", folder / f"{FITTED}.csv"
    table = pd.read_parquet(path)
    facts = table.attrs
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif how == "text":
        path.write_text("not a table")
    elif how == "gone":
        fitted.unlink()
    elif how == "model's name":
        fitted.write_text(fitted.read_text().replace("CNN1D", "\x1b[31m"))
    elif how == "threshold beyond 1":
        fitted.write_text(fitted.read_text().replace("0.4", "5"))
    elif how == "a class without predictions":
        table = table.drop(columns="CNN1D_seed0_MI")
        table.attrs = facts
        table.to_parquet(path, index=False)
    elif how == "perhaps synthetic":
        table.attrs = {**facts, "Synthetic": "no"}
        table.to_parquet(path, index=False)
    elif how == "thresholds of other data":
        fitted.write_text(fitted.read_text().replace("a" * 64, "0" * 64))
    elif how == "thresholds of fewer trainings":
        fitted.write_text("".join(line for line in fitted.read_text().splitlines(keepends=True) if "RNNModel" not in line))
    elif how == "thresholds twice":
        fitted.write_text(fitted.read_text() + fitted.read_text().partition("\n")[2])
    elif how == "another evaluation's thresholds":
        (folder / "SHA256SUMS.txt").write_text(f"{'0' * 64}  {fitted.name}\n")
    elif how == "threshold":
        fitted.write_text(fitted.read_text().replace("0.4", "many"))
    else:
        table.loc[3, {"probability": "CNN1D_seed0_MI", "label": "label_MI"}.get(how, "ecg_id")] = 7
        table.attrs = {} if how == "no facts" else facts
        table.to_parquet(path, index=False)


THRESHOLDS = [
    "thresholds of other data",
    "thresholds of fewer trainings",
    "thresholds twice",
    "another evaluation's thresholds",
    "threshold beyond 1",
]
PREDICTIONS = ["cut", "text", "gone", "model's name", "threshold", "probability", "label", "no facts", "a class without predictions"]


@pytest.mark.parametrize("how", [*PREDICTIONS, "perhaps synthetic", *THRESHOLDS])
def test_a_damaged_folder_is_refused_in_one_line(a, b, how):
    damaged(a, how)
    done = ecg_tune("compare", a, b)
    assert done.code == 2
    assert done.err.startswith("ecg-tune: ")
    assert str(a) in done.err
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err


def test_a_folder_without_an_evaluation_is_named(a, tmp_path):
    done = ecg_tune("compare", a, tmp_path)
    assert (done.code, f"{tmp_path} holds no predictions.parquet: give a folder" in done.err) == (2, True)
