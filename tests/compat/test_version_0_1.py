"""What version 0.1 wrote is opened by every later one: prepared data, a study, checkpoints, model files.

`version_0_1.tar.xz` was written by the commands below, on SYNTHETIC records, before the first module was renamed:

    ecg-tune data synthesize ptbxl --records 80 --seed 5; ecg-tune data prepare ptbxl data
    ecg-tune search study --data data --config search.yaml --trials 6 --max-epochs 3 --slots 1 --seed 1
    the same with --trials 8 --max-epochs 4, killed (kill -9) while it extended trials, and copied as `interrupted`; then to its end
    ecg-tune retrain study --trial 12 --trial 11 --seeds 2; ecg-tune evaluate study --out results
    ecg-tune status study --json > status_study.json, and the same of `interrupted`
"""

from __future__ import annotations

import json
import tarfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from ecg_tune.cluster.archive import EXTRACTION
from ecg_tune.config import stored_settings
from ecg_tune.data.loaders import create_signal_dataloader
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.metrics import macro_auc
from ecg_tune.search.queue import suggested
from ecg_tune.study.study import Study
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities
from search_spaces import SpaceContext, search_space
from tests.commands import ecg_tune

pytestmark = pytest.mark.slow

ARCHIVE = Path(__file__).parent / "version_0_1.tar.xz"
SETTINGS = ["--families", "rnn,cnn1d", "--profile", "small", "--trials", "8", "--max-epochs", "4", "--slots", "1", "--seed", "1"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a folder with everything in the archive."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            archive.extract(member, tmp_path, **EXTRACTION)
    return tmp_path


def run(*words: str, folder: Path) -> str:
    with chdir(folder):
        done = ecg_tune(*words)
    assert done.code == 0, done.err
    return done.out


def known(before: Any, now: Any, where: str = "") -> None:
    """Check that all that version 0.1 said is still said; a newer version may say more."""
    if isinstance(before, dict):
        for name, value in before.items():
            known(value, now[name], f"{where}/{name}")
    elif isinstance(before, list):
        assert len(before) == len(now), where
        for place, (one, other) in enumerate(zip(before, now, strict=True)):
            known(one, other, f"{where}/{place}")
    else:
        assert before == now, where


def test_prepared_data_open_with_the_same_content(old: Path) -> None:
    data = open_prepared(old / "data")
    assert data.fingerprint.startswith("d38ac6de478f")
    assert (len(data.train), len(data.validation)) == (55, 13)
    batch = next(iter(create_signal_dataloader(data.train, batch_size=8)))
    assert len(batch) == 2


@pytest.mark.parametrize("name", ["study", "interrupted"])
def test_status_says_of_an_old_study_what_it_said_then(old: Path, name: str) -> None:
    before = json.loads((old / f"status_{name}.json").read_text())
    before["epochs"] = {"study": 38, "interrupted": 18}[name]  # counted as the budget does: with those of trials that were started again
    if name == "interrupted":  # in an extension: since then the older trials count until the newer have finished
        before["states"]["COMPLETE"] = 6
        del before["best"]  # there was none
    known(before, json.loads(run("status", name, "--json", folder=old)))


def test_old_models_answer_as_they_did(old: Path) -> None:
    validation = open_prepared(old / "data").validation
    files = sorted((old / "study" / "models").glob("*_seed*.pth"))
    assert len(files) == 4
    for path in files:
        saved = load_saved(path)
        found = predict_probabilities(build_predictor(saved), validation.signals_uv, device="cpu")
        assert macro_auc(validation.labels, found) == pytest.approx(saved.validation_macro_auc, abs=1e-6), path.name


def test_the_dashboard_and_the_evaluation_read_an_old_study(old: Path) -> None:
    run("dashboard", "study", folder=old)
    assert "SYNTHETIC" in (old / "study" / "dashboard.html").read_text()
    models = {path.name: path.read_bytes() for path in (old / "study" / "models").iterdir()}
    printed = run("evaluate", "study", "--data", "data", "--out", "results", "--bootstrap", "200", folder=old)
    assert "2 times so far" in (old / "results" / "EVALUATION_SUMMARY.txt").read_text()
    assert "Ensemble, chosen on validation: " in printed
    assert "for this report only: " in printed, "version 0.1 chose models, not trainings"
    after = {path.name: path.read_bytes() for path in (old / "study" / "models").iterdir()}
    assert after.pop("test_predictions.parquet")
    assert after == models, "an evaluation writes no model"


@pytest.mark.ray
def test_an_old_interrupted_search_goes_on_from_its_checkpoints(joined_ray: None, old: Path) -> None:
    (old / "search.yaml").write_text("space: {rnn.hidden_size: [16, 32], cnn1d.filters: [8, 16]}\n")
    printed = run("search", "interrupted", "--data", "data", "--config", "search.yaml", *SETTINGS, folder=old)
    assert "trial 8 (rnn) goes on after epoch 3" in printed
    states = json.loads(run("status", "interrupted", "--json", folder=old))["states"]
    assert states["RUNNING"] == 0
    assert sum(states.values()) == 8


def test_every_old_trial_fits_the_space_of_its_own_settings(old: Path) -> None:
    """As `--import-study` compares them: settings of training that version 0.1 did not know have their defaults."""
    study = Study.open(old / "study")
    settings = stored_settings(study.attributes.settings or {})
    context = SpaceContext(settings.profile, settings.epochs, settings.rules, len(study.attributes.leads), settings.memory_gb)
    space = search_space(settings.families, context)
    trials = [trial for trial in study.trials() if trial.config]
    assert len(trials) == 8
    for trial in trials:
        config, _ = space.extended(trial.config, settings.epochs)
        assert config == suggested(space, {"family": trial.family, **trial.params})[0].config
