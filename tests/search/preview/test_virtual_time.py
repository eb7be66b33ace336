"""Virtual time: the course of a search without its work."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ecg_tune.config import SearchSettings
from ecg_tune.search.assignment import Assignment
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.virtual_time import Clock, Curve, Silent, Timeline, simulate, steps
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from tests.toy_search import TOY_SPACE, Log

EPOCHS = 4


def engine(**changes: Any) -> SearchEngine:
    settings = {"families": ("slow", "fast"), "trials": 12, "max_epochs": EPOCHS, "grace_epochs": 1, "seed": 3, "sampler": "random"}
    return SearchEngine(Study(optuna.create_study(direction="maximize")), TOY_SPACE, SearchSettings(**{**settings, **changes}), Log())


def curve(task: Assignment) -> Curve:
    """Learn towards the trial's quality; an epoch of `slow` takes 2 s, one of `fast` 1 s."""
    seconds = 2.0 if task.family == "slow" else 1.0
    return [(task.config["quality"] * (1 - 0.5**epoch), seconds) for epoch in range(1, EPOCHS + 1)]


def rows(driven: SearchEngine) -> list[tuple[Any, ...]]:
    return [(t.params, t.state, t.intermediate_values, t.user_attrs["ended_by"]) for t in driven.study.optuna.trials]


def test_the_timeline_counts_what_the_study_holds():
    driven = engine(trials=30)
    timeline = simulate(driven, curve, slots=3)
    trials = driven.study.optuna.trials
    assert driven.done
    assert timeline.epochs == sum(len(t.intermediate_values) for t in trials)
    assert timeline.states == {s: sum(t.state.name == s for t in trials) for s in ("COMPLETE", "PRUNED")}
    for family, reached in timeline.reached.items():
        mine = [t for t in trials if t.user_attrs["family"] == family]
        assert reached == {e: n for e in range(1, EPOCHS + 1) if (n := sum(e in t.intermediate_values for t in mine))}
        assert timeline.epochs_by_family[family] == sum(len(t.intermediate_values) for t in mine)


def test_without_stopping_the_hours_are_what_the_epochs_cost():
    one = simulate(engine(trials=2, scheduler="none"), curve, slots=1)
    assert (one.epochs, one.elapsed_s, one.busy_s) == (8, 12.0, 12.0)
    two = simulate(engine(trials=2, scheduler="none"), curve, slots=2)
    assert (two.epochs, two.elapsed_s, two.busy_s) == (8, 8.0, 12.0)


def test_no_worker_ever_waits_while_trials_are_left():
    timeline = simulate(engine(trials=200), curve, slots=4)
    longest_trial_s = 2.0 * EPOCHS
    assert timeline.busy_s / 4 <= timeline.elapsed_s <= timeline.busy_s / 4 + longest_trial_s


def test_time_never_runs_backwards_and_a_trials_epochs_are_its_seconds_apart():
    last: dict[int, float] = {}
    now_s = 0.0
    for step in steps(engine(trials=30, scheduler="asha"), curve, slots=3):
        assert step.at_s >= now_s
        now_s, number = step.at_s, step.assignment.number
        assert step.at_s == pytest.approx(last.get(number, step.at_s - step.seconds) + step.seconds)
        last[number] = step.at_s


def test_a_trial_that_waited_resumes_with_the_next_epoch_of_its_curve():
    driven, values, waits = engine(trials=30), dict[int, list[float]](), 0
    for step in steps(driven, curve, slots=3):
        values.setdefault(step.assignment.number, []).append(step.value)
        waits += step.ended and step.epoch < EPOCHS
    assert waits > 10
    assert driven.done
    for trial in driven.study.trials():
        assert list(trial.intermediate.values()) == values[trial.number] == [value for value, _ in curve_of(trial)][: trial.epochs]


def curve_of(trial: Trial) -> Curve:
    return curve(Assignment(trial.number, trial.family, dict(trial.config), 0, "", 0))


def test_equal_curves_give_equal_searches():
    one, two = engine(trials=30), engine(trials=30)
    assert simulate(one, curve, slots=3) == simulate(two, curve, slots=3)
    assert rows(one) == rows(two)


def test_a_curve_that_ends_early_is_patience_and_one_that_is_not_finite_a_failure():
    def ending(task: Assignment) -> Curve:
        return {0: curve(task)[:2], 1: [(0.5, 1.0), (math.nan, 1.0), (0.9, 1.0)]}[task.number]

    driven = engine(trials=2)
    timeline = simulate(driven, ending, slots=2)
    patient, failed = driven.study.optuna.trials
    assert (patient.state, patient.user_attrs["ended_by"]) == (TrialState.COMPLETE, "patience")
    assert (failed.state, failed.user_attrs["fail_reason"]) == (TrialState.FAIL, "nan")
    assert failed.intermediate_values == {1: 0.5}
    assert timeline == Timeline(3, 4.0, 6.0, {"FAIL": 1, "COMPLETE": 1}, {"slow": {1: 1, 2: 1}, "fast": {1: 1}})


@pytest.mark.parametrize("n_steps", [1, 7, 20])
def test_a_search_left_at_any_epoch_goes_on_where_it_stood(n_steps):
    whole, driven = engine(), engine()
    simulate(whole, curve, slots=1)
    course = steps(driven, curve, slots=1)
    for _ in range(n_steps):
        next(course)
    held = sum(len(t.intermediate_values) for t in driven.study.optuna.trials)
    again = SearchEngine(driven.study, TOY_SPACE, driven.settings, Log())
    timeline = simulate(again, curve, slots=1)
    assert held + timeline.epochs == sum(len(t.intermediate_values) for t in whole.study.optuna.trials)
    assert rows(again) == rows(whole)


def test_a_budget_of_time_counts_virtual_seconds():
    clock = Clock()
    settings = SearchSettings(families=("slow", "fast"), trials=100, max_epochs=EPOCHS, max_hours=10 / 3600, sampler="random")
    study = optuna.create_study(direction="maximize")
    driven = SearchEngine(Study(study), TOY_SPACE, settings, Silent(), budget=Budget(settings, [], clock=clock))
    timeline = simulate(driven, curve, slots=2, clock=clock)
    assert 10 <= timeline.elapsed_s < 10 + 2
    assert {t.user_attrs["ended_by"] for t in study.trials} >= {"max_hours"}


def test_a_trial_whose_last_epoch_is_known_ends_in_no_time():
    driven = engine(trials=1, scheduler="none")
    for step in steps(driven, curve, slots=1):
        if step.epoch == EPOCHS - 1:
            break
    number = step.assignment.number
    driven.record(number, {"epoch": EPOCHS, "value": 0.4, "complete": True})  # and the driver dies before it could close
    timeline = simulate(SearchEngine(driven.study, TOY_SPACE, driven.settings, Log()), curve, slots=1)
    assert (timeline.epochs, timeline.elapsed_s, timeline.states) == (0, 0.0, {"COMPLETE": 1})
