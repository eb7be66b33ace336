"""The ensemble's files: loaded, they predict what the evaluation predicted; they refuse members that have changed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.evaluation.ensemble_table import ensemble_predictions
from analysis.evaluation.predictions import ModelPredictions, predict
from analysis.retraining.candidates import find_candidates
from analysis.retraining.ensemble import choose_ensemble, make_ensemble
from analysis.retraining.ensemble_file import (
    ENSEMBLE,
    ENSEMBLE_FILE,
    Member,
    SavedEnsemble,
    file_digest,
    load_ensemble,
    read_ensemble,
    write_ensemble,
)
from analysis.retraining.platt import platt_scaled
from analysis.retraining.predictions import predict_validation
from ecg_tune.config import Config, ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, read_ledger
from ecg_tune.errors import DataError
from ecg_tune.models import build_model
from ecg_tune.models.alexnet import AlexNetConfig
from ecg_tune.training.model_file import SavedModel, save_model
from ecg_tune.training.predictor import predict_probabilities
from tests.conftest import make_toy_data

pytestmark = pytest.mark.usefixtures("all_join")

Maker = Callable[..., SavedModel]


@dataclasses.dataclass
class Kept:
    """Two signal models with two seeds each, and an ensemble of these trainings, chosen on validation and written beside them."""

    config: Config
    data: PreparedData
    predictions: ModelPredictions
    ensemble: SavedEnsemble


@pytest.fixture
def kept(toy_model: Maker, tmp_path: Path) -> Kept:
    data, models = make_toy_data(tmp_path / "data", n_records=(8, 24, 24)), tmp_path / "models"
    rows = []
    for name, values in (("RNNModel", (0.80, 0.82)), ("CNN1D", (0.90, 0.84))):
        for seed, value in enumerate(values):
            save_model(models / f"{name}_seed{seed}.pth", toy_model(data, name, seed=seed, validation=value))
        save_model(models / f"{name}_best.pth", toy_model(data, name, seed=1, validation=values[1]))
        rows.append({"name": name, "seeds": [{"seed": seed, "file": f"{name}_seed{seed}.pth"} for seed in (0, 1)]})
    (models / "manifest.json").write_text(json.dumps({"models": rows}))
    candidates = find_candidates(models)
    validation = data.validation
    probabilities = {one.name: predict_validation(one, validation, device="cpu") for one in candidates}
    predictions = {
        one.name: predict(one, validation, probabilities[one.name], validation, sensitivity_target=0.9, device="cpu") for one in candidates
    }
    ensemble = choose_ensemble(candidates, probabilities, validation.labels, sensitivity_target=0.9)
    assert ensemble is not None
    write_ensemble(models, ensemble)
    joined = ensemble_predictions(ensemble, predictions, validation, sensitivity_target=0.9)
    return Kept(Config(data_dir=data.folder, save_dir=models, device="cpu"), data, joined, ensemble)


def test_the_file_predicts_what_the_evaluation_does(kept: Kept) -> None:
    (expected,) = kept.predictions.seeds
    model, model_type = analysis.load_model(ENSEMBLE, kept.config.SAVE_DIR / ENSEMBLE_FILE, kept.config)
    assert model_type == "signal"
    found = predict_probabilities(model, kept.data.validation.signals_uv)
    np.testing.assert_allclose(found, expected.test, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(model.thresholds["f1"], expected.f1_thresholds)
    np.testing.assert_array_equal(model.thresholds["sensitivity"], expected.sensitivity_thresholds)
    np.testing.assert_allclose(platt_scaled(found, model.platt), expected.calibrated, rtol=0, atol=1e-5)


def test_a_file_of_an_earlier_version_says_no_rule_and_was_chosen_greedily(kept: Kept) -> None:
    file = kept.config.SAVE_DIR / ENSEMBLE_FILE
    content = json.loads(file.read_text())
    assert load_ensemble(file).rule == content.pop("rule") == "mean"
    file.write_text(json.dumps(content))
    assert load_ensemble(file).rule == "greedy"
    file.write_text(json.dumps(content | {"rule": "lucky"}))
    with pytest.raises(DataError, match="the rule must be mean or greedy, but is 'lucky'"):
        load_ensemble(file)


def test_a_script_evaluates_the_ensemble_after_the_models_and_never_takes_it_for_the_best(kept: Kept, tmp_path: Path) -> None:
    results = analysis.evaluate_all_models(kept.config)
    assert list(results) == ["CNN1D", "RNNModel", ENSEMBLE]
    joined = results[ENSEMBLE]
    np.testing.assert_array_equal(joined.thresholds, load_ensemble(kept.config.SAVE_DIR / ENSEMBLE_FILE).thresholds["f1"])
    joined.validation_macro_auc = 0.99
    assert analysis.best_model(results) == "CNN1D"
    summary = analysis.save_summary_report(results, "CNN1D", kept.config, tmp_path).read_text()
    assert "Number of Models Evaluated: 2 (and an ensemble of them)" in summary


def test_signal_and_image_models_together_are_a_fusion(kept: Kept, toy_model: Maker) -> None:
    config = TrialConfig("alexnet", AlexNetConfig(width=0.1, classifier_width=16, stem="small"), TrainingConfig(), ImageConfig(size=32))
    network = build_model(config.model, family="alexnet", n_leads=3, n_channels=3, n_classes=5)
    models = kept.config.SAVE_DIR
    signal = toy_model(kept.data, "RNNModel")
    for seed in (0, 1):
        save_model(models / f"CNN1D_seed{seed}.pth", dataclasses.replace(signal, name="AlexNet", config=config, state=network.state_dict()))
    members = []
    for name, weight in (("RNNModel", 0.25), ("CNN1D", 0.75)):
        members.append(Member(name, f"{name}_seed0.pth", file_digest(models / f"{name}_seed0.pth"), weight))
    write_ensemble(models, dataclasses.replace(kept.ensemble, members=tuple(members)))
    assert analysis.load_model(ENSEMBLE, models / ENSEMBLE_FILE, kept.config)[1] == "fusion"


def test_a_member_that_was_trained_again_is_refused_before_the_test_split_is_opened(kept: Kept, toy_model: Maker) -> None:
    models = kept.config.SAVE_DIR
    member = load_ensemble(models / ENSEMBLE_FILE).members[0].file
    make_ensemble(models, find_candidates(models), kept.data)
    assert load_ensemble(models / ENSEMBLE_FILE) == kept.ensemble, "the ensemble of unchanged members stays the same"
    save_model(models / member, toy_model(kept.data, "CNN1D", seed=7))
    with pytest.raises(DataError, match=f"joins {member}, which is missing or has changed since: .* `ecg-tune retrain` again"):
        analysis.evaluate_all_models(kept.config)
    assert read_ledger(open_prepared(kept.data.folder)) == []
    (one, *_) = find_candidates(models)
    make_ensemble(models, [dataclasses.replace(one, files=one.files[:1], seeds=one.seeds[:1])], kept.data)
    assert not (models / ENSEMBLE_FILE).exists(), "nobody is left to join"


def test_an_ensemble_is_read_only_with_exactly_the_models_that_it_was_chosen_from(kept: Kept) -> None:
    models = kept.config.SAVE_DIR
    candidates = find_candidates(models)
    assert read_ensemble(models, candidates) == kept.ensemble
    with pytest.raises(DataError, match="was not chosen from exactly these models: run `ecg-tune retrain` again"):
        read_ensemble(models, candidates[:1])
    write_ensemble(models, dataclasses.replace(kept.ensemble, chosen_from={}))
    with pytest.raises(DataError, match="was not chosen from exactly these models"):
        read_ensemble(models, candidates)


def test_a_script_makes_an_ensemble_of_models_that_were_trained_one_by_one(kept: Kept, tmp_path: Path) -> None:
    models = tmp_path / "checkpoints"
    models.mkdir()
    for name in ("RNNModel", "CNN1D"):
        shutil.copy(kept.config.SAVE_DIR / f"{name}_best.pth", models)
    config = Config(data_dir=kept.data.folder, save_dir=models, device="cpu")
    path = analysis.make_ensemble(config)
    assert path == models / ENSEMBLE_FILE
    assert {member.file for member in load_ensemble(path).members} <= {"RNNModel_best.pth", "CNN1D_best.pth"}
    assert read_ledger(open_prepared(kept.data.folder)) == []
    assert list(analysis.evaluate_all_models(config))[-1] == ENSEMBLE
    (models / "CNN1D_best.pth").unlink()
    assert analysis.make_ensemble(config) is None
    assert not path.exists()


def test_what_is_no_ensembles_file_is_refused_in_one_line(kept: Kept) -> None:
    path = kept.config.SAVE_DIR / ENSEMBLE_FILE
    with pytest.raises(DataError, match="holds the model 'Ensemble', but 'CNN1D' was asked for"):
        analysis.load_model("CNN1D", path, kept.config)
    content = json.loads(path.read_text())
    content["members"][0]["weight"] = 2
    for text, message in ((json.dumps(content), "weights must be positive and of sum 1"), ("[]", "not a file of an ensemble")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            analysis.load_model(ENSEMBLE, path, kept.config)
    path.unlink()
    with pytest.raises(DataError, match="does not exist: `ecg-tune retrain` writes it where there are two trainings or more"):
        analysis.load_model(ENSEMBLE, path, kept.config)


def test_files_of_an_earlier_ensemble_go(kept: Kept) -> None:
    models = kept.config.SAVE_DIR
    (models / f"{ENSEMBLE}_seed1.json").write_text("{}")
    write_ensemble(models, kept.ensemble)
    assert {path.name for path in models.glob("Ensemble*")} == {ENSEMBLE_FILE}
