"""Searches of other libraries, driven over a pipe by `efficiency.py --peers ENV/bin/python`, in an environment that has them.

Syne Tune's BOHB, MOBSTER and DyHPO, SMAC's multi-fidelity facade, DEHB: each as shipped, asked and told through its own interface. A
line that comes in is `[NAME, ARGUMENTS]`, one that goes out is the answer, both JSON:

- `begin` a search: `searcher`, `families` (of each its parameters, `{"choices": 3}` or `{"low": …, "high": …, "log": …, "whole": …}`),
  `epochs` at most, `seed`.
- `ask` for a trial: its number, its parameters by name (a choice as its index), and its epochs so far.
- `record` an epoch: whether the trial ends here, for now or for good.
- `close` a trial that ended.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

Families = Mapping[str, Mapping[str, Mapping[str, Any]]]
Answer = tuple[int, Mapping[str, Any], int]
"""Number, parameters, epochs so far."""


class SyneTune:
    """A scheduler of Syne Tune, called as its `Tuner` does. Its spaces know no conditions: every config has all families' parameters.

    The first config is the middle of the space, as shipped.
    """

    def __init__(self, kind: str, families: Families, *, epochs: int, seed: int) -> None:
        from syne_tune.config_space import choice
        from syne_tune.optimizer import legacy_baselines

        space = {name: self._domain(one) for own in families.values() for name, one in own.items()} | {"epochs": epochs}
        if len(families) > 1:
            space["family"] = choice(list(families))
        how: dict[str, Any] = {"metric": "value", "mode": "max", "resource_attr": "epoch", "max_resource_attr": "epochs"}
        self.scheduler = getattr(legacy_baselines, kind)(space, random_seed=seed, **how)
        self.trials: list[Any] = []
        self.reached: list[int] = []

    @staticmethod
    def _domain(one: Mapping[str, Any]) -> Any:
        from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform

        if "choices" in one:
            return choice([str(at) for at in range(one["choices"])])
        kinds = {(True, True): lograndint, (True, False): randint, (False, True): loguniform, (False, False): uniform}
        return kinds[one["whole"], one["log"]](one["low"], one["high"])

    def ask(self) -> Answer:
        """Start a trial, or resume one that the scheduler has paused."""
        from syne_tune.backend.trial_status import Trial

        suggestion = self.scheduler.suggest(len(self.trials))
        if not suggestion.spawn_new_trial_id:
            number = suggestion.checkpoint_trial_id
            self.trials[number].config = suggestion.config
        else:
            number = len(self.trials)
            self.trials.append(Trial(number, suggestion.config, datetime.now()))
            self.reached.append(0)
            self.scheduler.on_trial_add(self.trials[number])
        return number, self.trials[number].config, self.reached[number]

    def record(self, number: int, epoch: int, value: float, complete: bool) -> bool:
        """Report an epoch."""
        self.reached[number] = epoch
        trial, result = self.trials[number], {"value": value, "epoch": epoch}
        ends = self.scheduler.on_trial_result(trial, result) != "CONTINUE"
        if ends:
            self.scheduler.on_trial_remove(trial)
        elif complete:
            self.scheduler.on_trial_complete(trial, result)
        return bool(ends)

    def close(self, number: int, failed: bool) -> None:
        """Report a failure; a trial that ended otherwise has been reported with its last epoch."""
        if failed:
            self.scheduler.on_trial_error(self.trials[number])


class WithBudgets(ABC):
    """A library that asks for a config with a budget, and is told the config's best value up to it; of a failed one, 0.

    A config that is asked for with a larger budget goes on from its last epoch. What is known of it already is told at once.
    """

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.values: list[list[float]] = []
        self.jobs: dict[int, tuple[Any, int]] = {}
        self.ended: set[int] = set()

    @abstractmethod
    def next_job(self) -> tuple[Any, Any, Mapping[str, Any], float]:
        """Return a job of the library: itself, what is one config's own, the parameters, the budget."""

    @abstractmethod
    def tell(self, job: Any, cost: float) -> None:
        """Report a job's cost, 1 less the value."""

    def ask(self) -> Answer:
        """Start a trial, or go on with one."""
        while True:
            job, config, params, budget = self.next_job()
            number = self.numbers.get(config, len(self.values))
            if number == len(self.values) or number in self.jobs:  # new; or the same config a second time, while it runs
                number = self.numbers[config] = len(self.values)
                self.values.append([])
            values, epochs = self.values[number], round(budget)
            if len(values) < epochs and number not in self.ended:
                self.jobs[number] = job, epochs
                return number, params, len(values)
            self.tell(job, 1 - max(values[:epochs]))

    def record(self, number: int, epoch: int, value: float, complete: bool) -> bool:
        """Note an epoch, and end the trial at its budget."""
        self.values[number].append(value)
        return epoch >= self.jobs[number][1]

    def close(self, number: int, failed: bool) -> None:
        """Tell the library; a trial that ended before its budget has no more epochs to go on with."""
        job, epochs = self.jobs.pop(number)
        if failed:
            self.values[number] = [0.0]
        if len(self.values[number]) < epochs:
            self.ended.add(number)
        self.tell(job, 1 - max(self.values[number][:epochs]))


