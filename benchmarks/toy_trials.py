"""A trainable that only sleeps, with known learning curves, for measuring the engine itself."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import optuna
import ray
from optuna.trial import BaseTrial
from ray import tune
from ray.cloudpickle import register_pickle_by_value

from ecg_tune.config import SearchSettings
from ecg_tune.search.preview.virtual_time import Curve, Silent
from ecg_tune.search.runner import run_search
from ecg_tune.search.space import Proposal, SearchSpace
from ecg_tune.study.study import Study

FAMILIES = ("cnn1d", "cnn1d_rnn")
"""Names that the settings know; nothing of those networks is used. The second takes twice as long an epoch."""


def toy_suggest(trial: BaseTrial) -> Proposal:
    """Draw a toy config: in each family one parameter decides how good it gets, another how fast."""
    family = trial.suggest_categorical("family", FAMILIES)
    quality, speed = trial.suggest_float(f"{family}.quality", 0, 1), trial.suggest_float(f"{family}.speed", 0.2, 2, log=True)
    return Proposal(family=family, config={"family": family, "quality": quality, "speed": speed})


TOY_SPACE = SearchSpace(toy_suggest, tuple({"family": f, f"{f}.quality": 0.5, f"{f}.speed": 1.0} for f in FAMILIES))


def toy_curve(config: dict[str, Any], seed: int, *, epochs: int, seconds: float) -> Curve:
    """Return a toy config's curve: a saturating exponential with noise; the seed alone decides what the config leaves open."""
    rng = np.random.default_rng(seed)
    height = 0.5 + 0.4 * (1 - abs(config.get("quality", rng.random()) - 0.7))
    rises = 1 - np.exp(-config.get("speed", 1.0) * np.arange(1, epochs + 1))
    cost = seconds * (2 if config["family"] == FAMILIES[1] else 1)
    return [(float(value), cost) for value in height * rises + rng.normal(0, 0.01, epochs)]


class Toy(tune.Trainable):
    """Sleeps through a toy curve, as slowly as its seconds say."""

    def setup(self, config: dict[str, Any], epochs: int, seconds: float) -> None:  # type: ignore[override]
        self.shape = {"epochs": epochs, "seconds": seconds}
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.curve, self.epoch = toy_curve(new_config["trial"], new_config["seed"], **self.shape), int(new_config["reported"])
        return True

    def step(self) -> dict[str, Any]:
        value, seconds = self.curve[self.epoch]
        self.epoch += 1
        time.sleep(seconds)
        complete = self.epoch == len(self.curve)
        facts = {"epochs": self.epoch, "seconds": sum(s for _, s in self.curve[: self.epoch]), "worker": f":{os.getpid()}"}
        return {"epoch": self.epoch, "value": value, "complete": complete, "done": complete, "ended_by": "max_epochs" * complete, **facts}


class Quiet(Silent):
    """A progress display that shows nothing, and calls `notice(n)` whenever another `every` trials have ended."""

    def __init__(self, every: int = 0, notice: Callable[[int], None] = lambda n: None) -> None:
        self.every, self.notice, self.ended = every, notice, 0

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.ended += 1
        if self.every and self.ended % self.every == 0:
            self.notice(self.ended)


def quiet() -> None:
    """Let Optuna and Ray Tune say nothing but errors."""
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def start_ray(slots: int) -> None:
    """Start a quiet Ray of so many CPUs, or stay in the one that this process has joined."""
    quiet()
    if not ray.is_initialized():
        ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


def sqlite_study(folder: Path) -> Study:
    """Make an empty study on the storage that searches use."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}", engine_kwargs={"connect_args": {"timeout": 60}})
    return Study(optuna.create_study(storage=storage, study_name="toy", direction="maximize"), folder)


def run_toy(folder: Path, settings: SearchSettings, *, seconds: float, space: SearchSpace = TOY_SPACE, view: Quiet | None = None) -> Study:
    """Run a real search of toy trials to its end and return its study."""
    register_pickle_by_value(sys.modules[__name__])  # workers of a Ray that was there before can't import this file
    study, shared = sqlite_study(folder), {"epochs": settings.epochs, "seconds": seconds}
    outcome = run_search(Toy, space, shared, settings, study=study, view=lambda stats: view or Quiet())
    assert outcome.done, "the search was interrupted"
    assert not study.last_failure(), study.last_failure()  # what failed took no time, and would flatter
    return study
