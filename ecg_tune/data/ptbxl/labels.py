"""Turn a record's SCP statements into labels: the five diagnostic superclasses of PTB-XL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES


def multi_hot(
    scp_codes: Sequence[Mapping[str, float]], superclass_of: Mapping[str, str], *, min_likelihood: float = 0.0
) -> NDArray[np.uint8]:
    """Label each record with the superclasses of its diagnostic statements.

    A statement counts when it is diagnostic and its likelihood is at least `min_likelihood`. The published 0 means
    "unknown", not "absent", so the default keeps it; any higher bound drops it.

    Args:
        scp_codes: For every record, statement → likelihood in percent.
        superclass_of: Diagnostic statement → superclass; form and rhythm statements are not in it.
        min_likelihood: Percent, 0..100.

    Returns:
        (n_records, 5) uint8 of 0 and 1, in the order of `CLASS_NAMES`; a row of zeros where no statement counts.
    """
    labels = np.zeros((len(scp_codes), len(CLASS_NAMES)), dtype=np.uint8)
    for row, codes in enumerate(scp_codes):
        for code, likelihood in codes.items():
            if code in superclass_of and likelihood >= min_likelihood:
                labels[row, CLASS_NAMES.index(superclass_of[code])] = 1
    return labels


def describe_rule(min_likelihood: float) -> dict[str, str | float]:
    """Word the label rule for the manifest and the reports."""
    bound = "whatever its likelihood" if min_likelihood == 0 else f"with a likelihood of at least {min_likelihood:g} (unknown ones dropped)"
    text = f"union of the diagnostic_class of every scp_codes statement with diagnostic = 1, {bound}; records without any are dropped"
    return {"text": text, "min_likelihood": float(min_likelihood)}