class Smac(WithBudgets):
    """SMAC's `MultiFidelityFacade` (random forest, expected improvement, Hyperband) on a conditional space."""

    def __init__(self, families: Families, *, epochs: int, seed: int) -> None:
        from smac import MultiFidelityFacade, Scenario

        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        budgets = {"min_budget": 1, "max_budget": epochs}
        scenario = Scenario(conditional_space(families), output_directory=Path(self.folder.name), seed=seed, **budgets)
        self.smac = MultiFidelityFacade(scenario, logging_level=logging.ERROR, overwrite=True)

    def next_job(self) -> tuple[Any, Any, Mapping[str, Any], float]:
        job = self.smac.ask()
        return job, job.config, dict(job.config), job.budget

    def tell(self, job: Any, cost: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self.smac.tell(job, TrialValue(cost), save=False)


class Dehb(WithBudgets):
    """DEHB on a conditional space. It promotes configs only in its first brackets; later ones are new configs at every budget."""

    def __init__(self, families: Families, *, epochs: int, seed: int) -> None:
        from dehb import DEHB

        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        fidelities = {"min_fidelity": 1, "max_fidelity": epochs}
        files = {"output_path": self.folder.name, "save_freq": "end"}
        self.dehb = DEHB(cs=conditional_space(families), seed=seed, n_workers=1, **fidelities, **files)

    def next_job(self) -> tuple[Any, Any, Mapping[str, Any], float]:
        job = self.dehb.ask()
        return job, int(job["config_id"]), dict(job["config"]), job["fidelity"]

    def tell(self, job: Any, cost: float) -> None:
        self.dehb.tell(job, {"fitness": cost, "cost": job["fidelity"]})


def conditional_space(families: Families) -> Any:
    """Return a space in which each family's parameters are active where the family is chosen."""
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

    space = ConfigurationSpace()
    family = Categorical("family", list(families))
    if len(families) > 1:
        space.add(family)
    for value, own in families.items():
        for name, one in own.items():
            if "choices" in one:
                parameter = Categorical(name, [str(at) for at in range(one["choices"])])
            else:
                parameter = (Integer if one["whole"] else Float)(name, (one["low"], one["high"]), log=one["log"])
            space.add(parameter)
            if len(families) > 1:
                space.add(EqualsCondition(parameter, family, value))
    return space


SEARCHERS: dict[str, Callable[..., SyneTune | WithBudgets]] = {
    "bohb": lambda families, **how: SyneTune("BOHB", families, **how),
    "mobster": lambda families, **how: SyneTune("MOBSTER", families, **how),
    "dyhpo": lambda families, **how: SyneTune("DyHPO", families, **how),
    "smac": Smac,
    "dehb": Dehb,
}


def begin(searcher: str, families: Families, epochs: int, seed: int) -> SyneTune | WithBudgets:
    """Begin a search. Libraries that draw from the global generators do so from the same seed."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    return SEARCHERS[searcher](families, epochs=epochs, seed=seed)


def main() -> None:
    """Answer until the questions end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    search: Any = None
    for line in sys.stdin:
        name, arguments = json.loads(line)
        if name == "begin":
            search, answer = begin(**arguments), None
        else:
            answer = {"ask": search.ask, "record": search.record, "close": search.close}[name](**arguments)
        print(json.dumps(answer, default=lambda number: number.item()), file=answers, flush=True)


if __name__ == "__main__":
    main()
