"""Out of memory: injected, survived, with the gradient of the whole batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.models import RNNConfig
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.memory import MicroBatches


class Hungry(nn.Module):
    """A network that runs out of memory above `limit` records."""

    def __init__(self, network: nn.Module, *, limit: int) -> None:
        super().__init__()
        self.network, self.limit = network, limit

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.training and len(inputs[0]) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return self.network(*inputs)


def test_pieces_add_up_to_the_gradient_of_the_whole_batch():
    torch.manual_seed(0)
    network = nn.Linear(4, 2)
    inputs, labels = torch.randn(10, 4), torch.rand(10, 2)

    def loss(piece, target):
        return nn.functional.mse_loss(hungry(*piece), target)

    hungry = Hungry(network, limit=100)
    whole = MicroBatches(10)
    expected = whole.backward((inputs,), labels, loss, network.zero_grad)
    gradient = network.weight.grad.clone()
    hungry = Hungry(network, limit=3)
    pieces = MicroBatches(10)
    found = pieces.backward((inputs,), labels, loss, network.zero_grad)
    assert (whole.size, pieces.size) == (10, 2)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(network.weight.grad, gradient)


def test_one_record_that_does_not_fit_is_an_error():
    hungry = Hungry(nn.Linear(4, 2), limit=0)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        MicroBatches(8).backward((torch.randn(8, 4),), torch.rand(8, 2), lambda x, y: hungry(*x).sum(), hungry.zero_grad)


def test_a_learner_that_runs_out_of_memory_goes_on_smaller_and_says_so(toy_data):
    data = learning_data(toy_data, torch.device("cpu"))
    config = TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.0), TrainingConfig(max_epochs=2, crop_s=1.0))
    plain, hungry = Learner(config, data, seed=0), Learner(config, data, seed=0)
    expected = plain.step()
    hungry.model = Hungry(hungry.model, limit=10)
    result = hungry.step()
    assert (expected.micro_batch, result.micro_batch) == (32, 8)
    assert result.train_loss == pytest.approx(expected.train_loss, rel=1e-4)
    assert result.metrics["macro_auc"] == pytest.approx(expected.metrics["macro_auc"], abs=1e-3)


def test_micro_batches_can_be_asked_for_and_change_no_step(toy_data):
    data = learning_data(toy_data, torch.device("cpu"))

    def result(micro_batch: int | None):
        training = TrainingConfig(max_epochs=2, crop_s=1.0, micro_batch=micro_batch)
        return Learner(TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.0), training), data, seed=0).step()

    whole, pieces = result(None), result(5)
    assert (whole.micro_batch, pieces.micro_batch) == (32, 5)
    assert pieces.train_loss == pytest.approx(whole.train_loss, rel=1e-4)
