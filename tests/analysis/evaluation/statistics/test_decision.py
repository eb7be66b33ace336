from __future__ import annotations

import numpy as np
import pytest

from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.evaluation.statistics.bootstrap import patient_weights
from analysis.evaluation.statistics.decision import THRESHOLDS, decision_figure, decision_lines, decision_rules, decision_table, net_benefit
from analysis.evaluation.statistics.reliability import reliability_data, reliability_figure


def made_up() -> tuple[np.ndarray, ModelPredictions, np.ndarray]:
    """Return MADE-UP labels, one model of two seeds and patients."""
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 2)) < 0.3).astype(np.uint8)
    seeds = []
    for seed in range(2):
        p = np.clip(0.4 * labels + 0.55 * rng.random((120, 2)), 0, 1)
        seeds.append(SeedPredictions(seed, 0.8, p, p, np.full(2, 0.5), np.full(2, 0.3), np.array([[1.2, -0.1], [1.0, 0.0]])))
    return labels, ModelPredictions("A", tuple(seeds)), np.arange(120) // 2


def test_net_benefit_is_the_formula_of_vickers_and_elkin_at_every_threshold() -> None:
    labels, model, _ = made_up()
    positive, p = labels[:, 0].astype(bool), model.seeds[0].test[:, 0]
    found = net_benefit(positive, p, np.ones((120, 1)))[:, 0]
    for t, value in zip(THRESHOLDS, found, strict=True):
        acted = p >= t
        assert value == pytest.approx(((acted & positive).sum() - (acted & ~positive).sum() * t / (1 - t)) / 120)


def test_net_benefit_of_resamples_equals_a_loop_over_repeated_records() -> None:
    labels, model, patients = made_up()
    positive, p, weights = labels[:, 0].astype(bool), model.seeds[0].test[:, 0], patient_weights(patients, n_resamples=10)
    found = net_benefit(positive, p, weights)
    for r, w in enumerate(weights.T):
        rows = np.repeat(np.arange(120), w.astype(int))
        np.testing.assert_allclose(found[:, r], net_benefit(positive[rows], p[rows], np.ones((len(rows), 1)))[:, 0], atol=1e-12)


def test_acting_on_all_crosses_zero_at_the_frequency_and_a_perfect_model_is_worth_it_everywhere() -> None:
    positive = np.arange(100) < 30
    of_all = net_benefit(positive, np.ones(100), np.ones((100, 1)))[:, 0]
    assert of_all[29] == pytest.approx(0)  # at 0.30
    np.testing.assert_allclose(net_benefit(positive, positive.astype(float), np.ones((100, 1)))[:, 0], 0.3)


def test_the_table_holds_the_mean_over_seeds_after_platt_scaling_inside_its_interval() -> None:
    labels, model, patients = made_up()
    table = decision_table(labels, model, patient_weights(patients, n_resamples=200), class_names=("MI", "HYP"))
    assert len(table) == 2 * len(THRESHOLDS)
    rows = table[table["Class"] == "MI"]
    each = [net_benefit(labels[:, 0].astype(bool), seed.calibrated[:, 0], np.ones((120, 1)))[:, 0] for seed in model.seeds]
    np.testing.assert_allclose(rows["Net_Benefit"], np.mean(each, axis=0))
    inside = (table["Net_Benefit_lo"] <= table["Net_Benefit"]) & (table["Net_Benefit"] <= table["Net_Benefit_hi"])
    assert inside.mean() > 0.95
    hyp = table[table["Class"] == "HYP"]
    np.testing.assert_allclose(hyp["Net_Benefit"], hyp["Net_Benefit_as_trained"])  # its scaling is the identity
    assert f"{rows['Net_Benefit'].iloc[9]:.4f}" in "\n".join(decision_lines(table))
    figure = decision_figure(table, n_positives={"MI": 40, "HYP": 30}, note="MADE UP.")
    assert [axes.get_title() for axes in figure.axes[:2]] == ["MI (n+ = 40)", "HYP (n+ = 30)"]
    assert "MADE UP" in figure.get_supxlabel()


def test_norm_is_spoken_of_only_where_it_is_a_class() -> None:
    labels, model, patients = made_up()
    for names in (("NORM", "MI"), ("AFIB", "LBBB")):
        table = decision_table(labels, model, patient_weights(patients, n_resamples=10), class_names=names)
        for text in (decision_rules(names), " ".join(decision_lines(table))):
            assert ("Acting on NORM" in text) == ("NORM" in names)


def test_reliability_is_the_share_of_positives_by_bin_with_every_record_in_one() -> None:
    labels, model, patients = made_up()
    positive, p = labels[:, 0].astype(bool), model.seeds[0].test[:, 0]
    curve = reliability_data(positive, p, patient_weights(patients, n_resamples=200))
    assert curve.n_records.sum() == 120
    assert (curve.observed * curve.n_records).sum() == pytest.approx(positive.sum())
    assert (curve.promised * curve.n_records).sum() == pytest.approx(p.sum())
    assert ((curve.low <= curve.observed) & (curve.observed <= curve.high)).all()
    figure = reliability_figure({"as trained": [curve], "Platt": [curve]}, class_names=("MI",), n_positives=(3,), note="MADE UP.")
    assert "Bins of 12 records" in figure.get_supxlabel()


def test_a_constant_prediction_is_one_point_of_the_reliability_curve() -> None:
    curve = reliability_data(np.arange(10) < 4, np.full(10, 0.25), patient_weights(np.arange(10), n_resamples=50))
    assert (curve.promised.tolist(), curve.observed.tolist(), curve.n_records.tolist()) == ([0.25], [0.4], [10])
