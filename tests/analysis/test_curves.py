from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from analysis.curves import mean_curve, pr_points, roc_points
from ecg_tune.metrics import average_precision


@pytest.fixture
def example() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    truth = rng.random(150) < 0.3
    return truth, np.round(0.4 * truth + 0.6 * rng.random(150), 2)


def test_roc_points_equal_scikit_learn(example: tuple[np.ndarray, np.ndarray]) -> None:
    alarms, hits, _ = reference.roc_curve(*example, drop_intermediate=False)
    x, y = roc_points(*example)
    np.testing.assert_allclose(x, alarms)
    np.testing.assert_allclose(y, hits)


def test_the_area_under_the_drawn_precision_steps_is_the_average_precision(example: tuple[np.ndarray, np.ndarray]) -> None:
    recall, precision = pr_points(*example)
    assert np.sum(np.diff(recall) * precision[:-1]) == pytest.approx(average_precision(*example))


@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_the_mean_of_equal_seeds_is_their_own_curve(example: tuple[np.ndarray, np.ndarray], kind: str) -> None:
    truth, scores = example
    x, y = mean_curve(kind, truth, [scores, scores])
    area = np.trapezoid(y, x) if kind == "roc" else np.sum(np.diff(x) * y[:-1])
    expected = reference.roc_auc_score(truth, scores) if kind == "roc" else average_precision(truth, scores)
    assert area == pytest.approx(expected, abs=5e-3)


def test_the_mean_of_two_seeds_lies_between_them(example: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = example
    x, y = mean_curve("roc", truth, [truth.astype(float), -scores])
    assert y[x == 0].max() == pytest.approx(0.5, abs=0.02)
    assert (y[-1], x[-1]) == (1.0, 1.0)
