"""A bank of learning curves as a search space: each suggestion is replaced by the nearest recorded config.

Three forms are read:

- a JSON line a config with `family`, `params`, `values`, `seconds`, as `record_curves.py` writes them: the space is the product's;
- the same with `x`, coordinates in 0..1, of which the last `ncat` are the index of a choice;
- `.npz` with V values and S seconds (configs, epochs), fam (configs,), X coordinates (configs, d), ncat (families,), names.

`made_up.py` makes banks of the last form.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from made_up import KINDS, made_up
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial
from record_curves import bank_space

from ecg_tune.search.preview.virtual_time import Curve
from ecg_tune.search.space import Proposal, SearchSpace

FAILED_S = 1.0
"""Virtual seconds of a recorded training that diverged in its first epoch: no seconds were recorded."""
WITHIN, BEST_SHARE = 0.005, 0.02
"""What counts as found: a value within 0.005 AUC of the best of the ECG bank; in other banks the best 2 % of configs."""
FULL_TRAININGS = 40
"""A search of another bank than the ECG one has not found anything after as many epochs as this many full trainings have."""


@dataclass(frozen=True)
class Bank:
    """The recorded configs and their curves.

    Attributes:
        families: Of each config.
        epochs: Epochs of the longest curve.
        peaks: Best value of each config; NaN for one that failed at once.
        target: A search that reports this value has found one of the best.
        limit: Epochs after which a search counts as not having found one.
        repeats: Lines of configs that were trained again with another seed; only the noise is read from them.
    """

    name: str
    space: SearchSpace
    families: list[str]
    params: list[dict[str, Any]]
    curves: list[Curve]
    target: float
    limit: int
    numbers: Sequence[int] = ()
    repeats: Sequence[Mapping[str, Any]] = ()

    @property
    def epochs(self) -> int:
        return max(map(len, self.curves))

    @property
    def names(self) -> tuple[str, ...]:
        """The families, in the order of their first config."""
        return tuple(sorted(set(self.families)))

    @property
    def peaks(self) -> NDArray[np.float64]:
        return peaks_of(self.curves)

    def facts(self) -> dict[str, Any]:
        """Summarise the bank: its size, its best configs, and the noise of its values."""
        peaks = self.peaks
        order = np.argsort(-np.nan_to_num(peaks, nan=-math.inf))
        targets = [int(i) for i in order if peaks[i] >= self.target]
        earliest = min(next(n for n, (value, _) in enumerate(self.curves[i], 1) if value >= self.target) for i in targets)
        return {
            "name": self.name,
            "configs": len(self.curves),
            "epochs": self.epochs,
            "limit": self.limit,
            "best": float(peaks[order[0]]),
            "tenth": float(peaks[order[min(9, len(order) - 1)]]),
            "target": self.target,
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
            own = self.peaks[list(self.numbers).index(number)]
            message.append(f"config {number}: {own:.4f} here, {len(peaks)} other seeds {peaks.mean():.4f} ± {peaks.std(ddof=1):.4f}")
        return "; ".join(message) or "not measured (no config was trained twice)"


def read_bank(source: str) -> Bank:
    """Read a bank from a file, or make one up.

    Args:
        source: Path of a `.jsonl` or `.npz` file, or `KIND` or `KIND:SEED` of a made-up one.
    """
    kind, _, seed = source.partition(":")
    if kind in KINDS:
        return _from_arrays(source, made_up(kind, int(seed or 0)))
    path = Path(source)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return _from_arrays(path.stem, {name: arrays[name] for name in arrays})
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return _from_coordinates(path.stem, lines) if "x" in lines[0] else _from_product(path.stem, lines)


def peaks_of(curves: Sequence[Curve]) -> NDArray[np.float64]:
    """Return the best value of each curve."""
    return np.array([max(value for value, _ in curve) for curve in curves])


def _from_product(name: str, lines: list[dict[str, Any]]) -> Bank:
    """Read configs of the product's own space, whose best are those within `WITHIN`."""
    rows = [line for line in lines if "repeat_of" not in line]
    curves: list[Curve] = [list(zip(r["values"], r.get("seconds", []), strict=True)) or [(math.nan, FAILED_S)] for r in rows]
    return Bank(
        name,
        SearchSpace(bank_space(max(map(len, curves))).suggest),  # without the defaults: no method shall know them
        [str(row["family"]) for row in rows],
        [dict(row["params"]) for row in rows],
        curves,
        target=float(np.nanmax(peaks_of(curves))) - WITHIN,
        limit=sum(map(len, curves)),
        numbers=[int(row["number"]) for row in rows],
        repeats=[line for line in lines if "repeat_of" in line],
    )


