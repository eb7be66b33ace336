"""Out of memory: injected, survived, with the gradient of the whole batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ecg_tune.training.predictor
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.models import ResNetConfig, RNNConfig
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.oom import MicroBatches

GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate 80 bytes")
SMALL = TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.0), TrainingConfig(max_epochs=2, crop_s=1.0))


class Hungry(nn.Module):
    """A network that runs out of memory above `limit` records, in training or in validation."""

    def __init__(self, network: nn.Module, *, limit: int, training: bool = True, error: Exception = GPU) -> None:
        super().__init__()
        self.network, self.limit, self.when, self.error = network, limit, training, error

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.training == self.when and len(inputs[0]) > self.limit:
            raise self.error
        return self.network(*inputs)


def test_pieces_add_up_to_the_gradient_of_the_whole_batch():
    torch.manual_seed(0)
    network = nn.Linear(4, 2)
    inputs, labels = torch.randn(10, 4), torch.rand(10, 2)

    def loss(piece, target):
        return nn.functional.mse_loss(hungry(*piece), target)

    hungry = Hungry(network, limit=100)
    whole = MicroBatches(10)
    expected = whole.backward([inputs], labels, loss, network.zero_grad)
    gradient = network.weight.grad.clone()
    hungry = Hungry(network, limit=3)
    pieces = MicroBatches(10)
    found = pieces.backward([inputs], labels, loss, network.zero_grad)
    assert (whole.size, pieces.size) == (10, 2)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(network.weight.grad, gradient)


def test_one_record_that_does_not_fit_is_an_error():
    hungry = Hungry(nn.Linear(4, 2), limit=0)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        MicroBatches(8).backward([torch.randn(8, 4)], torch.rand(8, 2), lambda x, y: hungry(*x).sum(), hungry.zero_grad)


@pytest.mark.parametrize("error", [GPU, CPU, MemoryError()])
def test_a_learner_that_runs_out_of_memory_goes_on_smaller_and_says_so(few_data, error):
    data = learning_data(few_data, torch.device("cpu"))
    plain, hungry = Learner(SMALL, data, seed=0), Learner(SMALL, data, seed=0)
    expected = plain.step()
    hungry.trained = Hungry(hungry.trained, limit=10, error=error)
    result = hungry.step()
    assert (expected.micro_batch, result.micro_batch) == (32, 8)
    assert result.train_loss == pytest.approx(expected.train_loss, rel=1e-4)
    assert result.metrics["macro_auc"] == pytest.approx(expected.metrics["macro_auc"], abs=1e-3)


@pytest.mark.slow
def test_micro_batches_can_be_asked_for_and_change_no_step(few_data):
    data = learning_data(few_data, torch.device("cpu"))

    def result(micro_batch: int | None):
        training = TrainingConfig(max_epochs=2, crop_s=1.0, micro_batch=micro_batch)
        return Learner(TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.0), training), data, seed=0).step()

    whole, pieces = result(None), result(5)
    assert (whole.micro_batch, pieces.micro_batch) == (32, 5)
    assert pieces.train_loss == pytest.approx(whole.train_loss, rel=1e-4)


def test_validation_that_runs_out_of_memory_goes_on_smaller(few_data):
    data = learning_data(few_data, torch.device("cpu"))
    plain, hungry = Learner(SMALL, data, seed=0), Learner(SMALL, data, seed=0)
    hungry.predictor.model = Hungry(hungry.model, limit=16, training=False).eval()  # 16 records of 4 crops with whole batches
    expected, result = plain.step(), hungry.step()
    assert (expected.micro_batch, result.micro_batch) == (32, 8)
    assert result.metrics == pytest.approx(expected.metrics)


def test_images_that_do_not_fit_are_made_in_pieces(few_data, monkeypatch):
    data = learning_data(few_data, torch.device("cpu"))
    network = ResNetConfig(layers=(1,), width=4, stem="small")
    learner = Learner(TrialConfig("resnet", network, TrainingConfig(max_epochs=1, crop_s=1.0), ImageConfig(size=32)), data, seed=0)
    real = ecg_tune.training.predictor.make_images

    def hungry(signal, image):
        if len(signal) > 16:
            raise GPU
        return real(signal, image)

    monkeypatch.setattr(ecg_tune.training.predictor, "make_images", hungry)
    assert learner.step().micro_batch == 8


def test_any_other_error_is_not_taken_for_missing_memory(few_data):
    learner = Learner(SMALL, learning_data(few_data, torch.device("cpu")), seed=0)
    learner.trained = Hungry(learner.trained, limit=10, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        learner.step()
    assert learner.micro_batches.size == 32
