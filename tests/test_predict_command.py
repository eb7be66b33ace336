"""`ecg-tune predict`: one answer from every format, rate and order of leads; refusals in one line; tables, JSON, pictures."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from PIL import Image

import ecg_tune
from analysis.prediction.explanation import explain_prediction
from analysis.prediction.figure import prediction_figure
from analysis.prediction.model_choice import open_model
from analysis.prediction.prediction import predict_recording
from analysis.retraining.ensemble_file import Member, SavedEnsemble, file_digest, write_ensemble
from ecg_tune.config import DataConfig
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.models import trial_config
from ecg_tune.training.fit import saved_model
from ecg_tune.training.model_file import describe_data, load_saved, save_model
from tests.commands import ecg_tune as command
from tests.data.recordings.writers import write_csv, write_edf, write_npy, write_wfdb

LEADS = ("I", "II", "V2")
TINY = {"family": "cnn1d", "model": {"filters": 4, "depth": 1}, "training": {"max_epochs": 1, "crop_s": 1.0}}
SMALL = {"family": "cnn1d", "model": {"filters": 8, "depth": 2}, "training": {"max_epochs": 2, "crop_s": 2.5}}


@pytest.fixture(scope="module")
def models(toy_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two models of toy data (SYNTHETIC, 2.5 s of I, II, V2 at 100 Hz) and their ensemble."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("CNN1D", "CNN1D#2")):
        fit = ecg_tune.train_model(trial_config(TINY), toy_data, seed=seed)
        save_model(folder / f"{name}_best.pth", saved_model(fit, toy_data, name=name))
    files = [f"{name}_best.pth" for name in ("CNN1D", "CNN1D#2")]
    members = tuple(Member(file.removesuffix("_best.pth"), file, file_digest(folder / file), 0.5) for file in files)
    half = {rule: [0.5] * 5 for rule in ("half", "f1", "sensitivity")}
    write_ensemble(folder, SavedEnsemble(0, members, describe_data(toy_data), "train", 0.9, half, 0.9, [[1.0, 0.0]] * 5))
    return folder


@pytest.fixture
def signal_mv(toy_data: PreparedData) -> np.ndarray:
    """Return one validation record in millivolts."""
    return toy_data.validation.signals_uv[0] / 1000


def probabilities(said: str) -> np.ndarray:
    return np.array([row["probability"] for row in json.loads(said)["classes"]])


@pytest.mark.slow
def test_a_real_record_gives_one_answer_from_every_format_rate_and_order_of_leads(ptbxl, tmp_path):
    ecg_tune.prepare(ptbxl, tmp_path / "data", DataConfig())
    data = ecg_tune.open_data(tmp_path / "data")
    fit = ecg_tune.train_model(trial_config(SMALL), data, seed=0)
    model = tmp_path / "CNN1D_best.pth"
    save_model(model, saved_model(fit, data, name="CNN1D"))
    for high in sorted((ptbxl / "records500").rglob("*_hr.hea"))[:40:8]:
        low = Path(str(high).replace("records500", "records100").replace("_hr", "_lr"))
        expected = probabilities(command("predict", model, low, "--json").out)
        for path, rate, tolerance in ((low, 100, 1e-6), (high, 500, 1e-3)):
            record = wfdb.rdrecord(str(path.with_suffix("")))
            order = [record.sig_name.index(lead) for lead in ("V2", "AVF", "II", "V6", "I")]
            leads, signal_mv = [record.sig_name[k] for k in order], record.p_signal[:, order]
            answers = {
                "wfdb": command("predict", model, path.with_suffix(""), "--json"),
                "other order": command("predict", model, write_wfdb(tmp_path / "x", signal_mv, leads, rate), "--json"),
                "csv": command("predict", model, write_csv(tmp_path / "x.csv", signal_mv, leads, rate), "--json"),
                "edf": command("predict", model, write_edf(tmp_path / "x.edf", signal_mv, leads, rate), "--json"),
                "npy": command(
                    "predict", model, write_npy(tmp_path / "x.npy", 1000 * signal_mv), "--json",
                    "--leads", ",".join(leads), "--rate", rate, "--units", "uv",
                ),
            }  # fmt: skip
            for kind, said in answers.items():
                np.testing.assert_allclose(probabilities(said.out), expected, rtol=0, atol=tolerance, err_msg=f"{kind} {path.name}")


def test_the_table_has_probabilities_thresholds_and_decisions_and_says_synthetic(models, signal_mv, tmp_path):
    said = command("predict", models / "CNN1D_best.pth", write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100))
    assert said.code == 0, said.err
    assert "takes I,II,V2, 2.5 s at 100 Hz" in said.out
    assert "SYNTHETIC: the model was trained on simulated records" in said.out
    assert "x.csv (SYNTHETIC model)" in said.out
    for word in ("NORM", "MI", "STTC", "CD", "HYP", "calibrated", "threshold", "decision"):
        assert word in said.out


def test_json_holds_what_python_says(models, signal_mv, tmp_path):
    said = command("predict", models / "CNN1D_best.pth", write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100), "--json")
    found = json.loads(said.out)
    model = ecg_tune.load_model(models / "CNN1D_best.pth")
    expected = ecg_tune.predict(model, ecg_tune.Recording(signal_mv, LEADS, 100))[0]
    np.testing.assert_allclose(probabilities(said.out), expected, atol=1e-12)
    thresholds = [row["threshold"] for row in found["classes"]]
    assert thresholds == model.thresholds["f1"]
    assert [row["decision"] for row in found["classes"]] == (expected >= model.thresholds["f1"]).tolist()
    scaled = 1 / (1 + np.exp(-(model.platt[:, 0] * np.log(expected / (1 - expected)) + model.platt[:, 1])))
    np.testing.assert_allclose([row["calibrated"] for row in found["classes"]], scaled, atol=1e-6)
    assert (found["synthetic"], found["model"], found["recording"]) == (True, "CNN1D", "x.csv")


def test_a_folder_of_models_gives_the_best_one_and_an_ensemble_is_named(models, signal_mv, tmp_path):
    path = write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100)
    assert "best of 2 by validation macro AUC" in command("predict", models, path).out
    said = [command("predict", models / name, path, "--json") for name in ("CNN1D_best.pth", "CNN1D#2_best.pth", "Ensemble_best.json")]
    first, second, ensemble = (probabilities(one.out) for one in said)
    np.testing.assert_allclose(ensemble, (first + second) / 2, atol=1e-6)
    assert command("predict", models / "Ensemble_best.json", path, "--thresholds", "sensitivity").code == 0


def test_classes_whose_threshold_was_not_tuned_are_named_wherever_it_is_shown(models, signal_mv, tmp_path):
    path, model = write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100), tmp_path / "CNN1D_best.pth"
    note = "threshold not tuned; it is 0.5 where fewer than 10"
    saved = load_saved(models / "CNN1D_best.pth")
    save_model(model, dataclasses.replace(saved, thresholds={"half": [0.5] * 5, "f1": [0.2, 0.5, 0.3, 0.4, 0.5]}))
    said = command("predict", model, path, "--out", tmp_path / "t.csv")
    assert f"MI, HYP: {note}" in said.out
    assert f"MI, HYP: {note}" in (tmp_path / "t.csv").read_text()
    assert json.loads(command("predict", model, path, "--json").out)["threshold_note"].startswith("MI, HYP: ")
    assert json.loads(command("predict", model, path, "--json", "--thresholds", "half").out)["threshold_note"] == ""
    save_model(model, dataclasses.replace(saved, thresholds={"half": [0.5] * 5, "f1": [0.2, 0.0004, 0.3, 0.4, 0.1]}))  # an older file's
    assert note not in command("predict", model, path).out


def test_thresholds_of_one_half_are_used_when_asked_for(models, signal_mv, tmp_path):
    said = command("predict", models, write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100), "--json", "--thresholds", "half")
    assert {row["threshold"] for row in json.loads(said.out)["classes"]} == {0.5}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{models}", "{tmp}/gone.csv"], "gone.csv does not exist"),
        (["{tmp}/gone.pth", "{tmp}/x.csv"], "gone.pth does not exist: give a model file (.pth)"),
        (["{tmp}", "{tmp}/x.csv"], "holds no model"),
        (["{tmp}/x.csv", "{tmp}/x.csv"], "x.csv is not a whole checkpoint, it is of another kind: name a model file that"),
        (["{tmp}/empty.pth", "{tmp}/x.csv"], "empty.pth is not a whole checkpoint, it is empty: name a model file that"),
        (["/dev/null", "{tmp}/x.csv"], "/dev/null can't be read: it is no file\n"),
        (["{data}", "{tmp}/x.csv"], "holds prepared data, no models: name a model file, or a study"),
        (["{tmp}/bad.json", "{tmp}/x.csv"], "bad.json is not a file of an ensemble"),
        (["{models}", "{tmp}/x.csv", "--thresholds", "best"], "holds no thresholds 'best': it has f1, half"),
        (["{models}", "{tmp}/x.csv", "--units", "volt"], "units must be mv, uv or v, but got 'volt'"),
        (["{models}", "{tmp}/x.csv", "--rate", "500"], "says 100 Hz, but --rate says 500"),
        (["{models}", "{tmp}/x.csv", "--out", "{tmp}/a.xlsx"], "--out must end in .csv or .parquet"),
        (["{models}", "{tmp}/x.csv", "--out", "{tmp}/x.csv"], "x.csv is read by this command, which would replace it: give another"),
        (["{models}", "{tmp}", "--out", "{tmp}/x.csv"], "x.csv is read by this command, which would replace it: give another name"),
        (["{models}", "{tmp}/x.csv", "--png", "{tmp}/x.jpg"], "pictures are written as .png, but got --png {tmp}/x.jpg: call it x.png"),
        (["{models}", "{tmp}/x.csv", "--explain"], "--explain colours a drawn ECG: give a file or folder with --png PATH"),
        (["{models}/Ensemble_best.json", "{tmp}/x.csv", "--explain", "--png", "{tmp}/a.png"], "and Ensemble is of several: name"),
        (["{models}", "{tmp}/x.npy"], "pass --leads NAMES and --rate HZ and --units mv|uv"),
        (["{models}", "{tmp}/x.npy", "--leads", "I,II,V2", "--rate", "100", "--units", "v"], "or say --units uv where it has none"),
        (["{models}", "{tmp}/x.npy", "--leads", "I,II,V3", "--rate", "100", "--units", "mv"], "lacks V2: the model takes I, II, V2"),
        (["{models}", "{tmp}/x.npy", "--leads", "I,II,V2", "--rate", "500", "--units", "mv"], "lasts 0.5 s, but the model takes 2.5 s"),
        (["{models}", "{tmp}/empty"], "empty holds no recording"),
        (["{models}", "{tmp}/x.csv", "--device", "cuda:9"], "device 'cuda:9' is not on this machine"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_and_exit_code_2(models, toy_data, signal_mv, tmp_path, words, said):
    write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100)
    write_npy(tmp_path / "x.npy", signal_mv)
    (tmp_path / "bad.json").write_text('{"format": 1, "members": [{"name": "a", "file": "../a.pth", "digest": "", "weight": 1}]}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.pth").touch()
    before = sorted(tmp_path.rglob("*"))
    found = command("predict", *(word.format(models=models, data=toy_data.folder, tmp=tmp_path) for word in words))
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert said.replace("{tmp}", str(tmp_path)) in found.err
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_folder_is_predicted_into_a_table_that_names_what_was_refused(models, signal_mv, tmp_path, suffix):
    folder, out = tmp_path / "in", tmp_path / f"predictions.{suffix}"
    folder.mkdir()
    write_wfdb(folder / "a", signal_mv, LEADS, 100)
    write_csv(folder / "b.csv", 1000 * signal_mv, LEADS, 100)
    write_edf(folder / "c.edf", np.repeat(signal_mv, 2, axis=0), LEADS, 200)
    (folder / "readme.txt").touch()
    said = command("predict", models, folder, "--out", out, "--png", tmp_path / "png")
    assert said.code == 2
    lines = said.err.splitlines()
    assert lines[0] == "ecg-tune: files left out because they are no recordings (.hea, .csv, .npy, .edf): 1"
    assert lines[1].startswith("ecg-tune: refused: b.csv: values reach")
    assert lines[2] == "ecg-tune: 1 of 3 recordings were refused, for the reasons above"
    table = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert table["recording"].tolist() == ["a", "b.csv", "c.edf"]
    assert "if they are microvolts" in table["refused"][1]
    assert table["notes"][2].endswith("resampled from 200 to 100 Hz")
    model = ecg_tune.load_model(models / "CNN1D_best.pth")
    assert set(model.class_names) == {name.removesuffix("_decision") for name in table.columns if name.endswith("_decision")}
    assert table["NORM_probability"].isna().tolist() == [False, True, False]
    assert len(list((tmp_path / "png").glob("*.png"))) == 2


def test_many_recordings_of_one_array_are_predicted_and_the_bad_one_is_listed(models, signal_mv, tmp_path):
    write_npy(tmp_path / "x.npy", np.stack([signal_mv, np.full_like(signal_mv, np.nan), signal_mv]))
    said = command("predict", models, tmp_path / "x.npy", "--leads", "I,II,V2", "--rate", "100", "--units", "mv", "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 2
    assert [one["recording"] for one in found] == ["x.npy[0]", "x.npy[1]", "x.npy[2]"]
    assert "750 samples are missing" in found[1]["refused"]
    assert found[0]["classes"] == found[2]["classes"]


@pytest.mark.slow
def test_a_picture_of_one_prediction_is_drawn_with_its_explanation(models, signal_mv, tmp_path):
    path = write_csv(tmp_path / "$a_b$ {x}.csv", signal_mv, LEADS, 100)
    for flags in ([], ["--explain"]):
        assert command("predict", models, path, "--png", tmp_path / "a.png", *flags).code == 0
        with Image.open(tmp_path / "a.png") as picture:
            colours = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
        coloured = np.abs(colours[:, 0] - colours[:, 2]) > 90  # the paper's own red is paler
        assert coloured.any() == bool(flags)
    write_csv(tmp_path / "b.csv", signal_mv, LEADS, 100)
    said = command("predict", models, path, tmp_path / "b.csv", "--png", tmp_path / "b.png")
    assert "b.png is one picture, but there are several recordings: give a folder with --png DIR" in said.err
    assert said.code == 2


def test_a_picture_tells_small_probabilities_from_small_thresholds(models, signal_mv):
    model = open_model(models / "CNN1D_best.pth")
    prediction = predict_recording(model, ecg_tune.Recording(signal_mv, LEADS, 100))
    small = dataclasses.replace(
        prediction,
        probabilities=np.array([0.00001, 0.25, 0.99987, 0.5, 0.0]),
        thresholds=np.array([0.0003, 0.5, 0.99991, 0.5, 0.00004]),
        calibrated=np.array([0.000002, 0.1, 0.9, 0.5, 0.0]),
    )
    (title,) = (text.get_text() for text in prediction_figure(small, leads=LEADS, sampling_rate_hz=100).texts if "NORM" in text.get_text())
    words = " ".join(title.split())
    assert "NORM: no, probability 1.00e-05 < threshold 0.000300 (f1), calibrated 2.00e-06" in words
    assert "MI: no, probability 0.250 < threshold 0.500 (f1), calibrated 0.100" in words
    assert "STTC: no, probability 0.99987 < threshold 0.99991" in words
    assert "CD: YES, probability 0.500 ≥ threshold 0.500" in words
    assert "HYP: no, probability 0.00 < threshold 4.00e-05" in words


@pytest.mark.slow
def test_a_prediction_from_images_is_explained_over_time(toy_data, signal_mv, tmp_path):
    config = {"family": "resnet", "model": {"layers": [1], "width": 4, "stem": "small"}, "image": {"size": 32}}
    fit = ecg_tune.train_model(trial_config({**config, "training": {"max_epochs": 1, "crop_s": 1.0}}), toy_data, seed=0)
    save_model(tmp_path / "ResNet_best.pth", saved_model(fit, toy_data, name="ResNet"))
    model = open_model(tmp_path / "ResNet_best.pth")
    found = explain_prediction(model, predict_recording(model, ecg_tune.Recording(signal_mv, LEADS, 100)))
    assert found.values.shape == (250, 3)
    assert (found.values == found.values[:, :1]).all(), "the same on all leads"
    assert 0 <= found.values.min() <= found.values.max() <= 1
    assert "Grad-CAM of the images" in found.text
    path = write_csv(tmp_path / "x.csv", signal_mv, LEADS, 100)
    assert command("predict", tmp_path / "ResNet_best.pth", path, "--png", tmp_path / "x.png", "--explain").code == 0


@pytest.mark.slow
def test_an_interrupted_batch_writes_no_table(models, signal_mv, tmp_path):
    write_npy(tmp_path / "x.npy", np.stack([signal_mv] * 5000))
    words = ["predict", models, tmp_path / "x.npy", "--leads", "I,II,V2", "--rate", "100", "--units", "mv", "--out", tmp_path / "o.csv"]
    heard = ["env", "--default-signal=INT", sys.executable, "-u", "-m", "ecg_tune", *map(str, words)]
    with subprocess.Popen(heard, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while "x.npy[0]" not in (process.stdout.readline() or "x.npy[0]"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        message = process.communicate()[1]
    assert process.returncode == 130, message
    assert "o.csv was not written" in message.splitlines()[-1]
    assert not (tmp_path / "o.csv").exists()
