"""Check what `dataset.json`, or a user, says about a tree, before any array is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.sources.record_list import check_class_names
from ecg_tune.errors import DataError


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(_whole(count, 0, 10**12) for count in value.values())


def _rule(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str) and isinstance(value.get("min_likelihood"), int | float)


CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "class_names": (_names, "different names of classes"),
    "leads": (lambda value: _names(value) and set(value) <= set(LEAD_NAMES), f"different leads of {', '.join(LEAD_NAMES)}"),
    "sampling_rate_hz": (lambda value: _whole(value, 50, 20_000), "a whole number of 50 to 20,000"),
    "n_samples": (lambda value: _whole(value, 1, 10**7), "a whole number from 1 on"),
    "split": (lambda value: isinstance(value, str), "a text"),
    "label_rule": (_rule, "an object with text and min_likelihood"),
    "normalisation": (lambda value: isinstance(value, dict) and value.get("kind") in ("global", "record"), "of the kind global or record"),
    "synthetic": (lambda value: isinstance(value, bool), "true or false"),
    "source": (lambda value: isinstance(value, dict) and isinstance(value.get("name"), str), "an object with a name"),
    "labels": (lambda value: isinstance(value, str), "a text"),
    "rare_classes": (lambda value: isinstance(value, dict), "an object"),
    "limit": (lambda value: _counts(value) and {"read", "of"} <= set(value), "an object with read and of"),
    "exclusions": (_counts, "an object of counts"),
}


def checked_facts(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keep the facts that are known, each of the right type.

    Raises:
        DataError: Names the fact, its value and what it must be.
    """
    for name, (check, wanted) in CHECKS.items():
        if name in facts and not check(facts[name]):
            raise DataError(f"{where}: {name} is {str(facts[name])[:60]!r}, and must be {wanted}")
    if "class_names" in facts:
        check_class_names(facts["class_names"], where)
    return {name: facts[name] for name in CHECKS if name in facts}
