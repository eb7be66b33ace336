from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from analysis import ECGMetrics
from analysis.evaluation.metrics import AVERAGES, COUNTS, RATES, mean_metrics
from analysis.evaluation.provenance import rule_text
from ecg_tune.config import CLASS_NAMES
from ecg_tune.errors import ConfigError, DataError

SKLEARN_AVERAGES = {"macro_avg": "macro", "micro_avg": "micro", "weighted_avg": "weighted", "samples_avg": "samples"}


@pytest.fixture
def example() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 5)) < [0.45, 0.25, 0.25, 0.2, 0.1]).astype(np.uint8)
    return labels, np.round(np.clip(0.35 * labels + 0.65 * rng.random((200, 5)), 0, 1), 2)


THRESHOLDS = (0.5, 0.45, 0.4, 0.6, 0.55)


def test_every_per_class_number_equals_scikit_learn(example: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = example
    result = ECGMetrics(threshold=THRESHOLDS).calculate_metrics(labels, probabilities)
    for k, name in enumerate(CLASS_NAMES):
        y, p = labels[:, k], probabilities[:, k]
        guess = (p >= THRESHOLDS[k]).astype(int)
        tn, fp, fn, tp = reference.confusion_matrix(y, guess).ravel()
        expected = {
            "sensitivity": reference.recall_score(y, guess),
            "specificity": reference.recall_score(y, guess, pos_label=0),
            "precision": reference.precision_score(y, guess),
            "npv": reference.precision_score(y, guess, pos_label=0),
            "f1_score": reference.f1_score(y, guess),
            "accuracy": reference.accuracy_score(y, guess),
            "auc_roc": reference.roc_auc_score(y, p),
            "auc_pr": reference.average_precision_score(y, p),
            **{"tp": tp, "fp": fp, "fn": fn, "tn": tn, "support": y.sum()},
        }
        assert set(result[name]) == set(expected) == {*RATES, *COUNTS}
        assert result[name] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("average", AVERAGES)
def test_averages_equal_scikit_learn(example: tuple[np.ndarray, np.ndarray], average: str) -> None:
    labels, probabilities = example
    kept = labels.any(axis=1) & ~labels.all(axis=1) if average == "samples_avg" else np.ones(len(labels), dtype=bool)
    result = ECGMetrics(threshold=THRESHOLDS).calculate_metrics(labels, probabilities)[average]
    guess, how = probabilities >= THRESHOLDS, SKLEARN_AVERAGES[average]
    precision, recall, f1, _ = reference.precision_recall_fscore_support(labels, guess, average=how, zero_division=0)
    assert result["precision"] == pytest.approx(precision)
    assert result["sensitivity"] == pytest.approx(recall)
    assert result["f1_score"] == pytest.approx(f1)
    assert result["auc_roc"] == pytest.approx(reference.roc_auc_score(labels[kept], probabilities[kept], average=how))
    assert result["auc_pr"] == pytest.approx(reference.average_precision_score(labels[kept], probabilities[kept], average=how))


@pytest.mark.parametrize("average", ["macro_avg", "micro_avg", "samples_avg"])
def test_mean_accuracy_is_one_minus_the_hamming_loss(example: tuple[np.ndarray, np.ndarray], average: str) -> None:
    labels, probabilities = example
    result = ECGMetrics().calculate_metrics(labels, probabilities)
    assert result[average]["accuracy"] == pytest.approx(1 - reference.hamming_loss(labels, probabilities >= 0.5))


def test_the_confusion_matrix_equals_scikit_learn(example: tuple[np.ndarray, np.ndarray]) -> None:
    found = ECGMetrics(threshold=THRESHOLDS).calculate_confusion_matrix(*example)
    np.testing.assert_array_equal(found, reference.multilabel_confusion_matrix(example[0], example[1] >= THRESHOLDS))


def test_a_class_without_positives_yields_no_auc_and_leaves_the_macro_mean_alone(example: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = example
    labels[:, 4] = 0
    result = ECGMetrics().calculate_metrics(labels, probabilities)
    assert np.isnan(result["HYP"]["auc_roc"])
    assert np.isnan(result["HYP"]["auc_pr"])
    for name in ("sensitivity", "precision", "f1_score"):
        assert np.isnan(result["HYP"][name])
        assert result["macro_avg"][name] == pytest.approx(np.mean([result[other][name] for other in CLASS_NAMES[:-1]]))
    assert result["HYP"]["specificity"] > 0
    assert result["macro_avg"]["auc_roc"] == pytest.approx(reference.roc_auc_score(labels[:, :4], probabilities[:, :4]))
    assert "n/a" in ECGMetrics().generate_metrics_report(labels, probabilities)


def test_a_constant_predictor_gets_chance_level(example: tuple[np.ndarray, np.ndarray]) -> None:
    labels, _ = example
    result = ECGMetrics().calculate_metrics(labels, np.full(labels.shape, 0.2))
    assert result["macro_avg"]["auc_roc"] == 0.5
    assert result["macro_avg"]["f1_score"] == 0.0
    assert result["NORM"]["auc_pr"] == pytest.approx(labels[:, 0].mean())


def test_records_of_one_kind_only_have_no_ranks_over_samples() -> None:
    result = ECGMetrics(("A", "B")).calculate_metrics(np.array([[0, 0], [1, 1]]), np.array([[0.1, 0.2], [0.8, 0.9]]))
    assert np.isnan(result["samples_avg"]["auc_roc"])


def test_the_report_says_what_calculate_metrics_says(example: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = ECGMetrics(threshold=THRESHOLDS)
    text, result = metrics.generate_metrics_report(*example), metrics.calculate_metrics(*example)
    assert text.startswith("records: 200; thresholds: NORM 0.5, MI 0.45")
    row = next(line for line in text.splitlines() if line.startswith("STTC")).split()
    assert row[1:] == [f"{result['STTC'][name]:.4f}" for name in RATES]


def test_decisions_beside_probabilities_count_instead_of_the_thresholds(example: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = example
    metrics, expected = ECGMetrics(threshold=0.99), ECGMetrics(threshold=THRESHOLDS).calculate_metrics(labels, probabilities)
    decisions = probabilities >= THRESHOLDS
    assert metrics.calculate_metrics(labels, decisions, probabilities) == expected
    assert metrics.calculate_metrics(y_true=labels, y_pred=decisions.astype(int), y_prob=probabilities) == expected
    report = metrics.generate_metrics_report(labels, decisions, probabilities)
    assert report.startswith("records: 200; decisions as given\n")
    assert f"{expected['macro_avg']['f1_score']:.4f}" in report
    np.testing.assert_array_equal(
        ECGMetrics().calculate_confusion_matrix(labels, decisions),
        ECGMetrics(threshold=THRESHOLDS).calculate_confusion_matrix(labels, probabilities),
    )


def test_unusable_decisions_are_refused(example: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = example
    with pytest.raises(DataError, match=r"y_pred must be \(200, 5\) as y_true, but got \(200, 4\)"):
        ECGMetrics().calculate_metrics(labels, probabilities[:, :4] >= 0.5, probabilities)
    with pytest.raises(DataError, match="y_pred must be decisions of 0 or 1 where y_prob is given: the order is y_true, y_pred, y_prob"):
        ECGMetrics().calculate_metrics(labels, probabilities, probabilities >= 0.5)


def test_the_mean_of_one_result_is_that_result_and_of_two_their_middle() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 1]])
    one = ECGMetrics(("A", "B")).calculate_metrics(labels, np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.7]]))
    other = ECGMetrics(("A", "B")).calculate_metrics(labels, np.array([[0.1, 0.9], [0.2, 0.8], [0.4, 0.7]]))
    assert mean_metrics([one])["A"] == one["A"]
    assert mean_metrics([one, other])["A"]["tp"] == (one["A"]["tp"] + other["A"]["tp"]) / 2


