"""Measure the GPU memory of a trial of each family on a GPU of the cluster."""

from __future__ import annotations

from collections.abc import Mapping

import ray
import torch

from ecg_tune.config import TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.training.costs import peak_memory_bytes
from ecg_tune.training.learner import learning_data


def peak_memories(configs: Mapping[str, TrialConfig], data: PreparedData) -> tuple[dict[str, int], int]:
    """Measure the peak bytes of each config, and the memory of the GPU. Needs a running Ray with a GPU.

    Returns:
        Bytes by family, and the bytes of the whole GPU.
    """
    remote = ray.remote(num_gpus=1)(_measure)
    return ray.get([remote.remote(dict(configs), data.in_memory())])[0]


def _measure(configs: dict[str, TrialConfig], data: PreparedData) -> tuple[dict[str, int], int]:
    device = torch.device("cuda")
    loaded = learning_data(data, device)
    peaks = {family: peak_memory_bytes(config, loaded) for family, config in configs.items()}
    return peaks, torch.cuda.get_device_properties(device).total_memory
