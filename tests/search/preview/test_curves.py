"""Curves for virtual time: assumed, or drawn from an earlier study."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.search.assignment import Assignment
from ecg_tune.search.preview.curves import Course, assumed_curves, courses_of, resampled_curves
from ecg_tune.study.schema import read_trial

EPOCHS = 6


def task(family: str = "rnn", number: int = 0) -> Assignment:
    return Assignment(number, family, {}, 0, "", 0)


def row(values: list[float], ended_by: str, *, state: TrialState = TrialState.COMPLETE, **attrs: Any) -> FrozenTrial:
    facts = {"family": "rnn", "ended_by": ended_by, "seconds": 2.0 * len(values), **attrs}
    value = max(values) if state == TrialState.COMPLETE else None
    return create_trial(state=state, value=value, intermediate_values=dict(enumerate(values, 1)), user_attrs=facts)


def test_assumed_curves_rise_cost_what_the_family_costs_and_follow_their_seed():
    costs = {"rnn": 2.0, "cnn1d": 0.5}
    draw, again, other = (assumed_curves(costs, epochs=EPOCHS, seed=seed) for seed in (1, 1, 2))
    curves = [draw(task()) for _ in range(200)]
    assert curves == [again(task()) for _ in range(200)]
    assert curves[0] != other(task())
    mean = np.mean([[value for value, _ in curve] for curve in curves], axis=0)
    assert all(np.diff(mean) > 0)
    assert {seconds for curve in curves for _, seconds in curve} == {2.0}
    assert {seconds for _, seconds in draw(task("cnn1d"))} == {0.5}


def test_a_studys_courses_keep_their_seconds_and_say_which_would_have_gone_on():
    study = optuna.create_study(direction="maximize")
    study.add_trials([
        row([0.5, 0.6], "asha", state=TrialState.PRUNED),
        row([0.5, 0.7, 0.6], "patience"),
        row([0.5], "failed", state=TrialState.FAIL),
        row([], "failed", state=TrialState.FAIL),
        row([0.5, 0.6], "", state=TrialState.RUNNING),
        row([0.4], "max_epochs", family="cnn1d", seconds=7.0),
    ])  # fmt: skip
    courses = courses_of(map(read_trial, study.trials))
    assert courses["cnn1d"] == [Course((0.4,), whole=False, epoch_s=7.0)]
    assert [(len(c.values), c.whole, c.epoch_s) for c in courses["rnn"]] == [(2, False, 2.0), (3, True, 2.0), (2, True, 2.0)]
    assert math.isnan(courses["rnn"][2].values[-1])


def test_a_cut_curve_goes_on_with_the_steps_of_a_longer_one():
    cut, long = Course((0.5, 0.6), False, 1.0), Course((0.6, 0.65, 0.75, 0.8), True, 3.0)
    draw = resampled_curves({"rnn": [cut, long]}, epochs=EPOCHS, seed=0)
    suggested = sorted({(curve[0][1], *(value for value, _ in curve)) for curve in (draw(task()) for _ in range(50))})
    assert suggested == [pytest.approx((1.0, 0.5, 0.6, 0.7, 0.75)), (3.0, *long.values)]


def test_a_cut_curve_stays_where_it_was_when_none_ran_longer_and_is_never_too_long():
    draw = resampled_curves({"rnn": [Course((0.5, 0.6), False, 1.0)]}, epochs=EPOCHS, seed=0)
    assert [value for value, _ in draw(task())] == [0.5, *[0.6] * (EPOCHS - 1)]
    draw = resampled_curves({"rnn": [Course(tuple(np.linspace(0, 1, 20)), True, 1.0)]}, epochs=EPOCHS, seed=0)
    assert len(draw(task())) == EPOCHS
