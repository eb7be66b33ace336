"""An auxiliary head learns the statements while a network is trained, and nothing of it is left afterwards."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from ecg_tune.api.settings import make_space
from ecg_tune.config import SearchSettings, TrainingConfig, TrialConfig
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.data.prepared.origin import Origin, frequent_statements
from ecg_tune.errors import ConfigError
from ecg_tune.models import FusionConfig, build_model
from ecg_tune.training.auxiliary import JointNetwork, training_loss, with_statements
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.model_file import build_predictor
from ecg_tune.training.refit import refit_model
from search_spaces.conformance import small_config
from search_spaces.conformance import toy_data as conformance_data

from .test_refit import CONFIG


def with_toy_statements(*, turned: bool = False) -> LearningData:
    """Return toy data with two statements: whether a record has the first class, and whether it has the second."""
    data = conformance_data()
    statements = data.train.labels[:, :2]
    return dataclasses.replace(data, train=dataclasses.replace(data.train, statements=1 - statements if turned else statements))


def learner(weight: float, data: LearningData | None = None) -> Learner:
    return Learner(small_config("cnn1d", auxiliary=weight, max_epochs=3), data or with_toy_statements(), seed=0)


def test_what_is_validated_and_kept_has_the_network_alone() -> None:
    plain, joint = learner(0.0), learner(1.0)
    joint.step()
    assert joint.best_state.keys() == plain.model.state_dict().keys()
    assert isinstance(joint.trained, JointNetwork)
    assert joint.trained.statements.out_features == 2
    assert joint.predictor.model is joint.model
    assert {name: value.shape for name, value in joint.best_state.items()} == {n: v.shape for n, v in plain.model.state_dict().items()}


def test_without_a_weight_the_statements_change_nothing_and_with_one_they_train_the_network_too() -> None:
    known, unknown = learner(0.0), learner(0.0, conformance_data())
    assert known.train_epoch() == unknown.train_epoch()
    one, other = learner(1.0), learner(1.0, with_toy_statements(turned=True))
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(value, unknown_start(name), msg="the network starts as without a second head")
    one.train_epoch()
    other.train_epoch()
    assert any(not torch.equal(value, other.model.state_dict()[name]) for name, value in one.model.state_dict().items())


def unknown_start(name: str) -> torch.Tensor:
    return learner(0.0, conformance_data()).model.state_dict()[name]


def test_the_head_learns_the_statements() -> None:
    joint = Learner(small_config("cnn1d", auxiliary=1.0, max_epochs=20, batch_size=16), with_toy_statements(), seed=0)
    before, after = (statement_loss(joint, epochs) for epochs in (0, 20))
    assert after < before / 2


def statement_loss(joint: Learner, epochs: int) -> float:
    """Train for some epochs, and return the loss of the statements on the training records."""
    for _ in range(epochs):
        joint.train_epoch()
    joint.trained.eval()
    signal = joint.data.train.signals_uv.float() / 1000 / joint.data.normalisation["scale_mv"]
    with torch.inference_mode():
        logits = joint.trained(signal)[:, -2:]
    return float(nn.functional.binary_cross_entropy_with_logits(logits, joint.data.train.statements))


def test_an_interrupted_training_resumes_with_its_second_head() -> None:
    whole, first = learner(0.5), learner(0.5)
    whole.step()
    whole.step()
    first.step()
    second = learner(0.5)
    second.load_state_dict(first.state_dict())
    second.step()
    assert second.history[-1].train_loss == whole.history[-1].train_loss


def test_the_loss_is_the_labels_and_a_share_of_the_known_statements() -> None:
    labels, logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    target = torch.cat([labels, torch.tensor([[1.0, 0.0], [math.nan, math.nan]])], dim=1)
    cross_entropy = nn.functional.binary_cross_entropy_with_logits
    expected = cross_entropy(logits[:, :2], labels) + 0.3 * cross_entropy(logits[:1, 2:], target[:1, 2:])
    torch.testing.assert_close(training_loss(TrainingConfig(auxiliary=0.3), labels)(logits, target), expected)
    target[:, 2:] = math.nan
    torch.testing.assert_close(training_loss(TrainingConfig(auxiliary=0.3), labels)(logits, target), cross_entropy(logits[:, :2], labels))


def test_a_refit_learns_the_statements_of_train_alone_and_saves_the_network_alone(toy_data: PreparedData) -> None:
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, auxiliary=0.5, max_epochs=2))
    data = dataclasses.replace(toy_data, train=dataclasses.replace(toy_data.train, statements=toy_data.train.labels[:, :3]))
    reference = saved_model(train_model(config, data, seed=3), data, name="CNN1D")
    both = refit_model(reference, data)
    assert all(math.isfinite(row["train_loss"]) for row in both.history)
    build_predictor(both)  # refuses weights of another network


def test_mixup_mixes_statements_with_labels() -> None:
    joint = Learner(small_config("cnn1d", auxiliary=1.0, mixup=0.4), with_toy_statements(), seed=0)
    assert math.isfinite(joint.train_epoch())


def test_data_without_statements_are_refused(toy_data: PreparedData, tmp_path) -> None:
    split = DeviceSplit(torch.zeros(4, 250, 3, dtype=torch.int16), torch.zeros(4, 2))
    assert with_statements(split, 0.0) is split
    with pytest.raises(ConfigError, match="auxiliary needs PTB-XL's statements, which these data lack"):
        with_statements(split, 0.5)
    settings = SearchSettings(("cnn1d",), profile="small", training={"auxiliary": [0.0, 0.5]})
    with pytest.raises(ConfigError, match="auxiliary needs PTB-XL's statements"):
        make_space(settings, toy_data, tmp_path / "study")


def test_a_fusion_that_goes_around_its_features_is_refused() -> None:
    config: TrialConfig = small_config("fusion")
    assert isinstance(config.model, FusionConfig)
    model = dataclasses.replace(config.model, signal_checkpoint="a.pth", signal_head=True)
    network = build_model(model, family="fusion", n_leads=3, n_channels=3, n_classes=5)
    with pytest.raises(ConfigError, match="leave auxiliary or signal_head out"):
        JointNetwork(network, 2)


def test_statements_are_those_that_enough_records_have_and_some_lack() -> None:
    codes = ({"SR": 0, "IMI": 50}, {"SR": 0, "IMI": 100}, {"SR": 0, "AFIB": 0, "IMI": 0}, {"SR": 0})
    np.testing.assert_array_equal(frequent_statements(Origin(codes, ("a",) * 4), fewest=2), [[1], [1], [1], [0]])
    assert frequent_statements(Origin(codes, ("a",) * 4), fewest=4) is None
