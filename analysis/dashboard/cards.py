"""What the page knows about every trial: what the card of the chosen one shows, and what the filter selects by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import yaml

from analysis.dashboard.identity import Same
from analysis.dashboard.trials import RankedTrial

MOST_TEXT = 2000
"""Characters of a failure's text that a page keeps: its end, where the error is."""
TEXTS = ("params", "config", "failure")
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

Card = dict[str, Any]


def trial_cards(trials: Iterable[RankedTrial]) -> dict[int, Card]:
    """Collect what each trial's card shows: number → plain data; what is not known is left out."""
    return {trial.number: {name: value for name, value in _card(trial).items() if value is not None} for trial in trials}


def share_lines(cards: Iterable[Card]) -> dict[str, Any]:
    """Replace the texts of cards by lists of line numbers: two thousand configs have most of their lines in common.

    Returns:
        "cards", and "lines", the list that the numbers count in, from 0.
    """
    numbers: dict[str, int] = {}

    def number(line: str) -> int:
        return numbers.setdefault(line, len(numbers))

    short = [{**card, **{name: [number(line) for line in card[name].split("\n")] for name in TEXTS if name in card}} for card in cards]
    return {"cards": short, "lines": list(numbers)}


def as_yaml(values: Mapping[str, Any]) -> str:
    """Write plain data as YAML text that reads back equal. What is the same object as before is not written again."""
    return _yaml(Same(values))


@lru_cache(maxsize=50_000)
def _yaml(same: Same[Mapping[str, Any]]) -> str:
    values = same.object
    return str(yaml.dump(dict(values), Dumper=Dumper, sort_keys=False, allow_unicode=True)).rstrip("\n")


def _card(trial: RankedTrial) -> Card:
    epochs = list(trial.intermediate)
    return {
        "number": trial.number,
        "family": trial.family,
        "state": trial.shown_state,
        "default": trial.is_default or None,
        "value": trial.value,
        "reached": None if trial.value is not None else trial.best_value,
        "best_epoch": trial.best_epoch,
        "epochs": trial.epochs,
        "seconds": None if trial.seconds is None else round(trial.seconds, 1),
        "ended_by": trial.ended_by,
        "waits": trial.paused or None,
        "set_aside": trial.set_aside or None,
        "story": list(trial.story) or None,
        "note": trial.note or None,
        "tags": list(trial.tags) or None,
        "fail_reason": trial.fail_reason,
        "failure": trial.failure[-MOST_TEXT:] if trial.failure else None,
        "continued_from": trial.continued_from,
        "start": _time(trial.start),
        "end": _time(trial.end),
        "node": trial.node,
        "worker": trial.worker,
        "device": trial.device,
        "n_parameters": trial.n_parameters,
        "seed": trial.seed,
        "per_class_auc": _aucs(trial.per_class_auc),
        "curve": [float(f"{value:.6g}") for value in trial.intermediate.values()] or None,
        "epochs_at": None if epochs == list(range(1, len(epochs) + 1)) else epochs,
        "params": as_yaml(trial.params) if trial.params else None,
        "config": as_yaml(trial.config) if trial.config else None,
    }


def _aucs(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else [None if value != value else round(value, 5) for value in values]


def _time(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
