"""McNemar's test of two models' yes-or-no predictions, exact, for records that come in patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.evaluation.statistics.clusters import patient_sums


def mcnemar_mid_p(a_right: NDArray[np.bool_], b_right: NDArray[np.bool_], index: NDArray[np.intp]) -> float:
    """Test whether both models are right equally often; return the two-sided mid-p value.

    A patient's difference is the number of records that only model a has right minus those that only b has right. If the
    models are interchangeable, the differences' signs are coin tosses, independent between patients and whole within one:
    the sum's distribution follows exactly. Half of the observed sum's own probability counts (mid-p: Lancaster, 1961). With
    one record a patient this is the mid-p McNemar test (Fagerland, Lydersen & Laake, 2013). No disagreement gives 1.

    Args:
        a_right, b_right: (n_records,), whether each prediction is right.
        index: (n_records,) of `analysis.evaluation.statistics.clusters.patient_index`.
    """
    differences = patient_sums(a_right.astype(np.float64) - b_right, index).astype(np.int64)
    steps = np.abs(differences[differences != 0])
    reach = int(steps.sum())
    chances = np.zeros(2 * reach + 1)  # of the sums -reach..reach
    chances[reach] = 1.0
    for step in steps:
        chances = (np.roll(chances, step) + np.roll(chances, -step)) / 2  # nothing wraps: the ends are still empty
    observed = abs(int(differences.sum()))
    beyond = float(chances[reach + observed + 1 :].sum())
    return min(1.0, 2 * beyond + float(chances[reach + observed]))
