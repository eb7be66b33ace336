"""The search methods that `efficiency.py` compares, behind the same methods: this project's engine, Ray Tune's classes, Optuna's, peers."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import optuna
from curve_bank import ranges_of
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from ecg_tune.config import SearchSettings
from ecg_tune.errors import UsageError
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.virtual_time import Silent
from ecg_tune.search.space import SearchSpace
from ecg_tune.study.study import Study

ENDLESS = 100_000
"""Trials: the benchmark stops a search, not the search itself."""


class OurEngine(SearchEngine):
    """The project's engine on a study in memory. A bank's space has no defaults: all methods start without knowledge."""

    def __init__(self, space: SearchSpace, *, families: tuple[str, ...], epochs: int, seed: int, **settings: Any) -> None:
        search_settings = SearchSettings(families=families, profile="small", trials=ENDLESS, max_epochs=epochs, seed=seed, **settings)
        super().__init__(Study.in_memory(), space, search_settings, Silent())

    def params(self, number: int) -> dict[str, Any]:
        """Look up the parameters that the sampler suggested."""
        return self.study.optuna.get_trials(deepcopy=False)[number].params


class RayEngine:
    """Ray's `OptunaSearch` and `ASHAScheduler` as shipped, called in the order of Tune's controller.

    Their behaviour is left as it is: the searcher gets the result on which a trial was stopped only as its final value, pruned
    trials are recorded as complete, and a trial with NaN is not stopped and stays RUNNING.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        families: tuple[str, ...],
        epochs: int,
        seed: int,
        sampler: Callable[[int], BaseSampler] | None = None,
        **scheduler: Any,
    ) -> None:
        self.settings = SearchSettings(families=families, profile="small", trials=ENDLESS, max_epochs=epochs, seed=seed)
        self.only = families[0]
        self.suggested: list[dict[str, Any]] = []
        logging.getLogger("ray.tune").setLevel(logging.ERROR)
        suggester: dict[str, Any] = {"sampler": sampler(seed)} if sampler else {"seed": seed}
        self.searcher = OptunaSearch(lambda trial: dict(space.suggest(trial).config), metric="value", mode="max", **suggester)
        self.scheduler = ASHAScheduler(metric="value", mode="max", max_t=epochs, **scheduler)

    def next_assignment(self) -> Assignment:
        """Get a config from the searcher and add the new trial to the scheduler."""
        number = len(self.suggested)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.searcher.suggest(str(number))
        trial = self.searcher._ot_trials[str(number)]
        self.suggested.append(trial.params)
        self.scheduler.on_trial_add(None, _stub(number))
        return Assignment(number, trial.params.get("family", self.only), {}, 0, "", 0)

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Pass a result on: a trial's last one goes to neither, one that stops it not to the searcher."""
        if result["complete"]:
            return False
        flat = _flat(result)
        if self.scheduler.on_trial_result(None, _stub(number), flat) == TrialScheduler.STOP:
            return True
        self.searcher.on_trial_result(str(number), flat)
        return False

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """Report the end of a trial to both."""
        self.scheduler.on_trial_complete(None, _stub(number), _flat(result))
        self.searcher.on_trial_complete(str(number), result=_flat(result))

    def params(self, number: int) -> dict[str, Any]:
        """Look up the parameters that the sampler suggested."""
        return self.suggested[number]


def _stub(number: int) -> Any:
    """Stand in for a trial; the scheduler only reads its id."""
    return SimpleNamespace(trial_id=str(number))


def _flat(result: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, "training_iteration": result["epoch"]}


