"""Find the classes that can't be learnt or measured, since none or all records of train or validation have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecg_tune.errors import DataError

LEARNT_FROM = ("train", "validation")


def rare_classes(
    class_names: Sequence[str], labels: Mapping[str, NDArray[np.uint8]], *, drop: bool, zeros_known: bool = False
) -> dict[str, str]:
    """Find classes to drop, until every class left has a positive and a negative record in train and in validation.

    Args:
        labels: Split → (n_records, n_classes) of 0/1; only "train" and "validation" are looked at.
        drop: False refuses instead.
        zeros_known: Records of none of the classes count, as negatives. False: they don't, nor those that have dropped classes only.

    Returns:
        Class → why, e.g. "train has 80 records, none"; empty when all can be learnt.

    Raises:
        DataError: There is such a class and `drop` is False, or no class is left.
    """
    dropped: dict[str, str] = {}
    while True:
        kept = [k for k, name in enumerate(class_names) if name not in dropped]
        found: dict[str, str] = {}
        for split in LEARNT_FROM:
            own = labels[split][:, kept]
            own = own if zeros_known else own[own.max(axis=1, initial=0) > 0]
            for k, count in zip(kept, own.sum(axis=0, dtype=np.int64).tolist(), strict=True):
                if count in (0, len(own)):
                    records = "1 record" if len(own) == 1 else f"{len(own)} records"
                    found.setdefault(class_names[k], f"{split} has {records}, {'none' if count == 0 else 'all'}")
        if not found:
            return dropped
        if not drop or len(found) == len(kept):
            raise DataError(_refusal(found, drop=drop))
        dropped |= found


def _refusal(found: Mapping[str, str], *, drop: bool) -> str:
    name, why = next(iter(found.items()))
    more = f" (and of {len(found) - 1} more)" if len(found) > 1 else ""
    remedy = "use more records, or another split" + ("" if drop else ", or `data prepare --rare-classes drop`")
    return f"{why} of class {name}{more}: nothing can be learnt or measured; {remedy}"
