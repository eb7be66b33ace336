"""Check what `dataset.json`, or a user, says about a tree, before any array is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecg_tune.data.exchange.layout import IMAGE_FOLDERS
from ecg_tune.data.prepared.facts import STATED, Checks, check_facts
from ecg_tune.data.sources.record_list import check_class_names

CHECKS: Checks = {
    **STATED,
    "images": (
        lambda value: isinstance(value, dict) and value.get("folder") in IMAGE_FOLDERS,
        f"of the folder {' or '.join(IMAGE_FOLDERS)}",
    ),
}


def checked_facts(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keep the facts that are known, each of the right type.

    Raises:
        DataError: Names the fact, its value and what it must be.
    """
    check_facts(facts, CHECKS, where)
    if "class_names" in facts:
        check_class_names(facts["class_names"], where)
    return {name: facts[name] for name in CHECKS if name in facts}
