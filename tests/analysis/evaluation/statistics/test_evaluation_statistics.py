"""The statistics that an evaluation writes, recomputed from its own files alone, and its edge cases. MADE-UP data."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, f1_score, recall_score, roc_auc_score

from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.result import EvaluationResult
from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, read_ledger
from ecg_tune.data.prepared.ledger import LEDGER
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.training.model_file import SavedModel, save_model
from tests.conftest import make_toy_data

pytestmark = pytest.mark.slow

Maker = Callable[..., SavedModel]


def copied(data: PreparedData, folder: Path) -> PreparedData:
    """Return a copy of the data, its test split not opened yet, whatever other tests did to the shared one."""
    return open_prepared(Path(shutil.copytree(data.folder, folder, ignore=shutil.ignore_patterns(LEDGER))))


@pytest.fixture(scope="module")
def result(toy_data: PreparedData, toy_model: Maker, tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    root = tmp_path_factory.mktemp("statistics")
    data, rows = copied(toy_data, root / "data"), []
    for name, values in (("RNNModel", (0.80, 0.82)), ("CNN1D", (0.90, 0.84))):
        seeds = [{"seed": seed, "file": f"{name}_seed{seed}.pth"} for seed in (0, 1)]
        for seed, value in enumerate(values):
            save_model(root / "models" / f"{name}_seed{seed}.pth", toy_model(data, name, seed=seed, validation=value))
        rows.append({"name": name, "seeds": seeds})
    (root / "models" / "manifest.json").write_text(json.dumps({"models": rows}))
    return evaluate(root / "models", data, root / "out", study="s", n_bootstrap=200)


def predictions(result: EvaluationResult, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities from the predictions file."""
    rows = pd.read_csv(result.out / "predictions.csv")
    return rows[[f"label_{c}" for c in CLASS_NAMES]].to_numpy(), rows[[f"{name}_seed{seed}_{c}" for c in CLASS_NAMES]].to_numpy()


def fitted(result: EvaluationResult, name: str, seed: int) -> pd.DataFrame:
    table = pd.read_csv(result.out / "12_fitted_on_validation.csv")
    return table[(table["Model"] == name) & (table["Seed"] == seed)].set_index("Class").loc[list(CLASS_NAMES)]


def test_the_tables_at_the_sensitivity_target_follow_from_predictions_and_fitted_thresholds(result: EvaluationResult) -> None:
    sensitivity = pd.read_csv(result.out / "03_per_class_sensitivity_comparison_at_sensitivity_target.csv", index_col="Model")
    f1 = pd.read_csv(result.out / "01_macro_comparison_at_sensitivity_target.csv", index_col="Model")
    for name in ("RNNModel", "CNN1D"):
        recalls, f1s = [], []
        for seed in (0, 1):
            labels, p = predictions(result, name, seed)
            guess = p >= fitted(result, name, seed)["Sensitivity_threshold"].to_numpy()
            recalls.append(recall_score(labels, guess, average=None))
            f1s.append(f1_score(labels, guess, average="macro"))
        np.testing.assert_allclose(sensitivity.loc[name, list(CLASS_NAMES)].to_numpy(dtype=float), np.mean(recalls, axis=0), atol=5.1e-5)
        assert f1.loc[name, "F1-Score"] == pytest.approx(np.mean(f1s), abs=5.1e-5)
        assert f1.loc[name, "F1-Score_lo"] <= f1.loc[name, "F1-Score"] <= f1.loc[name, "F1-Score_hi"]


def test_calibration_follows_from_predictions_and_platts_fitted_line(result: EvaluationResult) -> None:
    table = pd.read_csv(result.out / "13_calibration.csv").set_index(["Model", "Class", "Scaling"])
    for k, name in enumerate(CLASS_NAMES):
        before, after = [], []
        for seed in (0, 1):
            labels, p = predictions(result, "CNN1D", seed)
            line = fitted(result, "CNN1D", seed).loc[name]
            before.append(brier_score_loss(labels[:, k], p[:, k]))
            after.append(brier_score_loss(labels[:, k], expit(line["Platt_slope"] * logit(p[:, k]) + line["Platt_intercept"])))
        assert table.loc[("CNN1D", name, "as trained"), "Brier"] == pytest.approx(np.mean(before), rel=1e-5)
        assert table.loc[("CNN1D", name, "Platt"), "Brier"] == pytest.approx(np.mean(after), rel=1e-5)


def test_paired_comparisons_agree_with_the_other_tables_and_the_report(result: EvaluationResult) -> None:
    table = pd.read_csv(result.out / "11_paired_comparisons.csv")
    assert set(table["Model_A"] + table["Model_B"]) == {"CNN1DRNNModel", "CNN1DEnsemble", "RNNModelEnsemble"}
    macro = pd.read_csv(result.out / "01_macro_comparison.csv", index_col="Model")
    table = table[table["Model_B"] == "RNNModel"]
    auc = table[table["Quantity"] == "macro AUC-ROC"].iloc[0]
    assert auc["Difference"] == pytest.approx(macro.loc["CNN1D", "AUC-ROC"] - macro.loc["RNNModel", "AUC-ROC"], abs=1.1e-4)
    delong = table[table["Quantity"] == "AUC-ROC"].set_index("Class")
    labels = predictions(result, "CNN1D", 0)[0]
    expected = np.mean([[roc_auc_score(labels[:, k], predictions(result, "CNN1D", s)[1][:, k]) for k in range(5)] for s in (0, 1)], axis=0)
    np.testing.assert_allclose(delong["A"], expected, rtol=1e-5)
    right = table[table["Quantity"] == "right answers"].set_index("Class")
    labels, p = predictions(result, "CNN1D", 0)  # the seed with 0.90 on validation
    guess = p >= fitted(result, "CNN1D", 0)["F1_threshold"].to_numpy()
    np.testing.assert_allclose(right["A"], (guess == labels).mean(axis=0), rtol=1e-5)
    text = (result.out / "DETAILED_METRICS_REPORT.txt").read_text()
    assert f"{delong.loc['MI', 'Difference']:.4f}" in text.split("PAIRED COMPARISONS, 3 pairs")[1]