def _from_coordinates(name: str, lines: list[dict[str, Any]]) -> Bank:
    names = sorted({str(line["family"]) for line in lines})
    categories = {line["family"]: int(line["ncat"]) for line in lines}
    curves: list[Curve] = [list(zip(line["values"], line["seconds"], strict=True)) for line in lines]
    points = [[float(x) for x in line["x"]] for line in lines]
    return _on_the_unit_cube(name, names, [str(line["family"]) for line in lines], points, categories, curves)


def _from_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> Bank:
    names = [str(family) for family in arrays["names"]]
    curves: list[Curve] = [
        [(float(value), float(cost)) for value, cost in zip(values, costs, strict=True)]
        for values, costs in zip(arrays["V"], arrays["S"], strict=True)
    ]
    categories = dict(zip(names, map(int, arrays["ncat"]), strict=True))
    return _on_the_unit_cube(name, names, [names[i] for i in arrays["fam"]], arrays["X"].tolist(), categories, curves)


def _on_the_unit_cube(
    name: str, names: list[str], families: list[str], points: list[list[float]], categories: Mapping[str, int], curves: list[Curve]
) -> Bank:
    """Make a bank whose families have parameters x0, x1, … in 0..1, the last ones categorical."""
    ranges: dict[str, dict[str, BaseDistribution]] = {}
    for family in names:
        own = [point for of, point in zip(families, points, strict=True) if of == family]
        first_choice = len(own[0]) - categories[family]
        ranges[family] = {
            f"{family}.x{at}": FloatDistribution(0, 1)
            if at < first_choice
            else CategoricalDistribution(tuple(range(int(max(point[at] for point in own)) + 1)))
            for at in range(len(own[0]))
        }

    def suggest(trial: BaseTrial) -> Proposal:
        family = str(trial.suggest_categorical("family", tuple(names))) if len(names) > 1 else names[0]
        config = {name: trial._suggest(name, range_) for name, range_ in ranges[family].items()}  # type: ignore[attr-defined]
        return Proposal(family=family, config={"family": family, **config})

    params = [
        {"family": family, **dict(zip(ranges[family], _values(point, categories[family]), strict=True))}
        for family, point in zip(families, points, strict=True)
    ]
    peaks = np.sort(peaks_of(curves))[::-1]
    target = float(peaks[max(0, math.ceil(BEST_SHARE * len(peaks)) - 1)])
    epochs = max(map(len, curves))
    return Bank(name, SearchSpace(suggest), families, params, curves, target=target, limit=FULL_TRAININGS * epochs)


def _values(point: list[float], n_categorical: int) -> list[Any]:
    first_choice = len(point) - n_categorical
    return [*point[:first_choice], *(int(choice) for choice in point[first_choice:])]


class BankSearch:
    """One search's use of a bank: each config is given once, and again only when its family has no unused one left."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.uses = [0] * len(bank.curves)
        self.members = {family: [i for i, own in enumerate(bank.families) if own == family] for family in bank.names}
        self.scales = {family: ranges_of(bank.space, family) for family in bank.names}
        self.points = {
            family: [_position(bank.params[i], self.scales[family]) for i in members] for family, members in self.members.items()
        }

    def curve(self, family: str, params: Mapping[str, Any]) -> Curve:
        """Return the curve of the nearest config among the least used ones of the suggestion's family."""
        position = _position(params, self.scales[family])
        members = zip(self.members[family], self.points[family], strict=True)
        chosen = min(members, key=lambda member: (self.uses[member[0]], _distance(position, member[1])))[0]
        self.uses[chosen] += 1
        return self.bank.curves[chosen]


def ranges_of(space: SearchSpace, family: str) -> dict[str, BaseDistribution]:
    """Return the ranges of a family's own parameters, as the space suggests them."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({"family": family})
    trial = study.ask()
    space.suggest(trial)
    return {name: range_ for name, range_ in trial.distributions.items() if name != "family"}


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
