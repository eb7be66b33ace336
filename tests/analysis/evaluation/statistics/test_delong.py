from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analysis.evaluation.statistics.clusters import mean_standard_error, patient_index, patient_sums
from analysis.evaluation.statistics.delong import correlated_aucs, placements


def made_up(n_patients: int, most: int, seed: int, *, decimals: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, scores of three models with ties (3, n_records), and patients with 1..most records each."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(n_patients), rng.integers(1, most + 1, n_patients))
    own = rng.normal(size=n_patients)[index]
    positive = own + rng.normal(size=len(index)) > 0.4
    shared = rng.normal(size=len(index)) + own
    scores = np.stack([np.round(positive * 0.8 + shared + rng.normal(0, s, len(index)), decimals) for s in (0.5, 1.0, 2.0)])
    return positive, scores, index


def pair_table(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return DeLong's psi of every pair (n_positive, n_negative): 1 right, 1/2 tied, 0 wrong."""
    x, y = scores[positive][:, None], scores[~positive][None, :]
    return (x > y) + (x == y) / 2


def plain_delong(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the covariance of DeLong et al. (1988) as they define it, by sample covariances of V10 and V01."""
    tables = [pair_table(positive, s) for s in scores]
    v10, v01 = [t.mean(axis=1) for t in tables], [t.mean(axis=0) for t in tables]
    return np.cov(v10) / positive.sum() + np.cov(v01) / (~positive).sum()


def obuchowski_by_loops(positive: np.ndarray, scores: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the covariance of Obuchowski (1997) by loops over models and patients."""
    m, n, patients = positive.sum(), (~positive).sum(), np.unique(index)
    parts = []
    for s in scores:
        table, x, y = pair_table(positive, s), {}, {}
        for i in patients:
            x[i] = sum(table.mean(axis=1)[index[positive] == i]) - table.mean() * (index[positive] == i).sum()
            y[i] = sum(table.mean(axis=0)[index[~positive] == i]) - table.mean() * (index[~positive] == i).sum()
        parts.append((x, y))
    i10, i01, i_all = len(set(index[positive])), len(set(index[~positive])), len(patients)
    found = np.empty((len(scores), len(scores)))
    for r, (xr, yr) in enumerate(parts):
        for s, (xs, ys) in enumerate(parts):
            s10 = i10 / ((i10 - 1) * m) * sum(xr[i] * xs[i] for i in patients)
            s01 = i01 / ((i01 - 1) * n) * sum(yr[i] * ys[i] for i in patients)
            s11 = i_all / (i_all - 1) * sum(xr[i] * ys[i] for i in patients)
            s11_turned = i_all / (i_all - 1) * sum(xs[i] * yr[i] for i in patients)
            found[r, s] = s10 / m + s01 / n + (s11 + s11_turned) / (m * n)
    return found


def aucs_of(positive: np.ndarray, scores: np.ndarray, index: np.ndarray):
    return correlated_aucs(positive, np.stack([placements(positive, s) for s in scores]), index)


def test_placements_are_the_means_of_the_table_of_all_pairs_with_ties_half() -> None:
    positive, scores, _ = made_up(40, 2, 0)
    assert np.unique(scores[0]).size < len(positive)
    table, shares = pair_table(positive, scores[0]), placements(positive, scores[0])
    np.testing.assert_allclose(shares[positive], table.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(shares[~positive], table.mean(axis=0), rtol=1e-12)


def test_aucs_equal_scikit_learn() -> None:
    positive, scores, index = made_up(60, 3, 1)
    np.testing.assert_allclose(aucs_of(positive, scores, index).values, [roc_auc_score(positive, s) for s in scores], rtol=1e-12)


def test_with_one_record_a_patient_the_covariance_is_plain_delong() -> None:
    positive, scores, index = made_up(80, 1, 2)
    np.testing.assert_allclose(aucs_of(positive, scores, index).covariance, plain_delong(positive, scores), rtol=1e-10)


def test_with_several_records_a_patient_the_covariance_is_obuchowskis_by_loops() -> None:
    positive, scores, index = made_up(50, 4, 3)
    assert any(0 < positive[index == i].mean() < 1 for i in range(50))
    np.testing.assert_allclose(aucs_of(positive, scores, index).covariance, obuchowski_by_loops(positive, scores, index), rtol=1e-10)


def test_the_standard_error_of_a_difference_follows_from_the_covariance() -> None:
    positive, scores, index = made_up(50, 4, 4)
    aucs = aucs_of(positive, scores, index)
    difference, error = aucs.difference(0, 2)
    contrast = np.array([1, 0, -1])
    assert difference == pytest.approx(roc_auc_score(positive, scores[0]) - roc_auc_score(positive, scores[2]))
    assert error == pytest.approx(np.sqrt(contrast @ aucs.covariance @ contrast))
    assert aucs.difference(1, 1) == (0.0, pytest.approx(0.0, abs=1e-9))


def test_copied_records_do_not_narrow_the_clustered_covariance() -> None:
    positive, scores, index = made_up(200, 1, 5)
    three = [np.repeat(a, 3, axis=-1) for a in (positive, scores, index)]
    ratio = aucs_of(*three).covariance / aucs_of(positive, scores, index).covariance
    np.testing.assert_allclose(ratio, 1.0, rtol=1e-10)
    as_strangers = aucs_of(three[0], three[1], np.arange(600)).covariance
    assert as_strangers[0, 0] < 0.4 * aucs_of(positive, scores, index).covariance[0, 0]


def test_a_class_of_one_kind_has_no_auc_and_one_patient_no_covariance() -> None:
    shares = np.stack([placements(np.zeros(4, bool), np.arange(4.0))])
    lonely = correlated_aucs(np.zeros(4, bool), shares, np.arange(4))
    assert np.isnan(lonely.values).all()
    positive = np.array([True, False, True, False])
    one = correlated_aucs(positive, np.stack([placements(positive, np.arange(4.0))]), np.zeros(4, np.intp))
    assert one.values[0] == 0.25
    assert np.isnan(one.covariance).all()


def test_patient_sums_equal_a_loop_and_the_mean_has_the_textbook_error_without_clusters() -> None:
    rng = np.random.default_rng(6)
    ids, values = rng.choice(["b", "a", "q"], 20), rng.normal(size=(2, 20))
    index = patient_index(ids)
    np.testing.assert_allclose(patient_sums(values, index)[1], [values[1][ids == p].sum() for p in ("a", "b", "q")])
    lone = rng.normal(size=30)
    assert mean_standard_error(lone, np.arange(30)) == pytest.approx(lone.std(ddof=1) / np.sqrt(30))
    assert mean_standard_error(np.repeat(lone, 2), np.repeat(np.arange(30), 2)) == pytest.approx(lone.std(ddof=1) / np.sqrt(30))
    assert np.isnan(mean_standard_error(lone, np.zeros(30, np.intp)))