class OptunaEngine:
    """Optuna's TPE with one of its pruners, as its tutorial has it: `ask`, `report`, `should_prune`, `tell`."""

    def __init__(
        self, space: SearchSpace, *, families: tuple[str, ...], epochs: int, seed: int, pruner: Callable[[int], BasePruner]
    ) -> None:
        self.settings = SearchSettings(families=families, profile="small", trials=ENDLESS, max_epochs=epochs, seed=seed)
        self.space, self.only = space, families[0]
        self.study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=seed), pruner=pruner(epochs))
        self.trials: dict[int, optuna.Trial] = {}

    def next_assignment(self) -> Assignment:
        """Sample a trial."""
        trial = self.study.ask()
        self.space.suggest(trial)
        self.trials[trial.number] = trial
        return Assignment(trial.number, str(trial.params.get("family", self.only)), {}, 0, "", 0)

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Report a value and return whether the pruner stops the trial."""
        self.trials[number].report(float(result["value"]), int(result["epoch"]))
        return not result["complete"] and self.trials[number].should_prune()

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """End a trial: with its best value, as pruned, or as failed."""
        trial = self.trials[number]
        reported = self.study._storage.get_trial(trial._trial_id).intermediate_values
        if result.get("fail_reason"):
            self.study.tell(trial, state=TrialState.FAIL)
        elif result["complete"]:
            self.study.tell(trial, max(reported.values()))
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def params(self, number: int) -> dict[str, Any]:
        """Look up the parameters that the sampler suggested."""
        return self.trials[number].params


class PeerEngine:
    """A search of another library, in a process of an environment that has it (`peers/searchers.py`)."""

    python: ClassVar[str | None] = None
    """The environment's interpreter."""

    def __init__(self, space: SearchSpace, *, families: tuple[str, ...], epochs: int, seed: int, searcher: str) -> None:
        self.settings = SearchSettings(families=families, profile="small", trials=ENDLESS, max_epochs=epochs, seed=seed)
        self.ranges = {family: ranges_of(space, family) for family in families}
        self.suggested: dict[int, dict[str, Any]] = {}
        spaces = {family: {name: _plain(one) for name, one in own.items() if not one.single()} for family, own in self.ranges.items()}
        self._ask("begin", searcher=searcher, families=spaces, epochs=epochs, seed=seed)

    def next_assignment(self) -> Assignment:
        """Start a trial, or go on with one."""
        number, params, reported = self._ask("ask")
        family = params.get("family", next(iter(self.ranges)))
        self.suggested[number] = {name: _value(one, params.get(name, 0)) for name, one in self.ranges[family].items()}
        return Assignment(number, family, {}, 0, "", reported)

    def record(self, number: int, result: Mapping[str, Any]) -> bool:
        """Report an epoch and return whether the trial ends or waits."""
        return bool(self._ask("record", number=number, epoch=result["epoch"], value=float(result["value"]), complete=result["complete"]))

    def close(self, number: int, result: Mapping[str, Any]) -> None:
        """End a trial."""
        self._ask("close", number=number, failed="fail_reason" in result)

    def params(self, number: int) -> dict[str, Any]:
        """Look up the parameters that the library suggested."""
        return self.suggested[number]

    def _ask(self, name: str, **arguments: Any) -> Any:
        assert self.python is not None
        process = peers_process(self.python)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([name, arguments]) + "\n")
        if not (answer := process.stdout.readline()):
            raise RuntimeError(f"the process of {self.python} ended: what it said is above")
        return json.loads(answer)


def check_peers(python: str | None) -> None:
    """Refuse an interpreter that can't run the peers."""
    try:
        found = subprocess.run([str(python), "-c", "import dehb, smac, syne_tune"], capture_output=True, check=False).returncode == 0
    except OSError:
        found = False
    if not found:
        raise UsageError(f"{python} has no dehb, smac, syne_tune: name an environment with peers/searchers-requirements.txt by --peers")


@cache
def peers_process(python: str) -> subprocess.Popen[str]:
    """Start a process that answers until this one ends, one search after the other."""
    script = str(Path(__file__).parent / "peers" / "searchers.py")
    in_order = {**os.environ, "PYTHONHASHSEED": "0"}  # SMAC goes through sets of configs: else a seed's search would differ each time
    return subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=in_order)


def _plain(range_: BaseDistribution) -> dict[str, Any]:
    if isinstance(range_, CategoricalDistribution):
        return {"choices": len(range_.choices)}
    assert isinstance(range_, (FloatDistribution, IntDistribution))
    return {"low": range_.low, "high": range_.high, "log": range_.log, "whole": isinstance(range_, IntDistribution)}


def _value(range_: BaseDistribution, given: Any) -> Any:
    """Map what a library suggested to a parameter's value; one that has a single value was not asked for."""
    if isinstance(range_, CategoricalDistribution):
        return range_.choices[int(given)]
    assert isinstance(range_, (FloatDistribution, IntDistribution))
    return range_.low if range_.single() else given
