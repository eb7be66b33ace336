"""The error analysis against brute force and scikit-learn. MADE-UP data."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import jaccard_score, log_loss, roc_auc_score

from analysis.evaluation.errors.error_overlap import ALL, MOST_DRAWN, overlap_figure, overlap_lines, overlap_table
from analysis.evaluation.errors.paper_ecg import ecg_figure
from analysis.evaluation.errors.statements import statement_figure, statement_lines, statement_table
from analysis.evaluation.errors.worst_records import worst_records, worst_table
from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, patient_weights
from ecg_tune.config import CLASS_NAMES, LEAD_NAMES
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.data.prepared.origin import Origin

N = 300
SUPERCLASS = {"NORM": "NORM", "IMI": "MI", "AMI": "MI", "NDT": "STTC", "LVH": "HYP"}
RNG = np.random.default_rng(5)
LABELS = (RNG.random((N, 5)) < 0.3).astype(np.uint8)
PATIENTS = np.arange(N) // 2


def model(name: str, seed: int, n_seeds: int = 2) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    runs = [
        ThresholdedPredictions(np.clip(LABELS * 0.25 + rng.random((N, 5)) * 0.75, 0.001, 0.999), np.full(5, 0.5)) for _ in range(n_seeds)
    ]
    seeds = [SimpleNamespace(test=run.probabilities, f1_thresholds=run.thresholds) for run in runs]
    return SimpleNamespace(name=name, at_f1_thresholds=runs, chosen=n_seeds - 1, seeds=seeds)


@pytest.fixture(scope="module")
def split() -> Split:
    codes = []
    for row in LABELS:
        own = {"NORM": 100.0} if row[0] else {}
        own |= {str(RNG.choice(["IMI", "AMI"], p=[0.95, 0.05])): float(RNG.choice([0, 80]))} if row[1] else {}
        codes.append(own | ({"NDT": 100.0} if row[2] else {}) | ({"LVH": 50.0} if row[4] else {}) | {"SR": 0.0})
    records = {"ecg_id": np.arange(N) + 1, "patient_id": PATIENTS, "sex": np.arange(N) % 2, "age": np.full(N, 90.0)}
    records |= {"flags": np.full(N, 1 << 5), "device": np.full(N, "d"), "site": np.zeros(N), "fold": np.zeros(N)}
    return Split("test", np.zeros((N, 250, 3), np.int16), LABELS, records, Origin(tuple(codes), tuple(map(str, range(N)))))


def test_mistakes_in_common_are_jaccards_index_of_the_wrong_predictions() -> None:
    predictions = {name: model(name, seed) for seed, name in enumerate("abc")}
    table = overlap_table(LABELS, predictions, patient_weights(PATIENTS, n_resamples=200), best="a", class_names=CLASS_NAMES)
    wrong = {name: (one.at_f1_thresholds[1].probabilities >= 0.5) != LABELS for name, one in predictions.items()}
    pooled = table[table["Of"] == ALL].set_index(["A", "B"]).loc[("a", "c")]
    assert pooled["Overlap"] == pytest.approx(jaccard_score(wrong["a"].ravel(), wrong["c"].ravel()))
    assert (pooled["Wrong_A"], pooled["Wrong_both"]) == (wrong["a"].sum(), (wrong["a"] & wrong["c"]).sum())
    assert pooled["By_chance"] == pytest.approx(wrong["a"].sum() * wrong["c"].sum() / (N * 5))
    assert pooled["Overlap_lo"] < pooled["Overlap"] < pooled["Overlap_hi"]
    between = table[table["Between"] == "classes"].set_index(["A", "B"]).loc[("MI", "HYP"), "Overlap"]
    assert between == pytest.approx(jaccard_score(wrong["a"][:, 1], wrong["a"][:, 4]))
    assert len(table) == 3 * 6 + 10


def test_one_model_has_no_pairs_and_thirty_are_drawn_as_ten() -> None:
    weights = patient_weights(PATIENTS, n_resamples=5)
    one = overlap_table(LABELS, {"a": model("a", 0)}, weights, best="a", class_names=CLASS_NAMES)
    assert "one model was evaluated" in "\n".join(overlap_lines(one, best="a"))
    assert len(overlap_figure(one, best="a", class_names=CLASS_NAMES, models=["a"]).axes) == 1
    names = [f"m{i}" for i in range(30)]
    many = overlap_table(LABELS, {name: model(name, i, 1) for i, name in enumerate(names)}, weights, best="m0", class_names=CLASS_NAMES)
    assert "435 pairs; shown are those with m0" in "\n".join(overlap_lines(many, best="m0"))
    figure = overlap_figure(many, best="m0", class_names=CLASS_NAMES, models=names)
    assert len(figure.axes[0].get_yticks()) == MOST_DRAWN
    assert "the 10 best on validation of 30 models" in figure.get_supxlabel().replace("\n", " ")


def test_a_statements_auc_is_that_of_its_records_against_those_without_its_superclass(split: Split) -> None:
    one = model("a", 3)
    table = statement_table(split, SUPERCLASS, 0.0, one, patient_weights(PATIENTS, n_resamples=100), class_names=CLASS_NAMES)
    carries = np.array(["IMI" in codes for codes in split.origin.statements])
    kept = carries | (LABELS[:, 1] == 0)
    row = table.set_index("Statement").loc["IMI"]
    assert row["AUC"] == pytest.approx(np.mean([roc_auc_score(carries[kept], run.probabilities[kept, 1]) for run in one.at_f1_thresholds]))
    assert row["AUC_of_class"] == pytest.approx(
        np.mean([roc_auc_score(LABELS[:, 1], run.probabilities[:, 1]) for run in one.at_f1_thresholds])
    )
    assert row["Sensitivity"] == pytest.approx(np.mean([(run.probabilities[carries, 1] >= 0.5).mean() for run in one.at_f1_thresholds]))
    assert row["AUC_lo"] < row["AUC"] < row["AUC_hi"]
    assert table.set_index("Statement").loc["AMI", "Suppressed"] == "under 10 records"
    assert list(table["Class"]) == sorted(table["Class"], key=CLASS_NAMES.index)
    assert "SR" not in set(table["Statement"])
    assert "suppressed: AMI" in "\n".join(statement_lines(table, model="a"))
    assert len(statement_figure(table, model="a").axes[0].get_yticks()) == 4


def test_the_label_rules_least_likelihood_holds_for_statements_too(split: Split) -> None:
    table = statement_table(split, SUPERCLASS, 60.0, model("a", 3), patient_weights(PATIENTS, n_resamples=5), class_names=CLASS_NAMES)
    assert "LVH" not in set(table["Statement"])


def test_without_statements_there_is_one_line_with_the_remedy(split: Split) -> None:
    bare = dataclasses.replace(split, origin=None)
    table = statement_table(bare, {}, 0.0, model("a", 3), patient_weights(PATIENTS, n_resamples=5), class_names=CLASS_NAMES)
    assert table.empty
    assert "`ecg-tune data prepare`" in " ".join(statement_lines(table, model="a"))


def test_the_worst_records_have_the_largest_cross_entropy(split: Split) -> None:
    one = model("a", 4)
    losses = np.mean([[log_loss(LABELS[i], run.probabilities[i], labels=[0, 1]) for i in range(N)] for run in one.at_f1_thresholds], axis=0)
    found = worst_records(LABELS, one)
    np.testing.assert_array_equal(found.rows, np.argsort(-losses)[:20])
    np.testing.assert_allclose(found.loss, np.sort(losses)[::-1][:20])
    row = worst_table(split, one, class_names=CLASS_NAMES).iloc[0]
    assert row["ecg_id"] == found.rows[0] + 1
    assert (row["Age"], row["Quality"]) == ("over 89", "static noise")
    assert row["P_MI"] == pytest.approx(np.mean([run.probabilities[found.rows[0], 1] for run in one.at_f1_thresholds]))


def test_an_ecg_on_paper_is_to_scale() -> None:
    signal_mv = np.zeros((1000, 12))
    signal_mv[:, LEAD_NAMES.index("V5")] = 1.5
    figure = ecg_figure(signal_mv, leads=LEAD_NAMES, sampling_rate_hz=100, title=["one line"])
    (axes,) = figure.axes
    width_mm = axes.get_position().width * figure.get_figwidth() * 25.4
    assert np.ptp(axes.get_xlim()) == pytest.approx(width_mm)
    assert np.ptp(axes.get_ylim()) == pytest.approx(axes.get_position().height * figure.get_figheight() * 25.4)
    lines = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) > 6]
    assert sorted(len(line) for line in lines) == [*[250] * 12, 1000]
    rhythm = max(lines, key=len)
    assert rhythm[-1, 0] - rhythm[0, 0] == pytest.approx(25 * 9.99)
    pulses = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 6]
    assert [np.ptp(pulse[:, 1]) for pulse in pulses] == [10.0] * 4
    assert {text.get_text() for text in axes.texts} == {"I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"}
    second = [line for line in lines if len(line) == 250 and line[0, 0] > 190]
    assert np.ptp([line[0, 1] for line in second[:2]]) == pytest.approx(30 - 15)  # V5 lies 1.5 mV above its row, V4 on its own


def test_fewer_leads_get_a_row_each() -> None:
    figure = ecg_figure(np.zeros((250, 3)), leads=("I", "II", "V2"), sampling_rate_hz=100, title=["a", "b"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["I", "II", "V2"]
