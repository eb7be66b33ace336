"""Rungs and the stopping rule, without a cluster."""

from __future__ import annotations

import random

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from ecg_tune.search.asha import Asha, Rungs, rung_levels, rungs_of


@pytest.mark.parametrize(
    ("grace", "factor", "max_epochs", "expected"),
    [(3, 3, 50, (3, 9, 27)), (1, 3, 10, (1, 3, 9)), (1, 3, 4, (1, 3)), (3, 3, 3, ()), (1, 2, 8, (1, 2, 4))],
)
def test_rungs_grow_by_the_factor_and_stay_below_the_last_epoch(grace, factor, max_epochs, expected):
    assert rung_levels(grace, factor, max_epochs) == expected


def test_nothing_is_cut_before_enough_results_stand():
    rule = Asha(levels=(1,), factor=3, min_results=3)
    assert not rule.cuts([0.9, 0.9], 0.1)
    assert rule.cuts([0.9, 0.9, 0.9], 0.1)


def test_one_in_factor_goes_on():
    rule = Asha(levels=(1,), factor=3, min_results=3)
    standing = [0.1 * k for k in range(10)]
    assert not rule.cuts(standing, float(np.percentile(standing, 200 / 3)))
    assert rule.cuts(standing, float(np.percentile(standing, 200 / 3)) - 1e-9)


def test_decisions_equal_those_of_rays_own_scheduler_on_streams_of_one_family():
    from ray.tune.experiment import Trial
    from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

    rng = random.Random(5)
    ours, rungs = Asha(levels=(1, 3, 9), factor=3, min_results=1), Rungs((1, 3, 9))
    theirs = AsyncHyperBandScheduler(time_attr="epoch", metric="value", mode="max", max_t=27, grace_period=1, reduction_factor=3)
    decisions = 0
    for number in range(120):
        trial = Trial("toy", stub=True, trial_id=f"t{number}")
        theirs.on_trial_add(None, trial)
        level, best = rng.random(), 0.0
        for epoch in range(1, 27):
            best = max(best, level + 0.02 * epoch + rng.gauss(0, 0.02))  # ours compares the best so far, theirs the last value
            expected = theirs.on_trial_result(None, trial, {"epoch": epoch, "value": best}) == TrialScheduler.STOP
            standing = rungs.enter("one", number, epoch, best)
            assert (standing is not None and ours.cuts(standing, best)) == expected
            decisions += standing is not None
            if expected:
                break
    assert decisions > 150


def test_a_family_is_compared_with_itself_only():
    rungs = Rungs((1,))
    for number in range(5):
        rungs.enter("fast", number, 1, 0.9)
    assert rungs.enter("slow", 5, 1, 0.2) == []


def test_the_best_value_so_far_is_what_stands():
    rungs = Rungs((1, 3))
    for epoch, value in ((1, 0.5), (2, 0.8), (3, 0.6)):
        rungs.enter("one", 0, epoch, value)
    assert rungs.values == {("one", 1): {0: 0.5}, ("one", 3): {0: 0.8}}


def test_a_trial_that_ended_by_patience_stands_at_higher_rungs_with_its_best():
    rungs = Rungs((1, 3, 9))
    for epoch, value in ((1, 0.7), (2, 0.6), (3, 0.5), (4, 0.4)):
        rungs.enter("one", 0, epoch, value)
    rungs.end("one", 0, 4)
    assert rungs.values[("one", 9)] == {0: 0.7}


def test_rungs_come_back_from_nothing_but_the_study():
    study = optuna.create_study(direction="maximize")
    attrs = {"family": "one"}
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.2, intermediate_values={1: 0.2}, user_attrs=attrs))
    study.add_trial(create_trial(value=0.6, intermediate_values={2: 0.5, 1: 0.6}, user_attrs={**attrs, "ended_by": "patience"}))
    study.add_trial(create_trial(state=TrialState.FAIL, intermediate_values={1: 0.3}, user_attrs=attrs))
    rungs = rungs_of(study.trials, (1, 3))
    assert rungs.values == {("one", 1): {0: 0.2, 1: 0.6, 2: 0.3}, ("one", 3): {1: 0.6}}
