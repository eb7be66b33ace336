"""Why workers were lost, as real Rays tell it, gets into the study and the progress: killed, out of memory, preempted, not even started."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

import optuna
import pytest
import ray
from ray import tune
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated.autoscaler_pb2 import DRAIN_NODE_REASON_PREEMPTION

from ecg_tune.errors import WorkFailedError
from ecg_tune.search.runner import run_search
from ecg_tune.study.study import Study
from tests.rays import SharedRay
from tests.toy_search import TOY_SPACE, Log, settings

pytestmark = pytest.mark.ray

SMALL = {"include_dashboard": False, "object_store_memory": 100 * 1024**2}
NOT_INSTALLED = """
from ray import tune

class Absent(tune.Trainable):
    pass
"""


class Unlucky(tune.Trainable):
    """Its first step meets a fault, unless `faults` is 0; later ones are good."""

    def setup(self, config: dict[str, Any], folder: Path, faults: int, fault: str) -> None:  # type: ignore[override]
        self.folder, self.faults, self.fault = folder, faults, fault

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        met = len(list(self.folder.glob("fault_*")))
        if met < self.faults:
            (self.folder / f"fault_{met}").touch()
            getattr(self, self.fault)()
        return {"epoch": 1, "epochs": 1, "value": 0.5, "complete": True, "done": True, "ended_by": "max_epochs"}

    def killed(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def preempted(self) -> None:
        """As on a spot machine: told that it ends, and ended."""
        here = ray.get_runtime_context()
        end_ms = int(1000 * time.time()) + 500
        GcsClient(address=here.gcs_address).drain_node(here.get_node_id(), DRAIN_NODE_REASON_PREEMPTION, "spot", end_ms)
        time.sleep(1)
        os.kill(os.getppid(), signal.SIGKILL)  # the machine's raylet
        time.sleep(60)

    def waits(self) -> None:
        time.sleep(60)


@pytest.fixture(autouse=True)
def ray_ends() -> Iterator[None]:
    with patch.dict(os.environ, RAY_AIR_NEW_OUTPUT="0"):  # a `Cluster` leaves its address in the environment
        yield
        ray.shutdown()


def searched(study: optuna.Study, log: Log, folder: Path, *, fault: str, faults: int = 1, **wanted: Any) -> list[str]:
    """Search two trials and return what was said."""
    shared = {"folder": folder, "faults": faults, "fault": fault}
    run_search(
        Unlucky,
        TOY_SPACE,
        shared,
        settings(**{"trials": 2, "max_epochs": 1, "slots": 1, **wanted}),
        study=Study(study, folder),
        view=lambda stats: log,
    )
    return [str(line[1]) for line in log.lines if line[0] == "said"]


def test_a_killed_worker_is_named_when_its_trial_goes_on_and_when_it_does_not(
    shared_ray: SharedRay, study: optuna.Study, log: Log, tmp_path: Path
) -> None:
    ray.init(address=shared_ray.address, log_to_driver=False)
    (message,) = searched(study, log, tmp_path, fault="killed", faults=2, retries=1)
    why = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
    assert message.startswith(f"trial 0: its worker or node was lost ({why}")
    assert message.endswith(" …); it goes on from its checkpoint")
    failed, good = study.get_trials()
    assert (failed.state.name, failed.user_attrs["fail_reason"], good.state.name) == ("FAIL", "error", "COMPLETE")
    assert failed.user_attrs["failure"].startswith(f"lost more often than is retried (--retries): {why}")


def test_a_worker_that_ray_ends_for_want_of_memory_is_out_of_memory(study: optuna.Study, log: Log, tmp_path: Path) -> None:
    limits = {"memory_usage_threshold": 0.001, "memory_monitor_refresh_ms": 200}
    ray.init(address="local", num_cpus=1, log_to_driver=False, _system_config=limits, **SMALL)
    searched(study, log, tmp_path, fault="waits", faults=9, retries=0, trials=1)
    (row,) = study.get_trials()
    assert (row.state.name, row.user_attrs["fail_reason"]) == ("FAIL", "oom")
    assert "memory" in row.user_attrs["failure"]


def test_preemption_is_named_and_not_counted(study: optuna.Study, log: Log, tmp_path: Path) -> None:
    soon_missed = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
    short = mkdtemp(prefix="ray")  # its own: whoever starts a Ray meanwhile would join a cluster in the usual folder
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "temp_dir": short, "_system_config": soon_missed, **SMALL})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=SMALL["object_store_memory"])
        ray.init(address=cluster.address, log_to_driver=False)
        (message,) = searched(study, log, tmp_path, fault="preempted", retries=0)
        assert message == "trial 0: its worker or node was lost (the actor's node was preempted: spot); it goes on from its checkpoint"
        assert [row.state.name for row in study.get_trials()] == ["COMPLETE", "COMPLETE"]
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(short, ignore_errors=True)


def test_code_that_the_workers_do_not_have_is_named(
    shared_ray: SharedRay, study: optuna.Study, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_the_driver_has_it.py").write_text(NOT_INSTALLED, encoding="utf-8")
    ray.init(address=shared_ray.address, log_to_driver=False)
    monkeypatch.syspath_prepend(tmp_path)
    absent = importlib.import_module("only_the_driver_has_it").Absent
    with pytest.raises(WorkFailedError, match="No module named 'only_the_driver_has_it'"):
        run_search(
            absent, TOY_SPACE, {}, settings(retries=0, slots=1, family_failures=1), study=Study(study, tmp_path), view=lambda stats: log
        )
