"""What a config costs, measured: seconds an epoch, memory, and what a search can minimise beside its metric."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import torch

from ecg_tune.config import TrialConfig
from ecg_tune.data.loaders import DeviceSplit, millivolts
from ecg_tune.models import n_parameters
from ecg_tune.models.cost import cost
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.signals import evaluation_crops

N_RECORDS = 16
N_PASSES = 20


def epoch_cost_s(config: TrialConfig, data: LearningData) -> float:
    """Return the seconds that one epoch of training would take here, extrapolated from one small batch.

    Validation is left out: it costs a forward pass of far fewer records.
    """
    few = DeviceSplit(data.train.signals_uv[:N_RECORDS], data.train.labels[:N_RECORDS])
    learner = Learner(config, dataclasses.replace(data, train=few), seed=0)
    learner.train_epoch()  # allocates and warms up
    started = time.perf_counter()
    learner.train_epoch()
    return (time.perf_counter() - started) * len(data.train) / len(few)


def parameters(predictor: Predictor, data: LearningData) -> float:
    """Return the number of trainable parameters."""
    return float(n_parameters(predictor.model))


def macs(predictor: Predictor, data: LearningData) -> float:
    """Return the multiply-accumulate operations of one record's prediction, its crops included."""
    signal = data.validation.signals_uv[:1]
    crops = evaluation_crops(millivolts(signal), predictor.length).shape[1]
    n_samples, n_leads = signal.shape[1:]
    size = cost(predictor.config, n_leads=n_leads, n_samples=n_samples, sampling_rate_hz=data.sampling_rate_hz)
    return float(size.macs * crops)


def latency_ms(predictor: Predictor, data: LearningData) -> float:
    """Return the milliseconds of one record's prediction on the trial's device: the median of `N_PASSES` after two to warm up."""
    signal, seconds = millivolts(data.validation.signals_uv[:1]), []
    predictor.eval()
    with torch.inference_mode():
        for _ in range(N_PASSES + 2):
            started = time.perf_counter()
            predictor(signal).sum().item()  # waits for the device
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:]) * 1000


def peak_memory_bytes(config: TrialConfig, data: LearningData) -> int:
    """Return the most GPU memory that a trial holds: its data set, one batch of training and one of validation.

    Args:
        data: On a GPU.
    """
    torch.cuda.reset_peak_memory_stats(data.train.labels.device)
    few = DeviceSplit(data.train.signals_uv[: config.training.batch_size], data.train.labels[: config.training.batch_size])
    some = DeviceSplit(data.validation.signals_uv[: config.training.batch_size], data.validation.labels[: config.training.batch_size])
    learner = Learner(config, dataclasses.replace(data, train=few, validation=some), seed=0)
    learner.train_epoch()
    learner.validate()
    return int(torch.cuda.max_memory_reserved(data.train.labels.device))


COSTS: dict[str, Callable[[Predictor, LearningData], float]] = {"parameters": parameters, "macs": macs, "latency_ms": latency_ms}
"""What a search can minimise beside its metric, known before the first epoch."""
