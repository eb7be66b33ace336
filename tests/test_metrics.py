"""Thresholds with the highest F1, and which classes get one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.metrics import LEAST_POSITIVES, UNTUNED, f1_thresholds, untuned_classes


def test_no_other_threshold_has_a_higher_f1_and_no_score_lies_on_it():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 3)) < [0.2, 0.4, 0.7]).astype(np.uint8)
    probabilities = np.round(np.clip(0.3 * labels + 0.7 * rng.random((120, 3)), 0, 1), 2)
    found = f1_thresholds(labels, probabilities)
    for k in range(3):
        scores = {t: f1_score(labels[:, k], probabilities[:, k] >= t) for t in (found[k], *np.unique(probabilities[:, k]))}
        assert scores[found[k]] == pytest.approx(max(scores.values()))
        assert found[k] not in probabilities[:, k]


@pytest.mark.parametrize("choose", [f1_thresholds, sensitivity_thresholds])
def test_a_class_with_fewer_than_ten_positives_keeps_one_half(choose):
    labels = np.zeros((300, 3), np.uint8)
    for k, n_positive in enumerate((LEAST_POSITIVES - 1, LEAST_POSITIVES, 0)):
        labels[:n_positive, k] = 1
    probabilities = np.random.default_rng(0).random((300, 3)) * 0.4
    found = choose(labels, probabilities)
    assert found[0] == found[2] == UNTUNED == 0.5
    assert found[1] < 0.4
    assert untuned_classes(("MI", "CD", "HYP"), found) == ["MI", "HYP"]
