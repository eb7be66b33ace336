"""Exported and imported data stand for the data themselves: the same search, the same model, the same predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecg_tune
from ecg_tune.study.study import Study
from tests.commands import ecg_tune as command
from tests.conftest import make_toy_data

SEARCH = ["--families", "cnn1d", "--profile", "small", "--trials", "2", "--max-epochs", "2", "--seed", "5", "--slots", "1"]


def searched(root: Path, data: str) -> tuple[list[tuple[object, ...]], np.ndarray]:
    """Search on data and retrain the best trial; return what the trials are, and its probabilities of a recording."""
    study = root / f"study of {data}"
    for words in (["search", study, "--data", root / data, *SEARCH], ["retrain", study, "--top", "1", "--seeds", "1"]):
        said = command(*words)
        assert said.code == 0, said.err
    (model_file,) = (study / "models").glob("*_best.pth")
    model = ecg_tune.load_model(model_file)
    signal_mv = np.random.default_rng(1).normal(size=(250, len(model.leads)))
    recording = ecg_tune.Recording(signal_mv, model.leads, model.sampling_rate_hz)
    trials = Study.open(study).trials()
    return [(trial.params, trial.value, trial.per_class_auc) for trial in trials], ecg_tune.predict(model, recording)


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_on_imported_data_gives_the_same_trials_and_predictions(joined_ray, tmp_path):
    make_toy_data(tmp_path / "data", n_records=(40, 24, 8))
    for words in (["export", "data", "tree", "--images", "none", "--include-test"], ["import", "tree", "back"]):
        verb, source, target, *rest = words
        said = command("data", verb, tmp_path / source, tmp_path / target, *rest)
        assert said.code == 0, said.err
    trials, predicted = searched(tmp_path, "data")
    trials_back, predicted_back = searched(tmp_path, "back")
    assert len(trials) == 2
    assert trials_back == trials
    np.testing.assert_array_equal(predicted_back, predicted)