def test_every_table_of_test_numbers_says_what_it_rests_on_and_the_report_has_every_section(result: EvaluationResult) -> None:
    for name in ("11_paired_comparisons", "13_calibration", "14_decision_curves", "15_subgroups"):
        row = pd.read_csv(result.out / f"{name}.csv").iloc[0]
        facts = (row["Records"], row["Patients"], row["Data_Fingerprint"], row["Split"], row["Synthetic"])
        assert facts == (40, result.provenance.n_patients, result.provenance.fingerprint, "official", True), name
    validation = pd.read_csv(result.out / "12_fitted_on_validation.csv").iloc[0]
    assert (validation["Split"], validation["Records"]) == ("official, validation part", 48)
    text = (result.out / "DETAILED_METRICS_REPORT.txt").read_text()
    for title in ("PAIRED COMPARISONS", "CALIBRATION", "DECISION CURVES of CNN1D", "SUBGROUPS of CNN1D", "COST", "ENSEMBLE"):
        assert f"\n{title}" in text, title
    untuned = r"\(\d of 5 classes (has|have) 0\.5 instead, with fewer than 10 validation records\)"
    assert re.search(rf"At the thresholds for sensitivity >= 0\.9 on validation {untuned}, mean over seeds:", text)


def test_the_sensitivity_target_is_reached_on_validation_and_checked_before_the_test_split_is_opened(
    toy_data: PreparedData, toy_model: Maker, tmp_path: Path
) -> None:
    data = copied(toy_data, tmp_path / "data")
    save_model(tmp_path / "m" / "RNNModel_best.pth", toy_model(data, "RNNModel"))
    with pytest.raises(ConfigError, match="sensitivity target"):
        evaluate(tmp_path / "m", data, tmp_path / "out", study="s", sensitivity_target=0.0)
    assert read_ledger(data) == []


def test_a_constant_predictor_and_more_models_than_are_drawn_give_a_whole_report(
    toy_data: PreparedData, toy_model: Maker, tmp_path: Path
) -> None:
    data = copied(toy_data, tmp_path / "data")
    for i in range(11):
        save_model(tmp_path / "m" / f"RNNModel#{i}_best.pth", toy_model(data, f"RNNModel#{i}", validation=0.5 + i / 100))
    save_model(tmp_path / "m" / "CNN1D_best.pth", toy_model(data, "CNN1D", scale=0.0, validation=0.9))
    found = evaluate(tmp_path / "m", data, tmp_path / "out", study="s", n_bootstrap=20)
    assert found.best == "CNN1D"
    assert pd.read_csv(found.out / "04_per_class_auc_roc_comparison.csv", index_col="Model").loc["CNN1D"].eq(0.5).all()
    calibration = found.tables["13_calibration"].set_index(["Model", "Class", "Scaling"])
    assert calibration.xs("CNN1D")["Slope"].isna().all()
    assert calibration.xs("CNN1D")["Brier"].notna().all()
    text = (found.out / "DETAILED_METRICS_REPORT.txt").read_text()
    assert "PAIRED COMPARISONS, 66 pairs; shown are the 11 with CNN1D, all are in the CSV" in text


def test_a_test_split_of_one_patient_is_refused_and_stays_sealed(toy_model: Maker, tmp_path: Path) -> None:
    data = make_toy_data(tmp_path / "data", n_records=(96, 47, 2))
    save_model(tmp_path / "m" / "RNNModel_best.pth", toy_model(data, "RNNModel"))
    with pytest.raises(DataError, match="the test split holds 1 patient: intervals resample patients, an evaluation needs 2 or more"):
        evaluate(tmp_path / "m", data, tmp_path / "out", study="s")
    assert read_ledger(data) == []


def test_predictions_that_are_not_numbers_are_one_clear_line(
    toy_data: PreparedData, toy_model: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copied(toy_data, tmp_path / "data")
    save_model(tmp_path / "m" / "RNNModel_best.pth", toy_model(data, "RNNModel"))

    def spoiled(predictor: object, signals_uv: np.ndarray, *, device: str) -> np.ndarray:
        found = np.full((len(signals_uv), 5), 0.5)
        found[3:5, 1] = np.nan
        return found

    monkeypatch.setattr("analysis.retraining.predictions.predict_probabilities", spoiled)
    with pytest.raises(DataError, match=r"RNNModel_best\.pth predicts NaN for 2 of 48 validation records: retrain it"):
        evaluate(tmp_path / "m", data, tmp_path / "out", study="s", n_bootstrap=20)
    assert read_ledger(data) == [], "validation is predicted before the test split is opened"
