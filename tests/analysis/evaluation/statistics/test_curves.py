from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from analysis.evaluation.statistics.curves import curve_band, mean_curve, pr_points, roc_points
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


@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_the_band_of_one_resample_is_the_mean_curve_of_its_records(example: tuple[np.ndarray, np.ndarray], kind: str) -> None:
    truth, scores = example
    drawn = np.random.default_rng(2).integers(0, 3, len(truth))
    seeds = [scores, 1 - scores**2]
    grid, low, high = curve_band(kind, truth, seeds, drawn[:, None].astype(float))
    x, y = mean_curve(kind, np.repeat(truth, drawn), [np.repeat(s, drawn) for s in seeds])
    np.testing.assert_array_equal(low, high)
    np.testing.assert_allclose(low[1:], y[np.searchsorted(x, grid[1:] - 1e-12)])


def test_a_band_lies_around_its_curve_and_resamples_without_positives_are_left_out(example: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = example
    weights = np.random.default_rng(3).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=400).T.astype(float)
    weights[truth, 0] = 0
    grid, low, high = curve_band("roc", truth, [scores], weights)
    x, y = roc_points(truth, scores)
    height = np.interp(grid, x, y)
    assert np.isfinite([low, high]).all()
    assert ((low <= height + 0.03) & (height - 0.03 <= high)).all()
    assert (high - low).max() > 0.1
    assert np.isnan(curve_band("roc", truth, [scores], weights[:, :1])[1:]).all()
