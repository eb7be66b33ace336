"""What the facts of a data set may be: those of a manifest, and those that an imported tree states. Both may come from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ecg_tune.config import LEAD_NAMES
from ecg_tune.errors import DataError

Checks = Mapping[str, tuple[Callable[[Any], bool], str]]
"""Fact → what it must fulfil, and how a message says that."""
SPLITS = ("train", "validation", "test")
REQUIRED = (
    *("class_names", "leads", "sampling_rate_hz", "n_samples", "split", "label_rule", "normalisation", "synthetic"),
    *("counts", "digests", "fingerprint"),
)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_text, value)) and len(set(value)) == len(value)


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(_whole(count, 0, 10**12) for count in value.values())


def _counts_of_splits(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(SPLITS) and all(_counts(own) and "records" in own for own in value.values())


def _rule(value: Any) -> bool:
    return isinstance(value, dict) and _text(value.get("text")) and isinstance(value.get("min_likelihood"), int | float)


def _normalisation(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("kind") not in ("global", "record", "none"):
        return False
    scale = value.get("scale_mv", 1.0)
    return isinstance(scale, int | float) and abs(scale) < 2**63 and (scale > 0 or value["kind"] == "none")


def _images(value: Any) -> bool:
    return isinstance(value, dict) and _whole(value.get("n_channels"), 1, 10_000) and _whole(value.get("size"), 1, 100_000)


STATED: Checks = {
    "class_names": (_names, "different names of classes"),
    "leads": (
        lambda value: value == [] or (_names(value) and set(value) <= set(LEAD_NAMES)),
        f"different leads of {', '.join(LEAD_NAMES)}",
    ),
    "sampling_rate_hz": (lambda value: _whole(value, 0, 0) or _whole(value, 50, 20_000), "a whole number of 50 to 20,000"),
    "n_samples": (lambda value: _whole(value, 0, 10**7), "a whole number from 0 on"),
    "split": (_text, "a text"),
    "label_rule": (_rule, "an object with text and min_likelihood"),
    "normalisation": (_normalisation, "of the kind global or record with scale_mv above 0, or none without signals"),
    "synthetic": (lambda value: isinstance(value, bool), "true or false"),
    "source": (lambda value: isinstance(value, dict) and _text(value.get("name")), "an object with a name"),
    "labels": (_text, "a text"),
    "patients_known": (lambda value: isinstance(value, bool), "true or false"),
    "rare_classes": (lambda value: isinstance(value, dict), "an object"),
    "limit": (lambda value: _counts(value) and {"read", "of"} <= set(value), "an object with read and of"),
    "exclusions": (_counts, "an object of counts"),
}
"""Facts that a tree may state, too."""

MANIFEST_FACTS: Checks = {
    **STATED,
    "normalisation": (
        lambda value: _normalisation(value) and (value["kind"] != "global" or "scale_mv" in value),
        STATED["normalisation"][1],
    ),
    "label_rule": (
        lambda value: _text(value) or (isinstance(value, dict) and _rule({"text": "", "min_likelihood": 0, **value})),
        "a text, or an object with text and min_likelihood",
    ),
    "source": (lambda value: isinstance(value, dict), "an object"),
    "counts": (_counts_of_splits, f"counts of {', '.join(SPLITS)}, each with records"),
    "digests": (lambda value: isinstance(value, dict) and all(map(_text, value.values())), "an object of texts"),
    "origins": (lambda value: isinstance(value, dict) and all(own is None or _text(own) for own in value.values()), "an object of texts"),
    "fingerprint": (_text, "a text"),
    "images": (lambda value: _images(value) and _text(value.get("folder")), "an object with folder, n_channels and size"),
    "test_records": (_text, "a text"),
    "taught": (lambda value: isinstance(value, dict) and all(map(_text, value)), "an object"),
    "quality": (_counts, "an object of counts"),
    "equal_records": (_counts, "an object of counts"),
    "adapted": (_counts, "an object of counts"),
    "damaged": (lambda value: isinstance(value, dict), "an object"),
    "ptbxl_checksum": (lambda value: isinstance(value, dict) and {"listed", "record_files"} <= set(value), "an object of counts"),
    "class_of": (lambda value: isinstance(value, dict), "an object"),
    "superclass_of": (lambda value: isinstance(value, dict), "an object"),
    "source_folder": (_text, "a text"),
}
"""Facts of a manifest; it may hold more."""


def check_facts(facts: Mapping[str, Any], checks: Checks, where: str, *, required: tuple[str, ...] = ()) -> None:
    """Refuse facts of other types than they must have.

    Raises:
        DataError: Names the first fact, its value and what it must be.
    """
    for name, (fulfils, wanted) in checks.items():
        if name in facts and not fulfils(facts[name]):
            raise DataError(f"{where}: {name} is {repr(facts[name])[:60]}, and must be {wanted}")
        if name in required and name not in facts:
            raise DataError(f"{where}: {name} is missing, and must be {wanted}")
