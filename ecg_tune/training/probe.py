"""What an epoch will cost, from a few records trained for real."""

from __future__ import annotations

import dataclasses
import time

from ecg_tune.config import TrialConfig
from ecg_tune.data.loaders import DevicePart
from ecg_tune.training.learner import Learner, LearningData

N_RECORDS = 16


def epoch_cost_s(config: TrialConfig, data: LearningData) -> float:
    """Return the seconds that one epoch of training would take here, extrapolated from one small batch.

    Validation is left out: it costs a forward pass of far fewer records.
    """
    few = DevicePart(data.train.signals_uv[:N_RECORDS], data.train.labels[:N_RECORDS])
    learner = Learner(config, dataclasses.replace(data, train=few), seed=0)
    learner.train_epoch()  # allocates and warms up
    started = time.perf_counter()
    learner.train_epoch()
    return (time.perf_counter() - started) * len(data.train) / len(few)
