"""A process that trains keeps the memory of freed arrays: counted in page faults, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource
import numpy as np
from ecg_tune.training.freed_memory import keep_freed_memory

{keep}
for n in range(11):
    if n == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8_000_000)  # 64 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", COUNT.format(keep=keep)], text=True))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_freed_memory_is_used_again():
    assert faults("assert keep_freed_memory()") < faults("") / 20


def test_training_keeps_it(monkeypatch, toy_data):
    import torch

    from ecg_tune.training import learner

    called = []
    monkeypatch.setattr(learner, "keep_freed_memory", lambda: called.append(True))
    learner.learning_data(toy_data, torch.device("cpu"))
    assert called