def test_figures_are_written_as_png(example: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    metrics = ECGMetrics()
    for name in ("plot_confusion_matrices", "plot_roc_curves", "plot_precision_recall_curves"):
        figure = getattr(metrics, name)(*example, save_path=tmp_path / f"{name}.png")
        assert [axes.get_title().split()[0] for axes in figure.axes[:5]] == list(CLASS_NAMES)
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_unusable_arrays_and_thresholds_are_refused() -> None:
    metrics, labels = ECGMetrics(("A", "B")), np.array([[1, 0]])
    with pytest.raises(DataError, match=r"must both be \(n_records, 2\), but got \(1, 2\) and \(1, 3\)"):
        metrics.calculate_metrics(labels, np.zeros((1, 3)))
    with pytest.raises(DataError, match=r"finite and 0\.\.1: apply a sigmoid"):
        metrics.calculate_metrics(labels, np.array([[2.5, 0.1]]))
    with pytest.raises(DataError, match=r"finite and 0\.\.1"):
        metrics.calculate_metrics(labels, np.array([[np.nan, 0.1]]))
    with pytest.raises(DataError, match="labels must be 0 or 1"):
        metrics.calculate_metrics(np.array([[2, 0]]), np.zeros((1, 2)))
    with pytest.raises(ConfigError, match=r"one number or 2 \(one a class\), but got shape \(3,\)"):
        ECGMetrics(("A", "B"), [0.1, 0.2, 0.3])
    with pytest.raises(ConfigError, match=r"threshold must be 0\.\.1"):
        ECGMetrics(("A", "B"), 1.5)


def test_one_class_with_records_that_lack_it_has_the_numbers_of_a_binary_classifier() -> None:
    labels, probabilities = np.array([[1], [1], [0], [0], [0]], np.uint8), np.array([[0.9], [0.2], [0.6], [0.1], [0.3]])
    result = ECGMetrics(class_names=["AF"]).calculate_metrics(labels, probabilities)
    found = [result["AF"][name] for name in ("sensitivity", "specificity", "precision", "auc_roc")]
    assert found == pytest.approx([1 / 2, 2 / 3, 1 / 2, 4 / 6])
    assert [result["macro_avg"][name] for name in ("sensitivity", "specificity", "precision", "auc_roc")] == pytest.approx(found)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"label_rule": {"text": "own", "min_likelihood": 0.0}}, "own"),
        ({"label_rule": {"text": "own", "min_likelihood": 50.0}}, "own; min_likelihood 50"),
        ({"label_rule": {"text": "ptb", "min_likelihood": 0.0}, "labels": "superclass"}, "ptb; min_likelihood 0"),
    ],
)
def test_a_likelihood_is_said_of_data_that_know_likelihoods(facts: dict[str, object], said: str) -> None:
    assert rule_text(facts) == said
