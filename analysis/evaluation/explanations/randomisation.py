"""A check that an explanation depends on the weights: parameter randomisation (Adebayo et al., 2018).

The explanation of the trained model is compared with explanations of the same record by networks of the same shape with random
weights. If they look alike, the picture shows the record and not what the model has learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from ecg_tune.metrics import Array


def randomisation(values: Array, others: Sequence[Array]) -> dict[str, float]:
    """Compare a map with the maps of networks with random weights, by rank correlation.

    Args:
        values: The explanation of the trained model.
        others: Explanations of the same record by random networks. One that is flat has no ranks and is left out.

    Returns:
        Columns of the table: mean, lowest, highest, and mean of the signed values; all NaN when no map has ranks.
    """
    ranks = [rank for rank in (rank_correlation(values, other) for other in others) if np.isfinite(rank)] or [float("nan")]
    signed = [rank for rank in (rank_correlation(values, other, signed=True) for other in others) if np.isfinite(rank)] or [float("nan")]
    return {
        "Rank_correlation": float(np.mean(ranks)),
        "Rank_correlation_lowest": min(ranks),
        "Rank_correlation_highest": max(ranks),
        "Rank_correlation_signed": float(np.mean(signed)),
    }


def rank_correlation(one: Array, other: Array, *, signed: bool = False) -> float:
    """Compute Spearman's correlation of two maps of one shape; NaN when one of them is flat.

    Args:
        signed: Compare the values; otherwise their absolute values.
    """
    a, b = (values.ravel() if signed else np.abs(values).ravel() for values in (one, other))
    return float(spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")
