"""Fusions that start from the best single-modality trials of a study."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import FixedTrial, TrialState, create_trial

from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig, to_dict
from ecg_tune.errors import StudyError
from ecg_tune.models import ResNetConfig, RNNConfig, trial_config
from ecg_tune.search.encoders import encoders_of
from ecg_tune.storage import LocalStorage
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from ecg_tune.training.checkpoints import write_checkpoint
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_file import load_saved
from search_spaces import SPACES, SpaceContext, search_space
from tests.stored import open_study

TRAINING = TrainingConfig(max_epochs=1, crop_s=1.0)
CONFIGS = {
    "rnn": TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.0), TRAINING),
    "resnet": TrialConfig("resnet", ResNetConfig(layers=(1,), width=4, stem="small"), TRAINING, ImageConfig(size=32)),
}


@pytest.fixture(scope="module")
def trained(few_data, tmp_path_factory) -> Path:
    """Return a study with two COMPLETE trials of each single modality, the second better. Read it, never write to it."""
    import torch

    folder = tmp_path_factory.mktemp("trained") / "singles"
    study = Study.create(folder, StudyAttributes(data_fingerprint=few_data.fingerprint, max_epochs=1))
    loaded = learning_data(few_data, torch.device("cpu"))
    for number, (family, value) in enumerate((f, v) for v in (0.6, 0.7) for f in CONFIGS):
        learner = Learner(CONFIGS[family], loaded, seed=number)
        learner.step()
        path = f"checkpoints/trial_{number:05d}"
        write_checkpoint(LocalStorage(folder), path, 1, learner.state_dict())
        attrs = {"family": family, "config": to_dict(CONFIGS[family]), "path": path, "seed": number}
        study.optuna.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs=attrs))
    return folder


@pytest.fixture
def source(trained, tmp_path) -> Path:
    """Return a copy of the study `trained`."""
    return shutil.copytree(trained, tmp_path / "singles")


def test_the_best_of_each_modality_are_copied_with_their_weights(source, few_data, tmp_path):
    found = encoders_of(source, few_data, into=LocalStorage(tmp_path / "fusions"))()
    assert found is not None
    assert (found.signal.family, found.image.family) == ("rnn", "resnet")
    assert Path(found.signal.path).name == "singles_00002.pth"
    assert load_saved(Path(found.image.path)).trial == 3
    assert Path(found.signal.path).parent == tmp_path / "fusions" / "encoders"


@pytest.mark.slow
def test_a_fusion_is_drawn_from_scratch_or_from_them_and_trains(source, few_data, tmp_path):
    import torch

    context = SpaceContext("small", 1, encoders=encoders_of(source, few_data, into=LocalStorage(tmp_path / "fusions")))
    space = search_space(("fusion",), context)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    configs = [trial_config(space.suggest(study.ask()).config) for _ in range(12)]
    started = [config for config in configs if config.model.signal_checkpoint]
    assert 0 < len(started) < 12
    assert {config.model.frozen for config in started} == {True, False}
    assert all(config.model.signal == CONFIGS["rnn"].model and config.image == CONFIGS["resnet"].image for config in started)
    learner = Learner(started[0], learning_data(few_data, torch.device("cpu")), seed=0)
    weights = load_saved(Path(started[0].model.signal_checkpoint)).state
    assert torch.equal(learner.model.signal.network.state_dict()["recurrent.weight_ih_l0"], weights["recurrent.weight_ih_l0"])


def test_the_default_stays_the_classic_one_from_scratch(source, few_data, tmp_path):
    context = SpaceContext("small", 1, encoders=encoders_of(source, few_data, into=LocalStorage(tmp_path / "fusions")))
    space = search_space(("fusion",), context)
    classic = SPACES["fusion"].suggest(FixedTrial(dict(space.defaults[0])), SpaceContext("small", 1))
    assert trial_config(space.suggest(FixedTrial(dict(space.defaults[0]))).config) == classic


def test_the_study_itself_gives_none_until_both_modalities_have_one(few_data, tmp_path):
    folder = tmp_path / "own"
    encoders = encoders_of(folder, few_data, into=LocalStorage(folder), own=True)
    assert encoders() is None
    Study.create(folder, StudyAttributes(data_fingerprint=few_data.fingerprint, max_epochs=1))
    assert encoders() is None


def test_another_study_without_such_trials_or_of_other_data_is_refused(source, few_data, tmp_path):
    Study.create(tmp_path / "empty", StudyAttributes(data_fingerprint=few_data.fingerprint, max_epochs=1))
    with pytest.raises(StudyError, match="has no COMPLETE signal and image trial with its checkpoint"):
        encoders_of(tmp_path / "empty", few_data, into=LocalStorage(tmp_path / "fusions"))
    open_study(source).set_user_attr("data_fingerprint", "0" * 64)
    with pytest.raises(StudyError, match="was searched on other data"):
        encoders_of(source, few_data, into=LocalStorage(tmp_path / "fusions"))
