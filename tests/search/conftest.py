"""A toy space and a listener for tests of the engine, which knows no ECG."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import BaseTrial

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

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.lines.append(("finished", number, state, reason))

    def said(self, text: str) -> None:
        self.lines.append(("said", text))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    return optuna.create_study(storage=storage, study_name="toy", direction="maximize")
