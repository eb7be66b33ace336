"""What is used of Ray Tune's private API is there, and was read from the version that is installed."""

from __future__ import annotations

import inspect

import pytest
import ray
from ray.tune.execution.tune_controller import TrialRunnerWrapper, TuneController

from ecg_tune.search import tune_internals


def test_the_private_api_was_read_from_the_ray_that_is_installed():
    assert ray.__version__ == tune_internals.READ_FROM, "read ecg_tune/search/tune_internals.py against the new Ray, then change READ_FROM"


@pytest.mark.parametrize("name", tune_internals.NAMES)
def test_the_controller_has_the_attribute(name):
    assert hasattr(TuneController, name) or f"self.{name}" in inspect.getsource(TuneController)


def test_schedulers_get_the_controller_in_a_wrapper():
    assert "_tune_controller" in inspect.getsource(TrialRunnerWrapper)
