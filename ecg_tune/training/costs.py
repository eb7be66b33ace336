"""Measure what a config costs: seconds an epoch, GPU memory, and the costs that a search can minimise."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import torch

from ecg_tune.config import TrialConfig
from ecg_tune.data.loaders import millivolts
from ecg_tune.models import n_parameters
from ecg_tune.models.cost import cost
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.signals import evaluation_crops

N_RECORDS = 16
N_PASSES = 20


def epoch_cost_s(config: TrialConfig, data: LearningData) -> float:
    """Estimate the seconds that a training epoch takes on this machine, from `N_RECORDS` records trained once.

    Validation is left out: it costs a forward pass of far fewer records.
    """
    sample = data.train.first(N_RECORDS)
    training = dataclasses.replace(config.training, max_epochs=max(config.training.max_epochs, 2))  # a schedule ends with its last epoch
    learner = Learner(dataclasses.replace(config, training=training), dataclasses.replace(data, train=sample), seed=0)
    learner.train_epoch()  # allocates and warms up
    started = time.perf_counter()
    learner.train_epoch()
    return (time.perf_counter() - started) * len(data.train) / len(sample)


def parameters(predictor: Predictor, data: LearningData) -> float:
    """Count the network's trainable parameters."""
    return float(n_parameters(predictor.model))


def macs(predictor: Predictor, data: LearningData) -> float:
    """Count the multiply-accumulate operations that predict one record, with all its crops."""
    signal = data.validation.signals_uv[:1]
    crops = evaluation_crops(millivolts(signal), predictor.length).shape[1]
    n_samples, n_leads = signal.shape[1:]
    size = cost(predictor.config, n_leads=n_leads, n_samples=n_samples, sampling_rate_hz=data.sampling_rate_hz)
    return float(size.macs * crops)


def latency_ms(predictor: Predictor, data: LearningData) -> float:
    """Time the prediction of one record on the trial's device, in milliseconds: the median of `N_PASSES` after two to warm up."""
    signal, seconds = millivolts(data.validation.signals_uv[:1]), []
    images = data.validation.read_images(torch.arange(1)) if predictor.stored_images else None
    predictor.eval()
    with torch.inference_mode():
        for _ in range(N_PASSES + 2):
            started = time.perf_counter()
            predictor(signal, images).sum().item()  # waits for the device
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:]) * 1000


def peak_memory_bytes(config: TrialConfig, data: LearningData) -> int:
    """Measure the most GPU memory that a trial reserves: the data set, one batch of training and one of validation.

    Args:
        data: On a GPU.
    """
    torch.cuda.reset_peak_memory_stats(data.train.labels.device)
    train, validation = (split.first(config.training.batch_size) for split in (data.train, data.validation))
    learner = Learner(config, dataclasses.replace(data, train=train, validation=validation), seed=0)
    learner.train_epoch()
    learner.validate()
    return int(torch.cuda.max_memory_reserved(data.train.labels.device))


COSTS: dict[str, Callable[[Predictor, LearningData], float]] = {"parameters": parameters, "macs": macs, "latency_ms": latency_ms}
"""Costs that a search can minimise beside its metric; measured before the first epoch."""
