"""Folds of the training split: by patient, with every class in each, and a race over them leaves validation alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from analysis.retraining.folds import rarest_class, train_folds
from analysis.retraining.race import Racer, n_trainings, plan_race
from analysis.retraining.training_jobs import Fold, Job
from ecg_tune.cli.main import run
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData, Split, read_ledger
from ecg_tune.errors import UsageError
from ecg_tune.models import FusionConfig
from ecg_tune.study.race_result import RACE, raced_in, read_race, scatter_by_family, won_text
from ecg_tune.training.model_file import load_saved

from .test_race import study as study  # the fixture: tiny networks whose values are MADE UP


def with_train(data: PreparedData, labels: np.ndarray, patients: np.ndarray) -> PreparedData:
    signals = np.arange(len(labels), dtype=np.int16)[:, None, None]  # each record's number
    certainty = np.ones(labels.shape, np.float32)
    return dataclasses.replace(data, train=Split("train", signals, labels, {"patient_id": patients}, certainty=certainty))


@pytest.fixture
def many(few_data: PreparedData) -> PreparedData:
    """Return data whose training split is 400 MADE-UP records of 150 patients; the last class is rare."""
    rng = np.random.default_rng(0)
    labels = (rng.random((400, 5)) < [0.5, 0.3, 0.3, 0.2, 0.05]).astype(np.uint8)
    return with_train(few_data, labels, rng.integers(0, 150, 400))


def test_no_patient_is_in_two_folds_and_every_record_is_in_one(many: PreparedData) -> None:
    folds, patients = train_folds(many, 5), many.train.records["patient_id"]
    assert sorted(row for fold in folds for row in fold.rows) == list(range(400))
    for fold in folds:
        divided = fold.divide(many)
        assert set(divided.train.records["patient_id"]).isdisjoint(divided.validation.records["patient_id"])
        assert divided.validation.signals_uv[:, 0, 0].tolist() == list(fold.rows), "none of the data's own validation records"
        np.testing.assert_array_equal(divided.validation.labels, many.train.labels[list(fold.rows)])
        assert (len(divided.train) + len(divided.validation), divided.validation.certainty) == (400, None)
        assert len(divided.train.certainty) == len(divided.train)
        assert set(divided.train.records["patient_id"]) <= set(patients)
    assert folds == train_folds(many, 5), "an interrupted race divides the data as before"


def test_every_class_is_spread_over_the_folds(many: PreparedData) -> None:
    rare = [many.train.labels[list(fold.rows), 4].sum() for fold in train_folds(many, 5)]
    assert sum(rare) == many.train.labels[:, 4].sum()
    assert min(rare) >= 2
    assert max(rare) <= 2 * min(rare)
    np.testing.assert_array_equal(rarest_class(np.array([[1, 1], [1, 0], [1, 0], [0, 0]], np.uint8)), [1, 0, 0, 2])


def test_data_that_can_not_be_divided_are_refused(many: PreparedData) -> None:
    two = with_train(many, np.eye(5, dtype=np.uint8)[:4], np.array([1, 1, 2, 2]))
    with pytest.raises(UsageError, match="--folds 3 can't divide 2 train patients: "):
        train_folds(two, 3)
    images = dataclasses.replace(many, train=dataclasses.replace(many.train, images=()))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="these data come with stored images: leave it out"):
        train_folds(images, 5)


def test_a_fusion_whose_encoders_have_seen_the_folds_is_refused() -> None:
    fusion = TrialConfig("fusion", FusionConfig(signal_checkpoint="encoders/a.pth"), TrainingConfig(), ImageConfig(size=32))
    job, fold = Job("JointFusion", 7, 0.9, fusion, 0, Path("models/JointFusion_trial7_seed0.pth")), Fold(1, 5, (2, 3))
    with pytest.raises(UsageError, match="trial 7 starts from encoders that were trained on all of the train split"):
        job.on_fold(fold)
    fresh = dataclasses.replace(job, config=dataclasses.replace(fusion, model=FusionConfig())).on_fold(fold)
    assert (fresh.path.name, fresh.key) == ("JointFusion_trial7_fold1of5.pth", (7, 1))


@pytest.mark.parametrize(
    ("n", "folds", "rounds", "trainings"),
    [(8, 5, [(8, 1), (4, 3), (2, 5)], 20), (8, 2, [(8, 1), (4, 2), (2, 2)], 12), (1, 5, [(1, 5)], 5)],
)
def test_the_finalists_of_a_race_over_folds_get_all_of_them(n, folds, rounds, trainings) -> None:
    assert (plan_race(n, folds), n_trainings(n, folds)) == (rounds, trainings)


def test_the_interval_over_folds_is_wider_since_they_share_most_of_their_records() -> None:
    values = (0.88, 0.89, 0.885, 0.879, 0.891)
    over_seeds, over_folds = (Racer(0, 0.9, values, 5, "cnn1d", folds) for folds in (0, 5))
    low, high = over_folds.interval
    assert (high - low) / (over_seeds.interval[1] - over_seeds.interval[0]) == pytest.approx(np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    (raced,) = raced_in({"race": [over_folds.as_row()]})
    text = f"macro AUC 0.8850 [{low:.4f}, {high:.4f}] over 5 of 5 folds of the train split; the search said 0.9000 on validation"
    assert won_text([raced]) == f"race of 1 trial over folds ({text})"
    assert raced.gap is None, "the search's value is of other records"
    assert scatter_by_family([raced]) == [], "folds scatter by their records too"


@pytest.mark.slow
def test_a_race_over_folds_says_what_it_costs_and_trains_the_finalists_on_all_of_train(study: Path, few_data: PreparedData, capsys) -> None:
    openings, command = read_ledger(few_data), ["retrain", str(study), "--race", "--folds", "2", "--top", "2", "--seeds", "1"]
    assert run(command) == 0
    out = capsys.readouterr().out
    plan = "race of 2 trials: 2 with 1 fold, 1 with 2 folds, then 1 with 1 seed on all of train; 4 trainings; about 8 s of training"
    assert plan in out
    assert "(trial 2, fold 1 of 2): macro AUC on the fold 0." in out
    first, second = read_race(study / "models")
    assert (first.folds, first.seeds, second.seeds) == (2, 2, 1)
    assert len(list((study / "models").glob("*_fold*of2.pth"))) == 3
    rows = {row["trial"]: row for row in json.loads((study / "models" / RACE).read_text())["race"]}
    (path,) = (study / "models").glob(f"*trial{first.trial}_fold1of2.pth")
    saved = load_saved(path)
    assert (saved.validation_macro_auc, saved.seed) == (rows[first.trial]["values"][1], 1)
    (final,) = (study / "models").glob("*_seed*.pth")
    assert f"_trial{first.trial}_" in final.name
    assert run(command) == 0
    assert capsys.readouterr().out.count("0 trainings to do") == 3, "the same command again trains nothing twice"
    assert run(["status", str(study)]) == 0
    assert f"best after the race of 2 trials over folds: trial {first.trial}" in capsys.readouterr().out
    assert read_ledger(few_data) == openings


def test_folds_without_a_race_are_refused(study: Path, capsys) -> None:
    assert run(["retrain", str(study), "--folds", "5"]) == 2
    assert "--folds 5 is over what a race goes: give --race too" in capsys.readouterr().err
    assert not (study / "models").exists()
