"""A race of trials over seeds: its plan, its order, its intervals, and the command that runs it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState, create_trial
from scipy.stats import ttest_1samp

from analysis.dashboard.dashboard import write_dashboard
from analysis.prediction.model_choice import open_model
from analysis.retraining.candidates import MANIFEST, find_candidates
from analysis.retraining.race import Racer, n_trainings, plan_race, race
from ecg_tune.cli.main import run
from ecg_tune.config import to_dict
from ecg_tune.data.prepared.dataset import PreparedData, read_ledger
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.change_detection import change_mark
from ecg_tune.study.race_result import RACE, Raced, raced_in, read_race, scatter_by_family, write_race
from ecg_tune.study.study import Study
from ecg_tune.study.summary import race_of
from ecg_tune.study.trial import Trial
from ecg_tune.training.model_file import SavedModel, save_model

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
    monkeypatch.setattr("ecg_tune.api.retrain.usable_cpus", lambda: 1)
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
    manifest = json.loads((study / "models" / MANIFEST).read_text()) | json.loads((study / "models" / RACE).read_text())
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
    said = f"best after the race of 4 trials over seeds: trial {winner['trial']} ({winner['family']}), validation macro AUC"
    assert said in (status := capsys.readouterr().out)
    assert f"  {winner['family']}: sd over seeds " in status
    assert "best of the search: trial 2 (rnn), validation macro_auc 0.9300" in status
    page = _dashboard_text(study)
    assert f"95 % [{low:.4f}, {high:.4f}], mean over 7 seeds; winner of a race of 4 trials" in page
    assert "Best validation macro AUC in the search" in page
    assert f'<td class="n">{low:.4f} to {high:.4f}</td>' in page
    assert run(["retrain", str(study), "--race", "--top", "4"]) == 0
    assert "0 trainings to do, 4 were finished before" in capsys.readouterr().out  # the same command again trains nothing twice
    assert run(["retrain", str(study), "--trial", str(winner["trial"]), "--seeds", "1"]) == 0
    assert f"trial {winner['trial']} stays the best, by the race of 4 trials over seeds (validation macro AUC " in capsys.readouterr().out
    assert run(["retrain", str(study), "--trial", str(manifest["race"][-1]["trial"]), "--seeds", "1"]) == 0
    assert "it is not among these models, so an evaluation names the best of these" in capsys.readouterr().out
    assert run(["status", str(study)]) == 0
    assert said in capsys.readouterr().out
    assert read_ledger(few_data) == openings


def _dashboard_text(study: Path) -> str:
    with Study.open(study, read_only=True) as opened:
        return write_dashboard(opened, study / "dashboard.html").read_text(encoding="utf-8")


def test_the_scatter_of_seeds_is_pooled_over_the_trials_of_a_family():
    trials = [
        Raced(0, 2, 0.85, None, 0.90, "cnn1d", (0.84, 0.86)),
        Raced(1, 3, 0.80, None, 0.81, "cnn1d", (0.79, 0.80, 0.81)),
        Raced(2, 1, 0.70, None, None, "rnn", (0.70,)),
        Raced(3, 0, None, None, 0.95, "rnn"),
    ]
    cnn1d, rnn = scatter_by_family(trials)
    assert (cnn1d.trials, cnn1d.trainings) == (2, 5)
    assert cnn1d.sd == pytest.approx(np.sqrt((2 * 0.01**2 + 2 * 0.01**2) / 3))
    assert cnn1d.gap == pytest.approx((0.05 + 0.01) / 2)
    assert (rnn.trials, rnn.trainings, rnn.sd, rnn.gap) == (2, 1, None, None)
    assert cnn1d.text() == "sd over seeds 0.0115, mean gap search - retrained +0.0300 (2 trials, 5 trainings)"


def test_a_race_that_does_not_say_its_families_is_read_and_has_no_scatter():
    row = {"trial": 3, "search_value": 0.9, "seeds": 3, "validation_macro_auc_mean": 0.88, "interval": [0.87, 0.89]}
    (racer,) = raced_in({"race": [row]})
    assert racer.text() == "validation macro AUC 0.8800 [0.8700, 0.8900] over 3 seeds; the search said 0.9000"
    assert scatter_by_family([racer]) == []


def race_of_two(study: Path) -> None:
    """Write a MADE-UP race of trials 2 and 0, in this order."""
    write_race(study / "models", [Racer(trial, 0.9, (0.80 + trial / 100, 0.82 + trial / 100), 2, "rnn").as_row() for trial in (2, 0)])


def test_a_race_says_nothing_once_a_racer_was_extended(study: Path, capsys) -> None:
    race_of_two(study)
    with Study.open(study) as opened:
        longer = opened.add(dataclasses.replace(opened.trial(0), state="RUNNING", values=(), continued_from=0, id=-1))
        assert [racer.trial for racer in race_of(opened)[0]] == [2, 0], "until the longer training has finished, the shorter one counts"
        opened.finish(longer, "COMPLETE", (0.95,))
    assert run(["status", str(study)]) == 0
    out = capsys.readouterr().out
    again = f"run `ecg-tune retrain {study} --race` again"
    assert f"the race over seeds no longer holds, since trial 0, which ran in it, was extended: {again}" in out
    assert f"best: trial {longer.number} (rnn)" in out
    page = _dashboard_text(study)
    assert (
        f"The race over seeds no longer holds, since trial 0, which ran in it, was extended: run `ecg-tune retrain {study} --race`" in page
    )
    write_race(study / "models", [Racer(99, 0.9, (0.8,), 1, "rnn").as_row()])
    assert run(["status", str(study)]) == 0
    assert "since trial 99, which ran in it, is not in this study" in capsys.readouterr().out


def test_the_races_winner_comes_first_whatever_the_seeds_say_that_were_trained_since(
    few_data: PreparedData, toy_model: Callable[..., SavedModel], tmp_path: Path
) -> None:
    for name, trial, value in (("CNN1D", 0, 0.9), ("RNNModel", 2, 0.8)):
        save_model(tmp_path / f"{name}_best.pth", dataclasses.replace(toy_model(few_data, name, validation=value), trial=trial))
    assert [one.name for one in find_candidates(tmp_path)] == ["CNN1D", "RNNModel"]
    write_race(tmp_path, [Racer(2, 0.91, (0.85, 0.87), 2, "rnn").as_row()])
    assert [one.name for one in find_candidates(tmp_path)] == ["RNNModel", "CNN1D"]
    assert open_model(tmp_path).why.startswith("chosen by the race of 1 trial over seeds (validation macro AUC 0.8600 [")
    write_race(tmp_path, [Racer(9, 0.91, (0.85, 0.87), 2, "rnn").as_row()])
    assert open_model(tmp_path).why == "best of 2 by validation macro AUC 0.9000", "the winner is not among them"


def test_a_page_that_follows_the_study_notices_a_race_and_leaves_out_who_was_discarded(study: Path) -> None:
    before = change_mark(study)
    race_of_two(study)
    assert change_mark(study) != before
    assert "trial 2, rnn: 95 % [" in _dashboard_text(study)
    assert run(["discard", str(study), "2", "--why", "a wrong label"]) == 0
    assert "trial 0, rnn: 95 % [" in _dashboard_text(study)


def test_a_race_that_an_earlier_version_wrote_into_the_manifest_counts(tmp_path: Path) -> None:
    row = {"trial": 2, "search_value": 0.91, "seeds": 2, "validation_macro_auc_mean": 0.86, "interval": [0.84, 0.88]}
    (tmp_path / MANIFEST).write_text(json.dumps({"models": [], "race": [row]}))
    assert read_race(tmp_path) == [Raced(2, 2, 0.86, (0.84, 0.88), 0.91)]
    write_race(tmp_path, [Racer(0, 0.9, (0.8,), 1, "rnn").as_row()])
    assert [racer.trial for racer in read_race(tmp_path)] == [0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"race": 3}', '{"race": [{"trial": "x"}]}', '{"models": []}'])
def test_a_file_that_says_nothing_readable_is_no_race(tmp_path: Path, text: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / RACE).write_text(text)
    assert read_race(tmp_path / "models") == []
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
