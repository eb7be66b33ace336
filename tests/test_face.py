"""The names of `import ecg_tune`: complete, the functions themselves, and usable from records to probabilities."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from optuna.trial import create_trial

import ecg_tune
from ecg_tune.config import DataConfig, to_dict
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.errors import ConfigError, DataError, UsageError
from ecg_tune.models import trial_config
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from ecg_tune.training.fit import saved_model
from ecg_tune.training.model_file import save_model
from ecg_tune.training.predictor import Predictor, check_signals, predict_probabilities

ROOT = Path(__file__).parents[1]
WAVES = np.rint(1000 * np.sin(np.arange(250) / 10)[None, :, None] * [[[1.0, -0.5, 0.25]], [[1.0, 0.5, 1.0]]]).astype(np.int16)
"""Two records of 2.5 s at 100 Hz, microvolts."""
SMALL = {"family": "cnn1d", "model": {"filters": 4, "depth": 1}, "training": {"max_epochs": 1, "crop_s": 1.0}}


@pytest.fixture(scope="module")
def model_file(toy_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train through the face on toy data, and return the model's file."""
    fit = ecg_tune.train_model(trial_config(SMALL), ecg_tune.open_data(toy_data.folder), seed=0)
    path = tmp_path_factory.mktemp("face") / "CNN1D_best.pth"
    save_model(path, saved_model(fit, toy_data, name="CNN1D"))
    return path


def test_the_names_are_the_functions_themselves():
    assert ecg_tune.open_data is open_prepared
    assert ecg_tune.predict is predict_probabilities
    assert ecg_tune.open_study == Study.open
    for name in ecg_tune.__all__:
        assert getattr(ecg_tune, name), name
    assert set(ecg_tune.__all__) <= set(dir(ecg_tune))


