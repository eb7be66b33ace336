"""Workers that take long to start, as on a new machine, while others have theirs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from ray import tune

from ecg_tune.search.runner import run_search
from ecg_tune.study.study import Study
from tests.toy_search import TOY_SPACE, Log, settings

pytestmark = pytest.mark.ray

PATIENCE_S = 60.0


class SlowToStart(tune.Trainable):
    """The first worker starts at once, each other one when eight trials more than at its beginning have ended."""

    def setup(self, config: dict[str, Any], folder: Path) -> None:  # type: ignore[override]
        self.folder = folder
        try:
            (folder / "first").touch(exist_ok=False)
        except FileExistsError:
            wanted, end = self.ended() + 8, time.monotonic() + PATIENCE_S
            while self.ended() < wanted and time.monotonic() < end:
                time.sleep(0.05)
        self.reset_config(config)

    def ended(self) -> int:
        return len(list(self.folder.glob("ended_*")))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.number = new_config["number"]
        return True

    def step(self) -> dict[str, Any]:
        time.sleep(0.1)
        (self.folder / f"ended_{self.number}").touch()
        return {"epoch": 1, "epochs": 1, "value": 0.5, "complete": True, "done": True, "ended_by": "max_epochs", "worker": str(os.getpid())}


def test_a_warm_worker_leaves_alone_a_trial_whose_own_worker_starts(
    joined_ray: None, study: optuna.Study, log: Log, tmp_path: Path
) -> None:
    shared, wanted = {"folder": tmp_path}, settings(trials=40, max_epochs=1)
    run_search(SlowToStart, TOY_SPACE, shared, wanted, study=Study(study, tmp_path), view=lambda stats: log)
    assert len({row.user_attrs["worker"] for row in study.get_trials()}) == 2
