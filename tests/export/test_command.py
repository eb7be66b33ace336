"""`ecg-tune export-onnx`: what it prints and writes, what it refuses, and that its file needs nothing of ours."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from analysis.retraining.ensemble_file import Member, SavedEnsemble, file_digest, write_ensemble
from analysis.retraining.ensemble_predictor import build_ensemble
from analysis.retraining.platt import platt_scaled
from ecg_tune import __version__
from ecg_tune.config import to_dict
from ecg_tune.data.loaders import millivolts
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.export.metadata import portable_config
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from ecg_tune.training.model_file import describe_data, load_model, load_saved
from ecg_tune.training.predictor import predict_probabilities
from search_spaces.conformance import small_config
from tests.commands import ecg_tune
from tests.conftest import ROOT

Save = Callable[..., Path]
PLATT = [[0.8, -0.2], [1.3, 0.1], [1.0, 0.0], [0.5, 0.5], [2.0, -1.0]]


@pytest.fixture
def model(save_random: Save, tmp_path: Path) -> Path:
    return save_random(tmp_path / "models", "cnn1d")


@pytest.fixture
def ensemble(save_random: Save, real_data: PreparedData, tmp_path: Path) -> Path:
    """Write an ensemble of a signal network, an image network and a fusion."""
    folder = tmp_path / "models"
    files = [save_random(folder, family, seed=seed) for seed, family in enumerate(("cnn1d", "resnet", "fusion"))]
    members = tuple(Member(f.name, f.name, file_digest(f), weight) for f, weight in zip(files, (0.5, 0.3, 0.2), strict=True))
    thresholds = {"half": [0.5] * 5, "f1": [0.3] * 5, "sensitivity": [0.2] * 5}
    write_ensemble(folder, SavedEnsemble(0, members, describe_data(real_data), "train", 0.6, thresholds, 0.9, PLATT))
    return folder / "Ensemble_best.json"


def signal_mv(data: PreparedData) -> np.ndarray:
    return millivolts(torch.tensor(data.validation.signals_uv)).numpy()


def test_a_model_is_exported_with_its_check_on_real_records(model, real_data, tmp_path):
    said = ecg_tune("export-onnx", model, tmp_path / "m.onnx", "--data", real_data.folder)
    assert (said.code, said.err) == (0, "")
    differences = [float(number) for number in re.findall(r"largest difference from torch on .*: (\S+)", said.out)]
    assert len(differences) == 2
    assert max(differences) <= 1e-5
    assert "on 12 validation records" in said.out
    assert "signal_mv (batch, 1000, 3) float32 millivolts -> probabilities\n" in said.out
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    found = session.run(None, {"signal_mv": signal_mv(real_data)})[0]
    assert np.abs(found - predict_probabilities(load_model(model), real_data.validation.signals_uv)).max() <= 1e-5


def test_the_metadata_say_how_to_feed_the_file_and_where_it_comes_from(model, real_data, tmp_path):
    assert ecg_tune("export-onnx", model, tmp_path / "m.onnx").code == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    facts = session.get_modelmeta().custom_metadata_map
    decoded = {name: json.loads(facts[name]) for name in ("leads", "class_names", "thresholds", "normalisation", "config", "n_samples")}
    assert decoded["leads"] == ["I", "II", "V2"]
    assert decoded["class_names"] == list(real_data.class_names)
    assert decoded["thresholds"] == load_model(model).thresholds
    assert decoded["normalisation"] == real_data.normalisation
    assert decoded["config"] == json.loads(json.dumps(to_dict(load_saved(model).config)))
    assert decoded["n_samples"] == 1000
    assert (facts["sampling_rate_hz"], facts["units"], facts["family"], facts["name"]) == ("100", "mV", "cnn1d", "CNN1D")
    assert (facts["data_fingerprint"], facts["synthetic"], facts["format"]) == (real_data.fingerprint, "false", "1")
    assert facts["ecg_tune_version"] == __version__
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("signal_mv", ["batch", 1000, 3], "tensor(float)")
    assert (made.name, made.shape) == ("probabilities", ["batch", 5])


def test_models_of_synthetic_data_say_so_in_the_file_and_on_the_screen(save_random, toy_data, tmp_path):
    said = ecg_tune("export-onnx", save_random(tmp_path, "cnn1d", data=toy_data), tmp_path / "m.onnx", "--data", toy_data.folder)
    assert said.code == 0
    assert "SYNTHETIC data" in said.out.splitlines()[0]
    assert "m.onnx (SYNTHETIC data)" in said.out.splitlines()[-1]
    meta = onnxruntime.InferenceSession(str(tmp_path / "m.onnx")).get_modelmeta()
    assert meta.custom_metadata_map["synthetic"] == "true"
    assert meta.description.startswith("Trained on SYNTHETIC data. ")


def test_a_model_with_a_platt_scaling_gives_calibrated_probabilities_too(save_random, real_data, tmp_path):
    model = save_random(tmp_path, "cnn1d", platt=PLATT)
    assert ecg_tune("export-onnx", model, tmp_path / "m.onnx", "--data", real_data.folder).code == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    probabilities, calibrated = session.run(["probabilities", "calibrated"], {"signal_mv": signal_mv(real_data)})
    expected = predict_probabilities(load_model(model), real_data.validation.signals_uv)
    assert np.abs(probabilities - expected).max() <= 1e-5
    assert np.abs(calibrated - platt_scaled(expected, np.array(PLATT))).max() <= 1e-5
    assert json.loads(session.get_modelmeta().custom_metadata_map["platt"]) == PLATT


@pytest.mark.slow
def test_an_ensemble_is_one_file_with_its_own_calibration(ensemble, real_data, tmp_path):
    said = ecg_tune("export-onnx", ensemble, tmp_path / "e.onnx", "--data", real_data.folder)
    assert (said.code, said.err) == (0, "")
    session = onnxruntime.InferenceSession(str(tmp_path / "e.onnx"))
    assert [output.name for output in session.get_outputs()] == ["probabilities", "calibrated"]
    expected = predict_probabilities(build_ensemble(ensemble)[0], real_data.validation.signals_uv)
    for n in (1, 2, 7, 12):
        probabilities, calibrated = session.run(None, {"signal_mv": signal_mv(real_data)[:n]})
        assert np.abs(probabilities - expected[:n]).max() <= 1e-5
        assert np.abs(calibrated - platt_scaled(expected[:n], np.array(PLATT))).max() <= 1e-5
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["family"] == "ensemble"
    assert json.loads(facts["platt"]) == PLATT
    members = [(member["family"], member["weight"]) for member in json.loads(facts["members"])]
    assert members == [("cnn1d", 0.5), ("resnet", 0.3), ("fusion", 0.2)]
    assert set(json.loads(facts["thresholds"])) == {"half", "f1", "sensitivity"}


def test_an_ensemble_too_large_for_onnx_is_refused_before_it_is_traced(ensemble, tmp_path, monkeypatch):
    monkeypatch.setattr("ecg_tune.export.onnx_file.LARGEST_BYTES", 1000)
    said = ecg_tune("export-onnx", ensemble, tmp_path / "e.onnx")
    assert (said.code, list(tmp_path.glob("e*.onnx*"))) == (2, [])
    assert "an ONNX file holds 1e-06 GB at most, and the weights of 3 network(s) are " in said.err
    assert "GB: use --format torch-export, or export one member" in said.err


@pytest.mark.slow
def test_a_file_runs_where_only_onnxruntime_and_numpy_are(ensemble, tmp_path):
    assert ecg_tune("export-onnx", ensemble, tmp_path / "e.onnx").code == 0
    for source in ensemble.parent.iterdir():
        source.unlink()  # the file holds everything
    code = (
        "import sys, numpy as np, onnxruntime\n"
        "session = onnxruntime.InferenceSession('e.onnx')\n"
        "print([output.shape for output in session.run(None, {'signal_mv': np.zeros((3, 1000, 3), np.float32)})])\n"
        "print(sorted({'torch', 'ecg_tune', 'analysis', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[(3, 5), (3, 5)]", "[]"]


@pytest.mark.parametrize(("name", "suffix"), [("torchscript", ".ts"), ("torch-export", ".pt2")])
@pytest.mark.slow
def test_the_formats_of_torch_carry_the_metadata_too(model, tmp_path, name, suffix):
    out = tmp_path / f"m{suffix}"
    said = ecg_tune("export-onnx", model, out, "--format", name)
    assert (said.code, said.err) == (0, "")
    extra = {"metadata.json": ""}
    load = torch.export.load if name == "torch-export" else torch.jit.load
    with pytest.MonkeyPatch.context():
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            loaded = load(str(out), **{"extra_files" if name == "torch-export" else "_extra_files": extra})
    assert json.loads(extra["metadata.json"])["leads"] == '["I", "II", "V2"]'
    assert (loaded.module() if name == "torch-export" else loaded)(torch.zeros(5, 1000, 3))[0].shape == (5, 5)


@pytest.mark.parametrize("there", [True, False], ids=["data there", "data moved"])
def test_a_model_of_a_study_is_checked_on_the_studys_data_where_they_are(save_random, real_data, tmp_path, there):
    folder = tmp_path / "study"
    path = str(real_data.folder) if there else str(tmp_path / "moved")
    Study.create(folder, StudyAttributes(data_path=path, settings={})).close()
    said = ecg_tune("export-onnx", save_random(folder / "models", "cnn1d"), tmp_path / "m.onnx")
    assert said.code == 0, said.err
    assert ("on 12 validation records" in said.out) == there
    assert ("the study's data can't be opened" in said.out) != there


def test_a_lone_model_says_that_it_was_not_checked_on_records(model, tmp_path):
    said = ecg_tune("export-onnx", model, tmp_path / "m.onnx")
    assert said.code == 0
    assert "not checked on real records: give them with --data DIR" in said.out


def test_a_file_of_the_same_kind_is_replaced_and_nothing_else(model, tmp_path):
    assert ecg_tune("export-onnx", model, tmp_path / "m.onnx").code == 0
    assert ecg_tune("export-onnx", model, tmp_path / "m.onnx").code == 0
    before = model.read_bytes()
    said = ecg_tune("export-onnx", model, model)
    assert said.code == 2
    assert "ends with .onnx" in said.err
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/nowhere.pth", "{tmp}/m.onnx"], "nowhere.pth does not exist"),
        (["{tmp}/nowhere.json", "{tmp}/m.onnx"], "nowhere.json does not exist"),
        (["{tmp}", "{tmp}/m.onnx"], "is a folder: name a model file"),
        (["{cut}", "{tmp}/m.onnx"], "cut.pth is not a whole checkpoint"),
        (["{weights}", "{tmp}/m.onnx"], "{weights} can't be used"),
        (["{facts}", "{tmp}/m.onnx"], "{facts} does not hold what a model of its kind needs"),
        (["{model}", "{tmp}/m.pth"], "ends with .onnx, but got"),
        (["{model}", "{tmp}/m.onnx", "--format", "onxx"], "unknown format 'onxx': did you mean 'onnx'?"),
        (["{model}", "{tmp}/m.onnx", "--format", "torchscript"], "ends with .ts, but got"),
        (["{model}", "{tmp}/folder.onnx"], "is a folder"),
        (["{model}", "s3://bucket/m.onnx"], "s3://bucket/m.onnx is not a file of this machine"),
        (["{model}", "{tmp}/m.onnx", "--data", "{tmp}/nowhere"], "holds no prepared data"),
        (["{model}", "{tmp}/m.onnx", "--data", "{toy}"], "takes records with n_samples 1000, but"),
        (["{model}", "/proc/nowhere/m.onnx"], "give a folder that can be written"),
        (["{model}"], "Missing argument 'OUT'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(arguments, message, model, toy_data, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    names = {name: tmp_path / f"{name}.pth" for name in ("cut", "weights", "facts")}
    names["cut"].write_bytes(model.read_bytes()[:2000])
    content = torch.load(model, weights_only=True)
    torch.save({**content, "state": {}}, names["weights"])
    torch.save({**content, "data": {"leads": ["I", "II", "V2"]}}, names["facts"])
    words = {"tmp": tmp_path, "model": model, "toy": toy_data.folder, **names}
    before = sorted(tmp_path.rglob("*"))
    said = ecg_tune("export-onnx", *[word.format(**words) for word in arguments])
    assert said.code == 2
    assert message.format(**words) in said.err
    assert said.err.startswith("ecg-tune: ")
    assert said.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_whose_predictions_are_no_numbers_is_refused(save_random, tmp_path):
    path = save_random(tmp_path, "cnn1d")
    saved = load_saved(path)
    saved.state["head.1.weight"][:] = float("nan")
    save_random(tmp_path, "cnn1d", state=saved.state)
    said = ecg_tune("export-onnx", path, tmp_path / "m.onnx")
    assert said.code == 1
    assert "m.onnx was not written: its output 'probabilities' differs from the model's by nan" in said.err
    assert not (tmp_path / "m.onnx").exists()


def test_without_the_packages_the_remedy_is_one_line(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    said = ecg_tune("export-onnx", model, tmp_path / "m.onnx")
    assert said.code == 2
    assert "ONNX needs the packages onnx and onnxruntime: pip install 'ecg-tune[onnx]'" in said.err
    assert said.err.count("\n") == 1
    assert ecg_tune("export-onnx", model, tmp_path / "m.ts", "--format", "torchscript").code == 0, "torch's own formats need neither"


def test_an_ensemble_whose_member_has_changed_is_refused(ensemble, save_random, tmp_path):
    save_random(ensemble.parent, "cnn1d", seed=9)
    said = ecg_tune("export-onnx", ensemble, tmp_path / "e.onnx")
    assert said.code == 2
    assert "is missing or has changed since" in said.err


def test_a_fusions_encoder_files_are_named_without_their_folders():
    config = small_config("fusion")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, signal_checkpoint="/home/me/a.pth"))
    assert portable_config(config)["model"]["signal_checkpoint"] == "a.pth"


def test_the_example_of_the_guide_runs_where_only_onnxruntime_and_numpy_are(model, tmp_path):
    guide = (ROOT / "docs" / "guides" / "export.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert example
    assert len(example[1].splitlines()) <= 16
    assert ecg_tune("export-onnx", model, tmp_path / "model.onnx").code == 0
    done = subprocess.run([sys.executable, "-I", "-c", example[1]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "NORM" in done.stdout
    shutil.rmtree(tmp_path / "models")
