"""A race of trials over seeds: its plan, its order, its intervals, and the command that runs it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState, create_trial
from scipy.stats import ttest_1samp

from analysis.retraining.candidates import MANIFEST
from analysis.retraining.race import Racer, n_trainings, plan_race, race
from ecg_tune.cli.main import run
from ecg_tune.config import to_dict
from ecg_tune.data.prepared.dataset import PreparedData, read_ledger
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.race_result import read_race
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

from .test_retrain import VALUES, tiny_config


@pytest.mark.parametrize(
    ("n", "rounds", "trainings"),
    [(1, [(1, 7)], 7), (2, [(2, 1), (1, 7)], 8), (3, [(3, 1), (2, 3), (1, 7)], 11), (8, [(8, 1), (4, 3), (2, 7)], 24)],
)
def test_half_of_the_racers_get_two_more_seeds_and_a_quarter_four_more(n, rounds, trainings):
    assert (plan_race(n), n_trainings(n)) == (rounds, trainings)


def racers(n: int) -> list[Trial]:
    return [Trial(number, "COMPLETE", values=(0.99 - 0.01 * number,)) for number in range(n)]


def test_the_order_is_that_of_the_means_of_new_seeds_and_the_search_does_not_count():
    quality, asked = [0.5, 0.8, 0.6, 0.9], list[dict[int, int]]()

    def train(seeds: Mapping[int, int]) -> dict[int, Sequence[float]]:
        asked.append(dict(seeds))
        return {trial: [quality[trial] + 0.001 * seed for seed in range(n)] for trial, n in seeds.items()}

    raced = race(racers(4), train)
    assert asked == [{0: 1, 1: 1, 2: 1, 3: 1}, {3: 3, 1: 3}, {3: 7}]
    assert [(racer.trial, len(racer.values)) for racer in raced] == [(3, 7), (1, 3), (2, 1), (0, 1)]


def test_one_lucky_seed_does_not_win():
    lucky = {0: [0.95, 0.70, 0.70, 0.70, 0.70, 0.70, 0.70], 1: [0.90] * 7, 2: [0.89] * 7, 3: [0.60] * 7}
    raced = race(racers(4), lambda seeds: {trial: lucky[trial][:n] for trial, n in seeds.items()})
    assert [racer.trial for racer in raced][:2] == [1, 0]
    assert raced[1].mean == pytest.approx((0.95 + 0.70 + 0.70) / 3)


def test_values_of_another_metric_are_not_shown_beside_macro_aucs():
    raced = race(racers(2), lambda seeds: {trial: [0.8] * n for trial, n in seeds.items()}, metric="macro_f1")
    assert [racer.search_value for racer in raced] == [None, None]


def test_a_trial_whose_trainings_fail_drops_out():
    raced = race(racers(4), lambda seeds: {trial: [0.5 + 0.1 * trial] * n for trial, n in seeds.items() if trial != 3})
    assert [racer.trial for racer in raced] == [2, 1, 0, 3]
    assert raced[-1].as_row()["validation_macro_auc_mean"] is None


def test_the_interval_is_students():
    values = (0.88, 0.89, 0.885, 0.879, 0.891)
    racer = Racer(0, None, values, 5)
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    np.testing.assert_allclose(racer.interval, (expected.low, expected.high))
    assert Racer(0, None, (0.9,), 1).interval is None


@pytest.fixture
def study(few_data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a study of tiny networks, whose values are MADE UP; trainings run one by one, in this process."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    attributes = StudyAttributes(
        data_fingerprint=few_data.fingerprint, data_path=str(few_data.folder), metric="macro_auc", max_epochs=2, settings={"trials": 6}
    )
    made = Study.create(tmp_path / "study", attributes)
    for family, value in VALUES:
        attrs = {"config": to_dict(tiny_config(family)), "family": family, "seconds": 2.0}
        made.optuna.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs=attrs))
    made.close()
    return tmp_path / "study"


@pytest.mark.slow
def test_the_command_says_what_it_costs_races_and_keeps_the_winners(study: Path, few_data: PreparedData, capsys) -> None:
    openings = read_ledger(few_data)
    assert run(["retrain", str(study), "--race", "--top", "4"]) == 0
    out = capsys.readouterr().out
    assert "race of 4 trials: 4 with 1 seed, 2 with 3 seeds, 1 with 7 seeds; 12 trainings; about 24 s of training" in out
    manifest = json.loads((study / "models" / MANIFEST).read_text())
    assert [row["seeds"] for row in manifest["race"]] == [7, 3, 1, 1]
    assert sorted(row["trial"] for row in manifest["race"]) == [0, 2, 3, 4]  # the four best of the search
    (winner,) = manifest["models"]
    assert winner["trial"] == manifest["race"][0]["trial"]
    assert winner["validation_macro_auc_mean"] == pytest.approx(manifest["race"][0]["validation_macro_auc_mean"])
    assert len(list((study / "models").glob("*_seed*.pth"))) == 12
    low, high = manifest["race"][0]["interval"]
    assert f"1. trial {winner['trial']}: validation macro AUC {winner['validation_macro_auc_mean']:.4f} [{low:.4f}, {high:.4f}]" in out
    assert "the search said 0.9" in out
    assert run(["status", str(study)]) == 0
    said = f"best after the race of 4 trials over seeds: trial {winner['trial']}, validation macro AUC"
    assert said in (status := capsys.readouterr().out)
    assert "best of the search: trial 2 (rnn), validation macro_auc 0.9300" in status
    assert run(["retrain", str(study), "--race", "--top", "4"]) == 0
    assert "0 trainings to do, 4 were finished before" in capsys.readouterr().out  # the same command again trains nothing twice
    assert read_ledger(few_data) == openings


@pytest.mark.parametrize("text", ["", "{", "[]", '{"race": 3}', '{"race": [{"trial": "x"}]}', '{"models": []}'])
def test_a_manifest_that_says_nothing_readable_is_no_race(tmp_path: Path, text: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "manifest.json").write_text(text)
    assert read_race(tmp_path) == []
    assert read_race(tmp_path / "nowhere") == []


@pytest.mark.parametrize("flags", [["--trial", "0"], ["--seeds", "2"]])
def test_a_race_takes_neither_seeds_nor_single_trials(study: Path, flags: list[str], capsys) -> None:
    assert run(["retrain", str(study), "--race", *flags]) == 2
    assert "--race gives each trial its seeds" in capsys.readouterr().err


def test_a_study_without_a_complete_trial_can_not_race(few_data: PreparedData, tmp_path: Path, capsys) -> None:
    attributes = StudyAttributes(data_fingerprint=few_data.fingerprint, data_path=str(few_data.folder), settings={"trials": 6})
    Study.create(tmp_path / "empty", attributes).close()
    assert run(["retrain", str(tmp_path / "empty"), "--race"]) == 2
    assert "no COMPLETE trial to retrain" in capsys.readouterr().err
