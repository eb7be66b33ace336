"""A folder of tiny untrained models on made-up signals, evaluated for real."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import analysis
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.result import EvaluationResult
from analysis.evaluation.result_comparison import compare_evaluations
from analysis.evaluation.result_files import read_evaluation
from analysis.retraining.candidates import find_candidates
from analysis.retraining.ensemble import make_ensemble
from ecg_tune.config import CLASS_NAMES, Config, TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import RECORD_FIELDS, PreparedData, Split, open_prepared, read_ledger
from ecg_tune.data.prepared.writer import write_prepared
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models import build_model, n_parameters
from ecg_tune.models.rnn import RNNConfig
from ecg_tune.training.model_file import SavedModel, describe_data, save_model

pytestmark = pytest.mark.usefixtures("all_join")

MACRO = ["Sensitivity", "Specificity", "Precision", "F1-Score", "Accuracy", "AUC-ROC", "AUC-PR"]
THRESHOLDS = [0.52, 0.5, 0.48, 0.51, 0.49]
TABLES = {"01_macro_comparison", "02_per_class_f1_comparison", "03_per_class_sensitivity_comparison"}
FIGURES = {
    "06_model_comparison_bars", "07_heatmap_f1_score", "07_heatmap_sensitivity", "07_heatmap_specificity", "07_heatmap_auc_roc",
    "08_confusion_matrices", "09_roc_curves", "10_pr_curves",
}  # fmt: skip
SCRIPTED = {
    *(f"{name}.csv" for name in TABLES), *(f"visualizations/{name}.png" for name in FIGURES), "04_per_class_auc_roc_comparison.csv",
    "05_best_model_detailed.csv", "EVALUATION_SUMMARY.txt", "DETAILED_METRICS_REPORT.txt",
}  # fmt: skip
FILES = SCRIPTED | {
    *(f"{name}{rule}.csv" for name in TABLES for rule in ("_at_0.5", "_at_sensitivity_target")), "predictions.csv", "16_cost.csv",
    "20_ensemble.csv",
    "11_paired_comparisons.csv", "12_fitted_on_validation.csv", "13_calibration.csv", "14_decision_curves.csv", "15_subgroups.csv",
    *(f"visualizations/{name}.png" for name in ("13_reliability_curves", "14_decision_curves", "15_subgroups", "17_mistakes_in_common")),
    *(f"visualizations/19_worst_record_{rank}.png" for rank in (1, 2, 3, 4)), "17_mistakes_in_common.csv", "18_statements.csv",
    "19_worst_records.csv", "21_explanations.csv", "visualizations/21_explanations_signal.png", "predictions.parquet", "report.html",
    "MODEL_CARD.md", "TRIPOD_AI.md", "TRIPOD_AI.csv", "SHA256SUMS.txt",
}  # fmt: skip


def made_up_split(name: str, n_records: int, first_id: int, absent: int | None = None) -> Split:
    rng = np.random.default_rng(first_id)
    labels = (rng.random((n_records, 5)) < 0.35).astype(np.uint8)
    labels[0], labels[1] = 1, 0
    if absent is not None:
        labels[:, absent] = 0
    ids = np.arange(first_id, first_id + n_records)
    records = {key: np.zeros(n_records) for key in RECORD_FIELDS} | {"ecg_id": ids, "patient_id": ids // 2}
    return Split(name, rng.integers(-900, 900, (n_records, 100, 3)).astype(np.int16), labels, records)


def made_up_data(folder: Path, *, leads: tuple[str, ...] = ("I", "II", "V2"), absent: int | None = None) -> PreparedData:
    parts = {name: made_up_split(name, n, first, absent) for name, n, first in (("train", 8, 0), ("validation", 8, 100), ("test", 60, 200))}
    facts = {
        "class_names": list(CLASS_NAMES), "leads": list(leads), "sampling_rate_hz": 100, "n_samples": 100, "split": "official",
        "label_rule": {"min_likelihood": 0}, "normalisation": {"kind": "global", "scale_mv": 0.5}, "synthetic": True,
        "source": {"name": "made up"}, "labels": "superclass",
    }  # fmt: skip
    write_prepared(folder, parts, facts)
    return open_prepared(folder)


def saved_model(data: PreparedData, name: str, *, seed: int = 0, validation: float = 0.8) -> SavedModel:
    torch.manual_seed(seed + len(name))
    config = TrialConfig("rnn", RNNConfig(hidden_size=4, num_layers=1, dropout=0.0), TrainingConfig())
    model = build_model(config.model, family="rnn", n_leads=3, n_channels=0, n_classes=5)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(4)  # untrained predictions would all be near 0.5
    return SavedModel(
        name, config, describe_data(data), model.state_dict(), {"half": [0.5] * 5, "f1": THRESHOLDS}, trial=1, seed=seed,
        validation_macro_auc=validation, best_epoch=1, epochs=1, seconds=1.0, n_parameters=n_parameters(model), history=[],
    )  # fmt: skip


def retrained(folder: Path, data: PreparedData) -> Path:
    """Write two trials with two seeds each; CNN1D is the better one on validation."""
    rows = []
    for name, values in (("RNNModel", (0.80, 0.82)), ("CNN1D", (0.84, 0.90))):
        seeds = []
        for seed, value in enumerate(values):
            save_model(folder / f"{name}_seed{seed}.pth", saved_model(data, name, seed=seed, validation=value))
            seeds.append({"seed": seed, "file": f"{name}_seed{seed}.pth", "validation_macro_auc": value, "epochs": 1, "seconds": 1.0})
        save_model(folder / f"{name}_best.pth", saved_model(data, name, seed=1, validation=values[1]))
        rows.append({"name": name, "trial": 1, "search_value": 0.91, "best_file": f"{name}_best.pth", "seeds": seeds})
    (folder / "manifest.json").write_text(json.dumps({"fingerprint": data.fingerprint, "study": "s", "models": rows}))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return made_up_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def result(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    folder = tmp_path_factory.mktemp("study")
    models = retrained(folder / "models", data)
    make_ensemble(models, find_candidates(models), data)
    return evaluate(models, data, folder / "results", study="my study", ledger_folder=folder, n_bootstrap=100)


@pytest.mark.slow
def test_all_files_of_the_specification_are_written(result: EvaluationResult) -> None:
    assert {str(p.relative_to(result.out)) for p in result.out.rglob("*") if p.is_file()} == FILES


@pytest.mark.slow
def test_the_files_can_be_read_again_for_a_comparison(result: EvaluationResult, data: PreparedData) -> None:
    files = read_evaluation(result.out)
    assert (files.fingerprint, files.class_names, len(files.labels), files.best) == (data.fingerprint, CLASS_NAMES, 60, "CNN1D")
    assert files.choice == "highest validation macro AUC"
    assert {name: (len(model.seeds), model.chosen) for name, model in files.models.items() if name != "Ensemble"} == {
        "RNNModel": (2, 1),
        "CNN1D": (2, 1),
    }
    comparison = compare_evaluations(files, files, model_a="CNN1D", model_b="RNNModel", n_bootstrap=100, seed=0)
    table, reported = comparison.table.set_index(["Quantity", "Class"]), result.tables["11_paired_comparisons"]
    row = reported[(reported["Model_A"] == "CNN1D") & (reported["Model_B"] == "RNNModel")].set_index(["Quantity", "Class"])
    row = row if len(row) else reported[reported["Model_B"] == "CNN1D"].set_index(["Quantity", "Class"])
    np.testing.assert_allclose(table["Difference"].abs(), row["Difference"].abs(), atol=1e-12)
    np.testing.assert_allclose(table["P"], row["P"], rtol=1e-9)


@pytest.mark.slow
def test_tables_have_exactly_the_agreed_columns(result: EvaluationResult) -> None:
    limits = [f"{column}_{end}" for column in MACRO for end in ("lo", "hi")]
    for rule in ("", "_at_0.5", "_at_sensitivity_target"):
        assert list(pd.read_csv(result.out / f"01_macro_comparison{rule}.csv").columns) == ["Model", *MACRO, *limits]
    for name in sorted(FILES):
        if name.startswith(("02", "03", "04")):
            assert list(pd.read_csv(result.out / name).columns) == ["Model", *CLASS_NAMES]


@pytest.mark.slow
def test_the_test_split_is_opened_once_and_the_ledger_is_copied_into_the_study(result: EvaluationResult, data: PreparedData) -> None:
    first = read_ledger(data)[0]
    assert (first["purpose"], first["study"]) == ("evaluate", "my study")
    copied = (result.out.parent / "test_ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["time"] for line in copied] == [first["time"]]
    assert "1 time so far, this one included (evaluate 1)" in (result.out / "EVALUATION_SUMMARY.txt").read_text()


@pytest.mark.slow
def test_tables_and_reports_agree_with_a_computation_from_the_predictions(result: EvaluationResult) -> None:
    rows = pd.read_csv(result.out / "predictions.csv")
    labels = rows[[f"label_{c}" for c in CLASS_NAMES]].to_numpy()
    table = pd.read_csv(result.out / "01_macro_comparison.csv", index_col="Model")
    per_class = pd.read_csv(result.out / "02_per_class_f1_comparison.csv", index_col="Model")
    at_half = pd.read_csv(result.out / "01_macro_comparison_at_0.5.csv", index_col="Model")
    summary = (result.out / "EVALUATION_SUMMARY.txt").read_text()
    for name in ("RNNModel", "CNN1D"):
        predictions = [rows[[f"{name}_seed{seed}_{c}" for c in CLASS_NAMES]].to_numpy() for seed in (0, 1)]
        seeds = [analysis.ECGMetrics(threshold=THRESHOLDS).calculate_metrics(labels, p) for p in predictions]
        half = [analysis.ECGMetrics().calculate_metrics(labels, p) for p in predictions]
        f1 = np.mean([seed["macro_avg"]["f1_score"] for seed in seeds])
        assert table.loc[name, "F1-Score"] == pytest.approx(f1, abs=5.1e-5)
        assert per_class.loc[name, "MI"] == pytest.approx(np.mean([seed["MI"]["f1_score"] for seed in seeds]), abs=5.1e-5)
        assert at_half.loc[name, "F1-Score"] == pytest.approx(np.mean([seed["macro_avg"]["f1_score"] for seed in half]), abs=5.1e-5)
        row = next(line for line in summary.splitlines() if line.startswith(name) and "seeds" in line)
        assert f"{table.loc[name, 'F1-Score']:.4f} [{table.loc[name, 'F1-Score_lo']:.4f}, {table.loc[name, 'F1-Score_hi']:.4f}]" in row
        assert f"{table.loc[name, 'AUC-ROC']:.4f}" in row
    best = pd.read_csv(result.out / "05_best_model_detailed.csv", index_col="Class")
    assert best.loc["macro_avg", "F1-Score"] == table.loc["CNN1D", "F1-Score"]
    assert best.loc["MI", "F1-Score"] == per_class.loc["CNN1D", "MI"]


@pytest.mark.slow
def test_the_ensemble_beside_the_models_gives_the_probabilities_of_the_evaluations_predictions(
    result: EvaluationResult, data: PreparedData
) -> None:
    rows, models = pd.read_csv(result.out / "predictions.csv"), result.out.parent / "models"
    config = Config(data_dir=data.folder, save_dir=models, device="cpu")
    model, model_type = analysis.load_model("Ensemble", models / "Ensemble_best.json", config)
    loader = analysis.get_test_loader(model_type, config)
    found = analysis.evaluate_model(model, loader, model_type, analysis.ECGMetrics(threshold=model.thresholds["f1"]), config.DEVICE)
    expected = rows[[f"Ensemble_seed0_{c}" for c in CLASS_NAMES]].to_numpy()
    np.testing.assert_allclose(found.probabilities, expected, rtol=0, atol=1e-6)
    fitted = result.tables["12_fitted_on_validation"].set_index(["Model", "Seed"]).loc[("Ensemble", 0)]
    np.testing.assert_array_equal(found.thresholds, fitted["F1_threshold"])
    np.testing.assert_array_equal(model.platt, fitted[["Platt_slope", "Platt_intercept"]])


@pytest.mark.slow
def test_an_evaluation_without_a_fitting_ensemble_joins_the_models_itself_and_writes_no_model(
    result: EvaluationResult, data: PreparedData, tmp_path: Path
) -> None:
    models, lines = retrained(tmp_path / "models", data), []
    (models / "Ensemble_best.json").write_text("[]")
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    found = evaluate(models, data, tmp_path / "out", study="s", n_bootstrap=100, progress=lines.append)
    after = {path.name: path.read_bytes() for path in models.iterdir()}
    assert after.pop("test_predictions.parquet"), "predictions for external validations, which no model is"
    assert after == before
    (line,) = [line for line in lines if "Ensemble, chosen on validation: " in line]
    assert "for this report only: " in line
    assert "run `ecg-tune retrain` again" in line
    for name in ("20_ensemble", "12_fitted_on_validation"):
        pd.testing.assert_frame_equal(found.tables[name], result.tables[name])
    for name in ("01_macro_comparison.csv", "predictions.csv"):
        assert (found.out / name).read_bytes() == (result.out / name).read_bytes(), name


@pytest.mark.slow
def test_the_best_model_is_the_best_on_validation_even_when_the_test_split_disagrees(data: PreparedData, tmp_path: Path) -> None:
    names = ("RNNModel", "CNN1D", "ResNet1D")
    for name in names:
        save_model(tmp_path / f"{name}_best.pth", saved_model(data, name))
    config = Config(data_dir=data.folder, save_dir=tmp_path, device="cpu")
    scores = {n: m["macro_avg"]["auc_roc"] for n, m in analysis.evaluate_all_models(config, analysis.ECGMetrics()).items()}
    worst, top = min(scores, key=scores.__getitem__), max(scores, key=scores.__getitem__)
    save_model(tmp_path / f"{worst}_best.pth", saved_model(data, worst, validation=0.9))
    again = evaluate(tmp_path, data, tmp_path / "b", study="s", n_bootstrap=5)
    assert again.best == worst
    summary = (tmp_path / "b" / "EVALUATION_SUMMARY.txt").read_text()
    assert f"BEST MODEL: {worst}\n" in summary
    detailed = (tmp_path / "b" / "DETAILED_METRICS_REPORT.txt").read_text()
    assert "NORM 0.52, MI 0.5 (not tuned), STTC 0.48" in detailed
    assert top in next(line for line in summary.splitlines() if "had a higher macro AUC" in line)


@pytest.mark.slow
def test_the_reports_say_what_the_numbers_rest_on(result: EvaluationResult, data: PreparedData) -> None:
    for name in ("EVALUATION_SUMMARY.txt", "DETAILED_METRICS_REPORT.txt"):
        text = " ".join((result.out / name).read_text().split())
        facts = ["SYNTHETIC DATA", "official", "60 records of 30 patients", data.fingerprint, "leads I, II, V2 at 100 Hz"]
        facts += [
            "min_likelihood 0",
            "0.5 where fewer than 10 validation records have the class. Here: NORM, MI, STTC",
        ]  # most the ensemble's
        facts += [
            "100 resamples (fewer than 1000: too few to publish), seed 0",
            "highest F1 on the validation split",
            "yields no AUC",
        ]
        for fact in facts:
            assert fact in text, (name, fact)
    summary = (result.out / "EVALUATION_SUMMARY.txt").read_text()
    for fact in ("ECG CLASSIFICATION - MODEL EVALUATION REPORT", "Evaluation Date:", "Number of Models Evaluated: 2",
                 "Class Names:                NORM, MI, STTC, CD, HYP", "BEST MODEL: CNN1D", "(gap +0.0400)"):  # fmt: skip
        assert fact in summary


@pytest.mark.slow
def test_one_model_and_a_class_without_positives_are_reported_too(tmp_path: Path) -> None:
    data = made_up_data(tmp_path / "data", absent=4)
    save_model(tmp_path / "models" / "RNNModel_best.pth", saved_model(data, "RNNModel"))
    found = evaluate(tmp_path / "models", data, tmp_path / "out", study="s", n_bootstrap=20)
    of_several = {"20_ensemble.csv", *(name for name in FILES if "07_heatmap" in name)}
    assert {str(p.relative_to(found.out)) for p in found.out.rglob("*") if p.is_file()} == FILES - of_several
    assert pd.read_csv(found.out / "04_per_class_auc_roc_comparison.csv")["HYP"].isna().all()
    assert "Here: HYP" in (found.out / "EVALUATION_SUMMARY.txt").read_text()
    best = pd.read_csv(found.out / "05_best_model_detailed.csv", index_col="Class")
    assert best.loc["NORM", "TP"] == found.metrics["RNNModel"]["NORM"]["tp"]


def test_models_of_other_data_are_refused_before_the_test_split_is_opened(tmp_path: Path, data: PreparedData) -> None:
    ours = made_up_data(tmp_path / "ours", absent=0)
    save_model(tmp_path / "RNNModel_best.pth", saved_model(data, "RNNModel"))
    with pytest.raises(DataError, match=rf"fingerprint {data.fingerprint[:16]}…, but .* has {ours.fingerprint[:16]}…"):
        evaluate(tmp_path, ours, tmp_path / "out", study="s")
    other = made_up_data(tmp_path / "leads", leads=("I", "II", "V5"))
    with pytest.raises(DataError, match=r"leads \['I', 'II', 'V2'\], but .* has \['I', 'II', 'V5'\]"):
        evaluate(tmp_path, other, tmp_path / "out", study="s")
    assert read_ledger(ours) == read_ledger(other) == []


def test_a_model_that_does_not_run_is_found_before_the_test_split_is_opened(tmp_path: Path) -> None:
    data = made_up_data(tmp_path / "data")
    whole = saved_model(data, "RNNModel")
    for key, state, message in (
        (
            "cut",
            dict(list(whole.state.items())[1:]),
            "(does not run|does not hold what a model of its kind needs) .*: (retrain it|train it again)",
        ),
        ("nan", {k: v * float("nan") for k, v in whole.state.items()}, "not finite: retrain it"),
    ):
        save_model(tmp_path / key / "RNNModel_best.pth", dataclasses.replace(whole, state=state))
        with pytest.raises(DataError, match=message):
            evaluate(tmp_path / key, data, tmp_path / "out", study="s")
    save_model(tmp_path / "RNNModel_best.pth", whole)
    with pytest.raises(ConfigError, match="device 'abacus' can't be used"):
        evaluate(tmp_path, data, tmp_path / "out", study="s", device="abacus")
    assert read_ledger(data) == []


def test_a_folder_without_models_or_with_a_bad_manifest_is_refused(tmp_path: Path, data: PreparedData) -> None:
    with pytest.raises(DataError, match="holds no model"):
        evaluate(tmp_path, data, tmp_path / "out", study="s")
    with pytest.raises(DataError, match="is not a folder of models"):
        evaluate(tmp_path / "nothing", data, tmp_path / "out", study="s")
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="not a manifest of retrained models"):
        evaluate(tmp_path, data, tmp_path / "out", study="s")


@pytest.mark.slow
def test_a_whole_evaluation_can_be_scripted(tmp_path: Path) -> None:
    data = made_up_data(tmp_path / "data")
    for name, value in (("RNNModel", 0.7), ("CNN1D", 0.9)):
        save_model(tmp_path / "models" / f"{name}_best.pth", saved_model(data, name, validation=value))
    config = Config(data_dir=tmp_path / "data", save_dir=tmp_path / "models", device="cpu")
    metrics = analysis.ECGMetrics(class_names=config.CLASS_NAMES, threshold=0.5)
    model, model_type = analysis.load_model("RNNModel", config.SAVE_DIR / "RNNModel_best.pth", config)
    loader = analysis.get_test_loader(model_type, config)
    signal, labels = next(iter(loader))
    assert (signal.shape, labels.shape, len(loader)) == ((32, 100, 3), (32, 5), 2)
    one = analysis.evaluate_model(model, loader, model_type, metrics, config.DEVICE)
    assert set(one) == {"macro_avg", "micro_avg", "weighted_avg", "samples_avg", *CLASS_NAMES}
    results = analysis.evaluate_all_models(config, metrics)
    assert results["RNNModel"] == one
    assert len(read_ledger(data)) == 2
    out, best = tmp_path / "out", analysis.best_model(results)
    assert best == "CNN1D"
    assert list(analysis.generate_macro_table(results, out).columns) == ["Model", *MACRO]
    analysis.generate_per_class_tables(results, out)
    analysis.generate_best_model_table(results, best, out)
    analysis.generate_visualizations(results, out, best=best)
    analysis.generate_best_model_analysis(results, best, config, out)
    summary = analysis.save_summary_report(results, best, config, out).read_text()
    assert "BEST MODEL: CNN1D" in summary
    assert "2 times so far, this one included (evaluate 2)" in summary
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == SCRIPTED
    with pytest.raises(DataError, match="holds the model 'RNNModel', but 'CNN1D' was asked for"):
        analysis.load_model("CNN1D", config.SAVE_DIR / "RNNModel_best.pth", config)
    with pytest.raises(ConfigError, match="unknown model type 'signals': did you mean 'signal'"):
        analysis.get_test_loader("signals", config)
