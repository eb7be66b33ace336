"""The cost of an epoch, said before it is paid."""

from __future__ import annotations

import torch

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.models import RNNConfig
from ecg_tune.training.costs import epoch_cost_s
from ecg_tune.training.learner import Learner, learning_data


def test_the_cost_grows_with_the_records_that_an_epoch_would_train(toy_data, monkeypatch):
    data = learning_data(toy_data, torch.device("cpu"))
    trained = []
    monkeypatch.setattr(Learner, "_train", lambda self: trained.append(len(self.data.train)) or 0.0)
    ticks = iter([0.0, 2.0])
    monkeypatch.setattr("ecg_tune.training.costs.time.perf_counter", lambda: next(ticks))
    assert epoch_cost_s(TrialConfig("rnn", RNNConfig(hidden_size=8), TrainingConfig(crop_s=1.0)), data) == 2.0 * 96 / 16
    assert trained == [16, 16]


def test_an_epoch_of_a_training_of_one_epoch_can_be_timed(toy_data):
    """A one-cycle schedule ends with its last epoch, and two are trained."""
    config = TrialConfig("rnn", RNNConfig(hidden_size=8), TrainingConfig(crop_s=1.0, max_epochs=1, schedule="one_cycle"))
    assert epoch_cost_s(config, learning_data(toy_data, torch.device("cpu"))) > 0
