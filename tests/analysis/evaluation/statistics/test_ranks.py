"""AUC and average precision of the evaluation against the training loop's own formulas; MADE-UP predictions."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.evaluation.statistics.ranks import auc_roc, average_precision
from ecg_tune import metrics


@pytest.mark.parametrize("decimals", [1, 2, 16], ids=["many ties", "some ties", "no ties"])
def test_both_areas_equal_those_of_the_training_loop(decimals: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = rng.random(120) < rng.uniform(0.02, 0.9)
        labels[:2] = False, True
        probabilities = np.round(np.clip(0.3 * labels + 0.7 * rng.random(120), 0, 1), decimals)
        assert auc_roc(labels, probabilities) == pytest.approx(metrics.auc_roc(labels, probabilities), abs=1e-12)
        assert average_precision(labels, probabilities) == pytest.approx(metrics.average_precision(labels, probabilities), abs=1e-12)


def test_a_class_with_one_kind_of_record_has_no_area_and_no_warning() -> None:
    probabilities = np.linspace(0, 1, 5)
    assert np.isnan(
        [auc_roc(np.zeros(5), probabilities), auc_roc(np.ones(5), probabilities), average_precision(np.zeros(5), probabilities)]
    ).all()
    assert average_precision(np.ones(5), probabilities) == 1.0
