"""What the attributes of a study and its trials may be. A study may come from elsewhere: what is read is checked first.

Paths and names decide which files are read and removed, so those are checked by their form, all others by their type and size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from ecg_tune.errors import StudyError
from ecg_tune.study.trial import QUEUED
from ecg_tune.timing import PARTS

Check = tuple[Callable[[Any], bool], str]
"""What a value must fulfil, and how a message says that."""

LARGEST_TEXT, LARGEST_LIST, LARGEST_INTEGER = 100_000, 100_000, 2**63
TRIAL_FOLDER = r"checkpoints/trial_\d{5,9}"
DECISION = {"epoch": int, "resumes": bool, "value": float, "mean": float, "sd": float, "best": float, "reason": str}
"""What each decision of a trial holds; it may hold more."""


def _is(value: Any, kind: type) -> bool:
    """Tell whether a value is of a type; a whole number may stand for any, true and false for none."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST_INTEGER
    return isinstance(value, kind) and (not isinstance(value, str) or len(value) <= LARGEST_TEXT)


def _form(pattern: str, words: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None, words


def _list(kind: type, words: str) -> Check:
    return lambda value: _short_list(value) and all(_is(item, kind) for item in value), words


def _short_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= LARGEST_LIST


def _infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _metrics(value: Any) -> bool:
    """Tell whether a value is a list of numbers; null and NaN stand for what is not known."""
    return _short_list(value) and all(item is None or isinstance(item, float) or _is(item, float) for item in value)


def _config(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("family", ""), str):
        return False
    return all(isinstance(value.get(part) or {}, Mapping) for part in ("model", "training", "image"))


def _decision(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is(value.get(name), kind) for name, kind in DECISION.items())


def _timing(value: Any) -> bool:
    return isinstance(value, Mapping) and all(name in PARTS and _is(item, float) and item >= 0 for name, item in value.items())


TEXT: Check = (lambda value: _is(value, str), "a text")
COUNT: Check = (lambda value: _is(value, int), "a whole number from 0 on")
NUMBER: Check = (lambda value: _is(value, float), "a finite number")
TRUTH: Check = (lambda value: _is(value, bool), "true or false")
NAMES = _list(str, "a list of names")
METRICS: Check = (_metrics, "a list of numbers, null where one is not known")
MAPPING: Check = (lambda value: isinstance(value, Mapping) and all(isinstance(name, str) for name in value), "names with values")
COUNTS: Check = (lambda value: isinstance(value, Mapping) and all(_is(count, int) for count in value.values()), "names with counts")

LONGEST_NOTE, MOST_TAGS = 500, 20
"""Characters of a user's note; tags of a trial or a study."""
TAG = re.compile(r"[\w.-]{1,40}")


def _tags(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= MOST_TAGS and all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in value)


def _space(value: Any) -> bool:
    families = value.get("families") if isinstance(value, Mapping) else None
    return isinstance(families, list) and all(_is(name, str) for name in families) and _is(value.get("trials"), int)


NOTE: Check = (lambda value: isinstance(value, str) and len(value) <= LONGEST_NOTE, f"a text of at most {LONGEST_NOTE} characters")
TAGS: Check = (_tags, f"a list of at most {MOST_TAGS} tags")

TRIAL_CHECKS: Mapping[str, Check] = {
    "family": _form(r"[^\x00-\x1f\x7f]{0,200}", "a family's name"),
    "config": (_config, "a config with family, model, training and image"),
    "seed": COUNT,
    "is_default": TRUTH,
    "path": _form(TRIAL_FOLDER, "checkpoints/trial_NNNNN"),
    "queued": TEXT,
    "continued_from": COUNT,
    "resumes": TRUTH,
    "superseded_by": (lambda value: value == QUEUED or _is(value, int), "a trial's number, or queue"),
    "discarded": TEXT,
    "set_aside": TRUTH,
    "note": NOTE,
    "tags": TAGS,
    "imported_from": TEXT,
    "seconds": NUMBER,
    "timing": (_timing, f"seconds of {', '.join(PARTS)}"),
    "epochs_trained": COUNT,
    "device": TEXT,
    "node": TEXT,
    "worker": TEXT,
    "n_parameters": COUNT,
    "micro_batch": COUNT,
    "micro_batch_after_oom": COUNT,
    "per_class_auc": METRICS,
    "best_epoch": COUNT,
    "checkpoint": _form(rf"({TRIAL_FOLDER}/epoch_[\w-]+\.pt)?", "checkpoints/trial_NNNNN/epoch_….pt"),
    "objectives": METRICS,
    "decisions": (lambda value: _short_list(value) and all(map(_decision, value)), f"a list of {', '.join(DECISION)}"),
    "forecast": (lambda value: _short_list(value) and len(value) == 2 and all(_is(item, float) for item in value), "two numbers"),
    "ended_by": TEXT,
    "fail_reason": TEXT,
    "failure": TEXT,
}
"""Field of `Trial` → what it may be."""

STUDY_CHECKS: Mapping[str, Check] = {
    "data_fingerprint": TEXT,
    "data_path": TEXT,
    "split": TEXT,
    "leads": NAMES,
    "images": _list(int, "channels and pixels"),
    "class_names": NAMES,
    "n_records": COUNTS,
    "synthetic": TRUTH,
    "limited": TEXT,
    "metric": TEXT,
    "minimise": NAMES,
    "profile": TEXT,
    "families": NAMES,
    "max_epochs": COUNT,
    "space": MAPPING,
    "space_version": COUNT,
    "memory_gb": NUMBER,
    "earlier_spaces": (lambda value: _short_list(value) and all(map(_space, value)), "a list of spaces with families and trials"),
    "learnt_priors": MAPPING,
    "rungs": _list(int, "a list of epochs"),
    "scheduler": TEXT,
    "sampler": TEXT,
    "seed": COUNT,
    "settings": MAPPING,
    "checkpoints": TEXT,
    "note": NOTE,
    "tags": TAGS,
    "format": COUNT,
}
"""Field of `StudyAttributes` → what it may be."""

OPTUNA_CHECKS: Mapping[str, Check] = {
    "name": TEXT,
    "epochs": _list(int, "whole numbers from 0 on"),
    "directions": (lambda value: bool(value), "one or more"),
    "params": (
        lambda value: all(isinstance(name, str) and not _infinite(item) for name, item in value.items()),
        "names with finite values",
    ),
    "values": (lambda value: all(isinstance(item, int | float) for item in value), "numbers"),
}
"""What Optuna keeps in places of its own, and does not check: SQLite takes anything into any column."""


def checked(values: Mapping[str, Any], checks: Mapping[str, Check], where: str) -> dict[str, Any]:
    """Check values that a study holds, and take out of its texts what a terminal would act on.

    Args:
        values: Field → value.
        where: What they belong to, for the message.

    Raises:
        StudyError: Names the first that is not what it must be.
    """
    for name, value in values.items():
        fulfils, words = checks[name]
        if not fulfils(value):
            raise StudyError(f"{where}: its {name} is {_short(value)}, and must be {words}: the study was changed by hand, or is damaged")
    return {name: printable(value) if isinstance(value, str) else value for name, value in values.items()}


def printable(text: str) -> str:
    """Replace what a terminal would act on: control characters, and marks that turn the direction of writing."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, Mapping | list | tuple) or len(value) < 20 else f"a {type(value).__name__} of {len(value)}"
    return text if len(text) <= 80 else f"{text[:77]}…"
