"""External validation: the chosen models, with their thresholds and calibration, on data of another source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import rule_text
from ecg_tune.config import check_choice
from ecg_tune.data.overlap import record_digests
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, PreparedData, Split, open_test
from ecg_tune.errors import DataError

PARTS = ("all", "test")
MOST_NAMED = 5
"""Further classes that are named in the reports; other data may have dozens."""


def external_view(data: PreparedData, other: PreparedData, *, part: str = "all") -> PreparedData:
    """Look at other data as the models of `data` do: the classes that both have, by name, in their order. The seals stay closed.

    Args:
        data: What the models were trained on.
        other: Of another source, with the same leads, sampling rate and length.
        part: "all" of the other data's records, or its "test" split.

    Raises:
        ConfigError: Another part.
        DataError: The other data are the same, do not fit the models, or share no class with them that can be measured.
    """
    check_choice("part", part, PARTS)
    if other.fingerprint == data.fingerprint:
        raise DataError(f"{other.folder} is the data that the models were trained on: leave --on out, or give data of another source")
    if other.image_shape != data.image_shape or bool(other.leads) != bool(data.leads):
        raise DataError(f"{other.folder} has {other.inputs}, but the models were trained on {data.inputs}: prepare or import it alike")
    for name in ("leads", "sampling_rate_hz", "n_samples"):
        if getattr(other, name) != getattr(data, name):
            raise DataError(
                f"{other.folder} has {name} {_text(getattr(other, name))}, but the models take {_text(getattr(data, name))}: "
                "prepare it with the same --leads and --rate"
            )
    shared = [name for name in data.class_names if name in other.class_names]
    if not shared:
        raise DataError(
            f"{other.folder} shares no class with the models: it has {_text(other.class_names)}, they predict {_text(data.class_names)}: "
            "name its columns of labels as the models' classes"
        )
    facts = _viewed_facts(other, shared, part)
    counts = facts["counts"]["test"]
    if not any(0 < counts[name] < counts["records"] for name in shared):
        raise DataError(
            f"{other.folder}: no class that it shares with the models ({_text(shared)}) has records with it and records without it, "
            f"among {counts['records']} records: nothing can be measured"
        )
    return replace(other, manifest={**other.manifest, **facts})


def class_columns(classes: Sequence[str], among: Sequence[str]) -> list[int]:
    """Find the numbers of some classes among others, by name."""
    return [list(among).index(name) for name in classes]


def of_shared_classes(predictions: Mapping[str, ModelPredictions], data: PreparedData, view: PreparedData) -> dict[str, ModelPredictions]:
    """Keep of every model's predictions the classes of the view; all of them where the view is the models' own data."""
    columns = class_columns(view.class_names, data.class_names)
    return {name: model.of_classes(columns) for name, model in predictions.items()}


def open_external(data: PreparedData, other: PreparedData, view: PreparedData, *, part: str, study: str) -> tuple[Split, str]:
    """Break the other data's seal, with a line in its ledger, and join the records that are evaluated.

    Args:
        data, other, part: As in `external_view`.
        view: What it returned.
        study: What the ledger calls the models.

    Returns:
        The records as one split with the shared classes, and what a report must say of them.
    """
    test = open_test(other, "external evaluation", study)
    joined = _joined([other.train, other.validation, test]) if part == "all" else test
    chosen = replace(joined, labels=joined.labels[:, class_columns(view.class_names, other.class_names)])
    known = {*record_digests(data.train), *record_digests(data.validation)}
    n_known = sum(digest in known for digest in record_digests(chosen))
    return chosen, "; ".join([_origin_text(data), *_known_texts(n_known), *_class_texts(data, other)])


def _origin_text(data: PreparedData) -> str:
    """Say where the models come from."""
    return (
        f"models, thresholds, Platt scaling and the choice of the best come from {data.manifest['source'].get('name', 'other data')} "
        f"(data {data.fingerprint[:12]}, {len(data.train)} train / {len(data.validation)} validation records); nothing was fitted here"
    )


def _class_texts(data: PreparedData, other: PreparedData) -> list[str]:
    """Say which classes only one side has, and whether the two sides were labelled by different rules."""
    texts = []
    if missing := [name for name in data.class_names if name not in other.class_names]:
        texts.append(
            f"not evaluated: {', '.join(missing)}, which these data do not label (validation scores count all {len(data.class_names)} "
            f"classes of the models, all other means the {len(data.class_names) - len(missing)} shared ones)"
        )
    if further := [name for name in other.class_names if name not in data.class_names]:
        more = f" and {len(further) - MOST_NAMED} more" if len(further) > MOST_NAMED else ""
        texts.append(f"not predicted, so not evaluated: {', '.join(further[:MOST_NAMED])}{more}")
    if (rule := rule_text(data.manifest)) != rule_text(other.manifest):
        texts.append(f"classes are matched by name alone, and the models learnt theirs by another rule: {rule}")
    return texts


def _known_texts(n_known: int) -> list[str]:
    """Warn of records that training or validation has seen."""
    return [f"WARNING: {n_known} of these records were used in training or validation, so the numbers are too good"] if n_known else []


def _viewed_facts(other: PreparedData, shared: Sequence[str], part: str) -> dict[str, Any]:
    """Change the manifest's facts that a report repeats: classes, split and counts."""
    counts: Mapping[str, Mapping[str, int]] = other.manifest["counts"]
    summed = {key: sum(int(counts[split][key]) for split in SPLIT_NAMES) for key in counts["test"]}
    facts = {
        key: {code: name for code, name in other.manifest[key].items() if name in shared}
        for key in ("class_of", "superclass_of")
        if key in other.manifest
    }
    return {
        **facts,
        "class_names": list(shared),
        "split": f"external: {'all records' if part == 'all' else other.manifest['split'] + ' test'}",
        "counts": {"test": summed if part == "all" else counts["test"]},
    }


def _joined(splits: list[Split]) -> Split:
    images = [split.images for split in splits if split.images is not None]
    return Split(
        name="test",
        signals_uv=np.concatenate([split.signals_uv for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        records={name: np.concatenate([split.records[name] for split in splits]) for name in splits[0].records},
        images=reduce(add, images) if images else None,
    )


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, (tuple, list)) else str(value)
