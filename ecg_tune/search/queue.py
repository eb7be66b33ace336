"""Configs to try before anything is drawn: the families' classic ones, then the user's own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial

from ecg_tune.search.space import Proposal, SearchSpace

QUEUED = "queue"
"""`superseded_by` of a row that somebody else left open: the row that is made of it is not known yet."""


@dataclass(frozen=True)
class Item:
    """What the next trial is given; nothing by default.

    Attributes:
        params: Parameters that are fixed; the rest is drawn.
        key: Name under which the study remembers it, so that it is tried once.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    is_default: bool = False


class Queue:
    """Hands the configs out in order, each once a study."""

    def __init__(self, space: SearchSpace, rows: Iterable[FrozenTrial]) -> None:
        rows = list(rows)
        known = {row.user_attrs.get("queued") for row in rows}
        items = [Item(params, f"default {n}", is_default=True) for n, params in enumerate(space.defaults)]
        items += [Item(params, json.dumps(params, sort_keys=True)) for params in space.queued]
        left_open = [row for row in rows if row.user_attrs.get("superseded_by") == QUEUED]
        items += [Item(row.system_attrs.get("fixed_params", row.params), f"row {row.number}") for row in left_open]
        self.items = [item for item in items if item.key not in known]

    def next(self) -> Item:
        """Return the next one; an empty one when all were tried."""
        return self.items.pop(0) if self.items else Item()


def suggested(space: SearchSpace, params: Mapping[str, Any]) -> tuple[Proposal, dict[str, BaseDistribution]]:
    """Return what complete parameters stand for, and the distributions that they are of."""
    fixed = FixedTrial(dict(params))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a value out of range: refused where the row is made
        proposal = space.suggest(fixed)
    return proposal, dict(fixed.distributions)
