"""A toy space and a listener for tests of the engine, which knows no ECG."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import BaseTrial

from ecg_tune.config import SearchSettings
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.space import Proposal, SearchSpace


def suggest(trial: BaseTrial) -> Proposal:
    family = trial.suggest_categorical("family", ("slow", "fast"))
    return Proposal(family=family, config={"family": family, "quality": trial.suggest_float(f"{family}.quality", 0.0, 1.0)})


TOY_SPACE = SearchSpace(
    suggest=suggest,
    defaults=({"family": "slow", "slow.quality": 0.5}, {"family": "fast", "fast.quality": 0.5}),
)


class Log:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.lines.append(("started", number, continued_at))

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.lines.append(("epoch", number, epoch, value))

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        self.lines.append(("paused", number, epoch, reason))

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.lines.append(("finished", number, state, reason))

    def message(self, text: str) -> None:
        self.lines.append(("said", text))


EPOCHS = 4


def settings(**changes: Any) -> SearchSettings:
    """Return settings of a toy search, by ASHA where nothing else is said."""
    return SearchSettings(
        **{"scheduler": "asha", "families": ("slow", "fast"), "trials": 12, "max_epochs": EPOCHS, "grace_epochs": 1, "seed": 3, **changes}
    )


def result(task: Assignment, epoch: int, *, epochs: int = EPOCHS, **changes: Any) -> dict[str, Any]:
    complete = epoch == epochs
    value = task.config["quality"] * (1 - 0.5**epoch)
    return {"epoch": epoch, "value": value, "complete": complete, "ended_by": "max_epochs" if complete else "", "epochs": epoch, **changes}


def play(engine: SearchEngine, *, steps: int | None = None, slots: int = 1, epochs: int = EPOCHS) -> None:
    """Run trials as a cluster of `slots` would, at most `steps` epochs, then let go of everything."""
    running: list[tuple[Assignment, int]] = []
    while steps is None or steps > 0:
        while len(running) < slots and (task := engine.next_assignment()):
            running.append((task, task.reported))
        if not running:
            return
        task, epoch = running.pop(0)
        message = result(task, epoch + 1, epochs=epochs)
        stop = engine.record(task.number, message)
        if stop or message["complete"]:
            engine.close(task.number, message)
        else:
            running.append((task, epoch + 1))
        steps = None if steps is None else steps - 1


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    return optuna.create_study(storage=storage, study_name="toy", direction="maximize")
