"""Which trials are retrained, what they are called, what the manifest says: on a hand-made study of tiny networks."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from analysis.evaluation.predictions import predict
from analysis.retraining.candidates import check_reference_models, find_candidates
from analysis.retraining.ensemble_file import ENSEMBLE_FILE, load_ensemble, read_ensemble
from analysis.retraining.predictions import predict_validation
from analysis.retraining.retrain import chosen_trials, named_trials, retrain
from analysis.retraining.training_jobs import plan_jobs
from ecg_tune.config import TrainingConfig, TrialConfig, to_dict
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, read_ledger
from ecg_tune.data.prepared.ledger import LEDGER
from ecg_tune.errors import DataError, StudyError
from ecg_tune.metrics import macro_auc
from ecg_tune.models.cnn1d import CNN1DConfig
from ecg_tune.models.rnn import RNNConfig
from ecg_tune.study.study import Study
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("all_join")]

VALUES = (("rnn", 0.91), ("cnn1d", 0.70), ("rnn", 0.93), ("rnn", 0.92), ("cnn1d", 0.75), ("cnn1d", 0.60))


def tiny_config(family: str, *, max_epochs: int = 2) -> TrialConfig:
    """Return a config that trains in a fraction of a second."""
    training = TrainingConfig(batch_size=32, max_epochs=max_epochs, learning_rate=1e-2)
    model = RNNConfig(hidden_size=4, num_layers=1, dropout=0.0) if family == "rnn" else CNN1DConfig(filters=4, depth=1, kernel_size=5)
    return TrialConfig(family, model, training)


def tiny_study(data: PreparedData, *, max_epochs: int = 2) -> Study:
    """Return a study in memory with the trials of `VALUES`, whose values are MADE UP."""
    study = optuna.create_study(study_name="tiny", direction="maximize")
    study.set_user_attr("data_fingerprint", data.fingerprint)
    study.set_user_attr("metric", "macro_auc")
    for family, value in VALUES:
        attrs = {"config": to_dict(tiny_config(family, max_epochs=max_epochs)), "family": family}
        study.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs=attrs))
    return Study(study)


def planned(data: PreparedData, *, top: int, per_family: bool) -> list[tuple[str, int]]:
    study = tiny_study(data)
    jobs = plan_jobs(study, Path("study"), chosen_trials(study, top=top, per_family=per_family), seeds=1)
    return [(job.name, job.trial) for job in jobs]


def test_the_top_of_the_study_may_be_one_family(few_data: PreparedData) -> None:
    assert planned(few_data, top=2, per_family=False) == [("RNNModel", 2), ("RNNModel#2", 3)]


def test_the_top_of_each_family_gives_every_family_its_best_in_the_order_of_the_search(few_data: PreparedData) -> None:
    expected = [("RNNModel", 2), ("RNNModel#2", 3), ("CNN1D", 4), ("CNN1D#2", 1)]
    assert planned(few_data, top=2, per_family=True) == expected


def test_named_trials_are_taken_best_first_and_one_that_is_not_complete_is_refused(few_data: PreparedData) -> None:
    study = tiny_study(few_data)
    study.optuna.add_trial(create_trial(state=TrialState.PRUNED, user_attrs={"family": "rnn"}))
    assert [trial.number for trial in named_trials(study, [4, 2, 4])] == [2, 4]
    for number, message in ((6, "is PRUNED"), (99, "does not exist")):
        with pytest.raises(StudyError, match=f"trial {number} {message}, a COMPLETE one is wanted"):
            named_trials(study, [4, number])


def test_a_family_with_fewer_trials_gives_those_it_has(few_data: PreparedData) -> None:
    assert [trial for _, trial in planned(few_data, top=9, per_family=True)] == [2, 3, 0, 4, 1, 5]


@pytest.fixture(scope="module")
def retrained(few_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("retrained")
    study = tiny_study(few_data)
    return folder, retrain(study, few_data, folder, chosen_trials(study, top=2, per_family=True), seeds=2)


def test_a_best_file_and_every_seeds_file_lie_beside_the_manifest(retrained: tuple[Path, dict]) -> None:
    folder, manifest = retrained
    best = {model["best_file"] for model in manifest["models"]}
    assert best == {f"{name}_best.pth" for name in ("RNNModel", "RNNModel#2", "CNN1D", "CNN1D#2")}
    seeds = {row["file"] for model in manifest["models"] for row in model["seeds"]}
    assert seeds == {
        f"{kind}_seed{seed}.pth" for kind in ("RNNModel_trial2", "RNNModel_trial3", "CNN1D_trial4", "CNN1D_trial1") for seed in (0, 1)
    }
    assert best | seeds <= {path.name for path in (folder / "models").iterdir()}


def test_the_histories_are_drawn_beside_the_models(retrained: tuple[Path, dict]) -> None:
    folder, manifest = retrained
    drawn = {path.name for path in (folder / "models").glob("*.png")}
    assert drawn == {"training_histories.png", *(f"{model['name']}_history.png" for model in manifest["models"])}


def test_an_interrupted_retraining_goes_on_with_what_is_finished(few_data: PreparedData, tmp_path: Path) -> None:
    study, trained = tiny_study(few_data), []

    def interrupted(function, jobs):
        for job in list(jobs)[:1]:
            trained.append(job)
            yield job, function(job)
        raise KeyboardInterrupt

    def noted(function, jobs):
        for job in jobs:
            trained.append(job)
            yield job, function(job)

    with pytest.raises(KeyboardInterrupt):
        retrain(study, few_data, tmp_path, study.best_trials(1), seeds=3, map=interrupted)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["RNNModel_trial2_seed0.pth"]
    retrain(study, few_data, tmp_path, study.best_trials(1), seeds=3, map=noted)
    assert [job.seed for job in trained] == [0, 1, 2]


@pytest.fixture(scope="module")
def on_both(retrained: tuple[Path, dict], few_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("both")
    shutil.copytree(retrained[0] / "models", folder / "models")
    study = tiny_study(few_data)
    return folder, retrain(study, few_data, folder, chosen_trials(study, top=1, per_family=True), seeds=2, on="train+validation")


def test_every_model_trained_on_validation_too_has_its_reference_model_beside_it(on_both: tuple[Path, dict]) -> None:
    folder, manifest = on_both
    assert manifest["trained_on"] == "train+validation"
    for model in manifest["models"]:
        assert load_saved(folder / "models" / model["best_file"]).trained_on == "train+validation"
        for row in model["seeds"]:
            full, reference = (load_saved(folder / "models" / row[key]) for key in ("file", "twin"))
            assert (full.trained_on, reference.trained_on) == ("train+validation", "train")
            assert (full.thresholds, full.validation_macro_auc, full.epochs) == (
                reference.thresholds,
                reference.validation_macro_auc,
                reference.best_epoch,
            )
            assert row["validation_macro_auc"] == reference.validation_macro_auc


def test_what_is_fitted_on_validation_in_an_evaluation_rests_on_the_reference_models_alone(
    on_both: tuple[Path, dict], few_data: PreparedData
) -> None:
    validation = few_data.validation
    for candidate in find_candidates(on_both[0] / "models"):
        alone = dataclasses.replace(candidate, files=candidate.validation_files)
        full, reference = (
            predict(
                one,
                validation,
                predict_validation(one, validation, device="cpu"),
                validation,
                sensitivity_target=0.9,
                device="cpu",
            )
            for one in (candidate, alone)
        )
        for with_validation, without in zip(full.seeds, reference.seeds, strict=True):
            for name in ("validation", "validation_macro_auc", "f1_thresholds", "sensitivity_thresholds", "platt"):
                np.testing.assert_array_equal(getattr(with_validation, name), getattr(without, name), err_msg=name)
            assert not np.array_equal(with_validation.test, without.test), "the predictions on test are the model's own"


def test_the_ensemble_of_models_trained_on_validation_too_is_chosen_by_their_reference_models(
    on_both: tuple[Path, dict], few_data: PreparedData
) -> None:
    models = on_both[0] / "models"
    candidates = find_candidates(models)
    references = {file.name: load_saved(path) for one in candidates for file, path in zip(one.files, one.validation_files, strict=True)}
    assert {saved.trained_on for saved in references.values()} == {"train"}
    ensemble = read_ensemble(models, candidates)
    assert ensemble.trained_on == "train+validation"
    assert all(member.file.endswith("_train+validation.pth") for member in ensemble.members)
    predictors = [build_predictor(references[member.file]) for member in ensemble.members]
    probabilities = [predict_probabilities(one, few_data.validation.signals_uv) for one in predictors]
    mean = sum(member.weight * one for member, one in zip(ensemble.members, probabilities, strict=True))
    assert ensemble.validation_macro_auc == pytest.approx(macro_auc(few_data.validation.labels, mean), abs=1e-12)


def test_a_model_trained_on_validation_without_its_reference_model_is_refused(on_both: tuple[Path, dict], tmp_path: Path) -> None:
    shutil.copy(on_both[0] / "models" / "CNN1D_best.pth", tmp_path)
    with pytest.raises(
        DataError, match=r"CNN1D_best\.pth was trained on validation too, and its reference model, .* is not named beside it"
    ):
        check_reference_models(find_candidates(tmp_path))


def test_retraining_on_train_again_describes_the_reference_models(on_both: tuple[Path, dict], few_data: PreparedData) -> None:
    study = tiny_study(few_data)
    manifest = retrain(study, few_data, on_both[0], study.best_trials(1), seeds=1)
    assert [row["file"] for row in manifest["models"][0]["seeds"]] == ["RNNModel_trial2_seed0.pth"]
    assert load_saved(on_both[0] / "models" / "RNNModel_best.pth").trained_on == "train"


def test_the_ensemble_is_chosen_on_validation_and_named_in_the_manifest_without_any_test_record(
    retrained: tuple[Path, dict], few_data: PreparedData, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(retrained[0] / "models", folder / "models")
    data_folder = shutil.copytree(few_data.folder, tmp_path / "data", ignore=shutil.ignore_patterns(LEDGER))
    shutil.rmtree(data_folder / "test")
    data = open_prepared(Path(data_folder))
    study = tiny_study(data)
    manifest = retrain(study, data, folder, chosen_trials(study, top=2, per_family=True), seeds=2)
    ensemble, models = manifest["ensemble"], folder / "models"
    assert ensemble == json.loads((models / "manifest.json").read_text())["ensemble"]
    assert ensemble["file"] == ENSEMBLE_FILE
    assert {path.name for path in models.glob("Ensemble*")} == {ENSEMBLE_FILE}
    saved = read_ensemble(models, find_candidates(models))
    assert [(member.file, member.weight) for member in saved.members] == [(row["file"], row["weight"]) for row in ensemble["members"]]
    seeds = {row["file"]: row["validation_macro_auc"] for model in manifest["models"] for row in model["seeds"]}
    assert {member.file for member in saved.members} <= set(seeds)
    assert saved.validation_macro_auc == ensemble["validation_macro_auc"]
    assert max(seeds, key=lambda file: seeds[file]) in {member.file for member in saved.members}
    assert read_ledger(data) == []


def test_an_ensemble_of_the_same_models_stays_and_one_of_other_models_goes(
    retrained: tuple[Path, dict], few_data: PreparedData, tmp_path: Path
) -> None:
    shutil.copytree(retrained[0] / "models", tmp_path / "models")
    study, file = tiny_study(few_data), tmp_path / "models" / ENSEMBLE_FILE
    before = file.read_bytes()
    retrain(study, few_data, tmp_path, chosen_trials(study, top=2, per_family=True), seeds=2)
    assert file.read_bytes() == before, "the same models give the same ensemble"
    retrain(study, few_data, tmp_path, chosen_trials(study, top=1, per_family=True), seeds=1)
    assert set(load_ensemble(file).chosen_from) == {"RNNModel_trial2_seed0.pth", "CNN1D_trial4_seed0.pth"}
    retrain(study, few_data, tmp_path, study.best_trials(1), seeds=2)
    assert set(load_ensemble(file).chosen_from) == {"RNNModel_trial2_seed0.pth", "RNNModel_trial2_seed1.pth"}, "seeds of one trial join"
    manifest = retrain(study, few_data, tmp_path, study.best_trials(1), seeds=1)
    assert manifest["ensemble"] is None, "one training has nobody to join"
    assert list(file.parent.glob("Ensemble*")) == []
