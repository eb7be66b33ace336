"""External validation: the chosen models, with their thresholds and calibration, on data of another source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ecg_tune.config import check_choice
from ecg_tune.data.overlap import record_digests
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, PreparedData, Split, open_test
from ecg_tune.errors import DataError

PARTS = ("all", "test")


def external_view(data: PreparedData, other: PreparedData, *, part: str = "all") -> PreparedData:
    """Look at other data as the models of `data` do: their classes, by name, in their order. The seals stay closed.

    Args:
        data: What the models were trained on.
        other: Of another source, with the same leads, sampling rate and length.
        part: "all" of the other data's records, or its "test" split.

    Raises:
        ConfigError: Another part.
        DataError: The other data are the same, do not fit the models, or lack one of their classes.
    """
    check_choice("part", part, PARTS)
    if other.fingerprint == data.fingerprint:
        raise DataError(f"{other.folder} is the data that the models were trained on: leave --on out, or give data of another source")
    for name in ("leads", "sampling_rate_hz", "n_samples"):
        if getattr(other, name) != getattr(data, name):
            raise DataError(
                f"{other.folder} has {name} {_text(getattr(other, name))}, but the models take {_text(getattr(data, name))}: "
                "prepare it with the same --leads and --rate"
            )
    if missing := [name for name in data.class_names if name not in other.class_names]:
        raise DataError(
            f"{other.folder} has no class {', '.join(missing)}, which the models predict (it has {', '.join(other.class_names)}): "
            "name its columns of labels as the models' classes"
        )
    return replace(other, manifest={**other.manifest, **_viewed_facts(data, other, part)})


def open_external(data: PreparedData, other: PreparedData, *, part: str, study: str) -> tuple[Split, str]:
    """Break the other data's seal, with a line in its ledger, and join the records that are evaluated.

    Args:
        data, other, part: As in `external_view`.
        study: What the ledger calls the models.

    Returns:
        The records as one split with the models' classes, and what a report must say of them.
    """
    test = open_test(other, "external evaluation", study)
    joined = _joined([other.train, other.validation, test]) if part == "all" else test
    columns = [other.class_names.index(name) for name in data.class_names]
    chosen = replace(joined, labels=joined.labels[:, columns])
    known = {*record_digests(data.train), *record_digests(data.validation)}
    n_known = sum(digest in known for digest in record_digests(chosen))
    note = (
        f"models, thresholds, Platt scaling and the choice of the best come from {data.manifest['source'].get('name', 'other data')} "
        f"(data {data.fingerprint[:12]}, {len(data.train)} train / {len(data.validation)} validation records); nothing was fitted here"
    )
    if n_known:
        note += f"; WARNING: {n_known} of these records were used in training or validation, so the numbers are too good"
    return chosen, note


def _viewed_facts(data: PreparedData, other: PreparedData, part: str) -> dict[str, Any]:
    """Change the manifest's facts that a report repeats: classes, split and counts."""
    counts: Mapping[str, Mapping[str, int]] = other.manifest["counts"]
    summed = {key: sum(int(counts[split][key]) for split in SPLIT_NAMES) for key in counts["test"]}
    class_of = other.manifest.get("class_of", other.manifest.get("superclass_of", {}))
    return {
        "class_names": list(data.class_names),
        "class_of": {code: name for code, name in class_of.items() if name in data.class_names},
        "split": f"external: {'all records' if part == 'all' else other.manifest['split'] + ' test'}",
        "counts": {"test": summed if part == "all" else counts["test"]},
    }


def _joined(splits: list[Split]) -> Split:
    return Split(
        name="test",
        signals_uv=np.concatenate([split.signals_uv for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        records={name: np.concatenate([split.records[name] for split in splits]) for name in splits[0].records},
    )


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