def test_type_checkers_see_the_names_that_are_loaded():
    tree = ast.parse((ROOT / "ecg_tune/__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names} - {"Study"}
    assert {*seen, "open_study", "__version__"} == set(ecg_tune.__all__) == {*ecg_tune._FACE, "__version__"}


def test_the_search_is_called_by_the_name_of_its_package():
    """A package's name in the package above it can't be a function's: it becomes the package as soon as anybody imports that."""
    code = "import ecg_tune; first = ecg_tune.search; import ecg_tune.search.space; assert callable(first) and ecg_tune.search is first"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(ConfigError, match=r"unknown setting 'trails': did you mean 'trials'\?"):
        ecg_tune.search("study", "data", trails=3)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ecg_tune' has no attribute 'nothing'"):
        _ = ecg_tune.nothing


def test_the_version_is_that_of_the_project_file():
    assert ecg_tune.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_sources_that_were_not_installed_have_no_version(monkeypatch):
    monkeypatch.setattr("sys.path", [])
    assert ecg_tune.__version__ == "unknown"


def test_records_become_data_that_can_be_opened(tmp_path):
    synthesize(tmp_path / "ptbxl", n_records=60)
    manifest = ecg_tune.prepare(str(tmp_path / "ptbxl"), str(tmp_path / "data"), DataConfig(leads=("I", "II")))
    data = ecg_tune.open_data(tmp_path / "data")
    assert data.leads == ("I", "II")
    assert data.fingerprint == manifest["fingerprint"]


def test_a_loaded_model_says_what_it_takes_and_predicts_as_it_did_in_training(model_file, toy_data):
    model = ecg_tune.load_model(model_file)
    assert isinstance(model, Predictor)
    assert (model.leads, model.class_names, model.sampling_rate_hz) == (toy_data.leads, toy_data.class_names, 100)
    assert {rule: len(values) for rule, values in model.thresholds.items()} == {"half": 5, "f1": 5}
    found = ecg_tune.predict(model, toy_data.validation.signals_uv, batch_size=7)
    assert found.shape == toy_data.validation.labels.shape
    fit = ecg_tune.train_model(trial_config(SMALL), toy_data, seed=0)
    np.testing.assert_allclose(found, ecg_tune.predict(fit.model, toy_data.validation.signals_uv), atol=1e-6)


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        (np.zeros((2, 250, 3)), r"int16 microvolts .* but got float64 \(2, 250, 3\): make a Recording of each"),
        (WAVES.astype(np.int64), r"but got int64 \(2, 250, 3\)"),
        (np.zeros((250, 3), np.int16), r"\(n_records, n_samples, n_leads\) .* but got int16 \(250, 3\)"),
        (np.zeros((0, 250, 3), np.int16), r"at least one record, but got int16 \(0, 250, 3\)"),
        (np.zeros((2, 250, 12), np.int16), "the model takes the leads I,II,V2, but the signals have 12"),
        (np.zeros((2, 100, 3), np.int16), "takes 250 samples, 2.5 s at 100 Hz, but the signals have 100: make a Recording"),
        (np.zeros((2, 1250, 3), np.int16), "takes 250 samples, 2.5 s at 100 Hz, but the signals have 1250"),
        (np.zeros((2, 250, 3), np.int16), "the signals span 0, and an ECG more than 10 microvolts"),
        (WAVES // 250, "the signals span [1-8], and an ECG more than 10 microvolts"),
        (WAVES * 15, "the signals reach 15000, and an ECG stays below 10000 microvolts"),
        (np.where(np.arange(250)[:, None] == 7, np.int16(-32768), WAVES), "2 of 2 records have missing samples"),
        ([WAVES], r"give recordings \(`ecg_tune.Recording`\) or an int16 array, but got list"),
        ([], "give recordings"),
    ],
)
def test_signals_that_would_be_misread_are_refused(model_file, signals, said):
    with pytest.raises(DataError, match=said):
        ecg_tune.predict(ecg_tune.load_model(model_file), signals)


def test_a_recording_is_predicted_as_the_same_record_of_prepared_data(model_file, toy_data):
    model = ecg_tune.load_model(model_file)
    signals = toy_data.validation.signals_uv[:3]
    expected = ecg_tune.predict(model, signals)
    recordings = [ecg_tune.Recording(one[:, ::-1] / 1000, ("V2", "II", "I"), 100) for one in signals]
    np.testing.assert_allclose(ecg_tune.predict(model, recordings), expected, atol=1e-6)
    np.testing.assert_allclose(ecg_tune.predict(model, recordings[1]), expected[1:2], atol=1e-6)


def test_a_recording_that_does_not_fit_the_model_is_refused(model_file):
    model = ecg_tune.load_model(model_file)
    for signal_mv, leads, said in (
        (WAVES[0] / 1000, ("I", "II", "V3"), "lacks V2"),
        (WAVES[0], ("I", "II", "V2"), "if they are microvolts"),
        (np.full((250, 3), np.nan), ("I", "II", "V2"), "750 samples are missing"),
        (WAVES[0][:100] / 1000, ("I", "II", "V2"), "lasts 1 s, but the model takes 2.5 s"),
    ):
        with pytest.raises(DataError, match=said):
            ecg_tune.predict(model, ecg_tune.Recording(signal_mv, leads, 100))


def test_arrays_in_another_order_of_leads_are_refused_where_the_limb_leads_tell_it(ptbxl):
    names = sorted((ptbxl / "records100").rglob("*_lr.hea"))[:20]
    records = [ecg_tune.read_recordings(name)[0] for name in names]
    signals = np.rint(1000 * np.stack([one.signal_mv for one in records])).astype(np.int16)
    predictor = torch.nn.Identity()
    predictor.leads = records[0].leads
    check_signals(signals, predictor)
    with pytest.raises(DataError, match="lead III is not II minus I: the signals are in another order"):
        check_signals(signals[:, :, ::-1], predictor)
    with pytest.raises(DataError, match="lead III is not II minus I"):
        check_signals(signals[:, :, [1, 0, *range(2, 12)]], predictor)


def test_a_few_records_beyond_10_mv_are_still_predicted(model_file, toy_data):
    signals = toy_data.validation.signals_uv.copy()
    signals[0, 5] = 30_000
    assert ecg_tune.predict(ecg_tune.load_model(model_file), signals).shape == (48, 5)


def test_a_model_that_is_no_loaded_one_takes_no_recordings():
    with pytest.raises(DataError, match="does not say which leads and length it takes"):
        ecg_tune.predict(torch.nn.Identity(), ecg_tune.Recording(WAVES[0] / 1000, ("I", "II", "V2"), 100))


def test_a_trial_of_a_study_is_trained_from_its_config(toy_data, tmp_path):
    made = Study.create(tmp_path / "study", StudyAttributes(data_fingerprint=toy_data.fingerprint, max_epochs=1))
    made.optuna.add_trial(create_trial(value=0.7, user_attrs={"family": "cnn1d", "config": to_dict(trial_config(SMALL))}))
    made.close()
    with ecg_tune.open_study(str(tmp_path / "study")) as study:
        best = study.best
        assert study.best_trials() == [best]
        table = study.trials_dataframe()
    assert table.loc[0, ["family", "state", "value"]].tolist() == ["cnn1d", "COMPLETE", 0.7]
    fit = ecg_tune.train_model(trial_config(best.config), toy_data)
    assert fit.config == trial_config(SMALL)
    assert len(fit.history) == 1


def test_what_is_refused_on_the_command_line_is_refused_in_python(tmp_path):
    with pytest.raises(UsageError, match="--trial 3 names what to retrain"):
        ecg_tune.retrain(tmp_path, trials=[3], top=2)
    for number in ({"top": 0}, {"seeds": 0}, {"folds": 0, "race": True}, {"top": -1}):
        with pytest.raises(ConfigError, match=f"{next(iter(number))} must be"):
            ecg_tune.retrain(tmp_path, **number)
    with pytest.raises(UsageError, match="is not a study, and holds no models: `ecg-tune search"):
        ecg_tune.evaluate(tmp_path / "models", tmp_path / "results")
    with pytest.raises(UsageError, match="is a new study: name its data"):
        ecg_tune.search(tmp_path / "study")
    with pytest.raises(UsageError, match="--on-end is empty"):
        ecg_tune.search(tmp_path / "study", tmp_path, on_end=" ")
    assert not (tmp_path / "study").exists()
