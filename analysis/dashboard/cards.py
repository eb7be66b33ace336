"""What the page tells of every trial: the card of a chosen one, and what the filter goes by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

from analysis.dashboard.frames import TrialRow

MOST_TEXT = 2000
"""Characters of a failure's text that a page keeps: the last ones, where the error is."""
TEXTS = ("params", "config", "failure")
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

Card = dict[str, Any]


def trial_cards(rows: Iterable[TrialRow]) -> dict[int, Card]:
    """Return number → what the trial's card shows, plain data; what is not known is left out."""
    return {row.number: {name: value for name, value in _card(row).items() if value is not None} for row in rows}


def packed(cards: Iterable[Card]) -> dict[str, Any]:
    """Return cards whose texts are lists of places in `lines`: two thousand configs share most of their lines."""
    places: dict[str, int] = {}

    def place(line: str) -> int:
        return places.setdefault(line, len(places))

    short = [{**card, **{name: [place(line) for line in card[name].split("\n")] for name in TEXTS if name in card}} for card in cards]
    return {"cards": short, "lines": list(places)}


def as_yaml(values: Mapping[str, Any]) -> str:
    """Return plain data as YAML text that reads back equal."""
    return str(yaml.dump(dict(values), Dumper=Dumper, sort_keys=False, allow_unicode=True)).rstrip("\n")


def _card(row: TrialRow) -> Card:
    epochs = list(row.intermediate)
    return {
        "number": row.number,
        "family": row.family,
        "state": row.state,
        "default": row.is_default or None,
        "value": row.value,
        "reached": None if row.value is not None else row.reached,
        "best_epoch": row.best_epoch,
        "epochs": row.epochs,
        "seconds": None if row.seconds is None else round(row.seconds, 1),
        "ended_by": row.ended_by,
        "fail_reason": row.fail_reason,
        "failure": row.failure[-MOST_TEXT:] if row.failure else None,
        "continued_from": row.continued_from,
        "start": _time(row.start),
        "end": _time(row.end),
        "node": row.node,
        "worker": row.worker,
        "device": row.device,
        "n_parameters": row.n_parameters,
        "seed": row.seed,
        "per_class_auc": _aucs(row.per_class_auc),
        "curve": [float(f"{value:.6g}") for value in row.intermediate.values()] or None,
        "epochs_at": None if epochs == list(range(1, len(epochs) + 1)) else epochs,
        "params": as_yaml(row.params) if row.params else None,
        "config": as_yaml(row.config) if row.config else None,
    }


def _aucs(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else [None if value != value else round(value, 5) for value in values]


def _time(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
