"""A bank of real learning curves as a search space: each suggestion is replaced by the nearest recorded config."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from record_curves import bank_space

from ecg_tune.search.preview.virtual_time import Curve

FAILED_S = 1.0
"""Virtual seconds of a recorded training that diverged in its first epoch: no seconds were recorded."""


class Bank:
    """The recorded configs and their curves.

    Attributes:
        epochs: Epochs that every config was trained.
        best: Best value that any config reached in them.
        repeats: Lines of configs that were trained again with another seed; only the noise is read from them.
        total_epochs: What training the whole bank costs.
    """

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [line for line in lines if "repeat_of" not in line]
        self.repeats = [line for line in lines if "repeat_of" in line]
        self.numbers = [int(row["number"]) for row in rows]
        self.curves: list[Curve] = [list(zip(r["values"], r.get("seconds", []), strict=True)) or [(math.nan, FAILED_S)] for r in rows]
        self.families = [str(row["family"]) for row in rows]
        self.epochs = max(map(len, self.curves))
        self.space = bank_space(self.epochs)
        self.peaks = np.array([max(value for value, _ in curve) for curve in self.curves])
        self.best = float(np.nanmax(self.peaks))
        self.total_epochs = sum(map(len, self.curves))
        self.members = {family: [i for i, own in enumerate(self.families) if own == family] for family in sorted(set(self.families))}
        self.scales = {family: self._distributions(family) for family in self.members}
        self.points = {
            family: [_position(rows[i]["params"], self.scales[family]) for i in members] for family, members in self.members.items()
        }

    def facts(self, within: float) -> dict[str, Any]:
        """Summarise the bank: its size, its best configs, and the noise of its values."""
        order = np.argsort(-np.nan_to_num(self.peaks))
        targets = [int(i) for i in order if self.peaks[i] >= self.best - within]
        earliest = min(next(n for n, (value, _) in enumerate(self.curves[i], 1) if value >= self.best - within) for i in targets)
        return {
            "configs": len(self.curves),
            "epochs": self.epochs,
            "total_epochs": self.total_epochs,
            "best": self.best,
            "second": float(self.peaks[order[1]]),
            "tenth": float(self.peaks[order[9]]),
            "within": within,
            "targets": len(targets),
            "target_families": ", ".join(f"{n} {name}" for name, n in Counter(self.families[i] for i in targets).items()),
            "epochs_needed": earliest,
            "noise": self.noise(),
        }

    def noise(self) -> str:
        """Describe what the configs that were trained again reached with other seeds."""
        message = []
        for number in dict.fromkeys(line["repeat_of"] for line in self.repeats):
            peaks = np.array([max(line["values"]) for line in self.repeats if line["repeat_of"] == number])
            own = self.peaks[self.numbers.index(number)]
            message.append(f"config {number}: {own:.4f} here, {len(peaks)} other seeds {peaks.mean():.4f} ± {peaks.std(ddof=1):.4f}")
        return "; ".join(message) or "not measured (no config was trained twice)"

    def _distributions(self, family: str) -> dict[str, BaseDistribution]:
        """Return the ranges of a family's own parameters, as the space suggests them."""
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.enqueue_trial({"family": family})
        trial = study.ask()
        self.space.suggest(trial)
        return {name: range_ for name, range_ in trial.distributions.items() if name != "family"}


class BankSearch:
    """One search's use of a bank: each config is given once, and again only when its family has no unused one left."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.uses = [0] * len(bank.curves)

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """Return the curve of the nearest config among the least used ones of the suggestion's family."""
        family = str(params["family"])
        position = _position(params, self.bank.scales[family])
        members = zip(self.bank.members[family], self.bank.points[family], strict=True)
        chosen = min(members, key=lambda member: (self.uses[member[0]], _distance(position, member[1])))[0]
        self.uses[chosen] += 1
        return self.bank.curves[chosen]


def _position(params: Mapping[str, Any], scales: Mapping[str, BaseDistribution]) -> list[Any]:
    """Map a config to coordinates: numbers as 0..1 over their range, rates by their logarithm; choices as they are."""
    return [_coordinate(params[name], scale) for name, scale in scales.items()]


def _coordinate(value: Any, scale: BaseDistribution) -> Any:
    if isinstance(scale, CategoricalDistribution):
        return str(value)
    assert isinstance(scale, (FloatDistribution, IntDistribution))
    if scale.log:
        return math.log(value / scale.low) / math.log(scale.high / scale.low)
    return (value - scale.low) / max(scale.high - scale.low, 1e-12)


def _distance(one: list[Any], other: list[Any]) -> float:
    """Return the Euclidean distance; two different choices are 1 apart."""
    return math.dist(*zip(*((float(a != b), 0.0) if isinstance(a, str) else (a, b) for a, b in zip(one, other, strict=True)), strict=True))
