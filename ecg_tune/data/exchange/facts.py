"""Check what `dataset.json`, or a user, says about a tree, before any array is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecg_tune.data.exchange.layout import FACTS, IMAGE_FOLDERS
from ecg_tune.data.prepared.facts import STATED, Checks, check_facts
from ecg_tune.data.sources.record_list import check_class_names
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import LARGEST_HEADER, check_size

CHECKS: Checks = {
    **STATED,
    "images": (
        lambda value: isinstance(value, dict) and value.get("folder") in IMAGE_FOLDERS,
        f"of the folder {' or '.join(IMAGE_FOLDERS)}",
    ),
}


def read_facts(path: Path) -> dict[str, Any]:
    """Read `dataset.json`, which holds all of `FACTS`; their values are for `checked_facts` to check.

    Raises:
        DataError: It is too large, no JSON, or lacks a fact.
    """
    check_size(path, most=LARGEST_HEADER)
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in FACTS if key not in facts]
        if not isinstance(facts, dict):
            raise TypeError("no object")
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}): export the data again, or remove the file and give its facts by flags") from error
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: export the data again, or remove the file and give its facts by flags")
    return facts


def checked_facts(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keep the facts that are known, each of the right type.

    Raises:
        DataError: Names the fact, its value and what it must be.
    """
    check_facts(facts, CHECKS, where)
    if "class_names" in facts:
        check_class_names(facts["class_names"], where)
    return {name: facts[name] for name in CHECKS if name in facts}
