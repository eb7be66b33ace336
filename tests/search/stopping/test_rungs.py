"""What stands at the rungs, without a cluster; the same for every rule."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.config import SearchSettings
from ecg_tune.search.stopping.rungs import Rule, Rungs, rungs_of
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.schema import read_trial

ONE_LEVEL = Rule(brackets=((1,),), quantile=2 / 3, min_results=3, marks=(1,))
THREE_LEVELS = replace(ONE_LEVEL, brackets=((1, 3, 9),), marks=(1, 3, 9))
EPOCHS = 10


def rule_named(name: str) -> Rule:
    return SCHEDULERS[name](SearchSettings(max_epochs=EPOCHS, grace_epochs=1, min_results=2, scheduler=name))


def filled(rule: Rule, *values: float, family: str = "one") -> Rungs:
    """Return rungs at whose epoch 1 the given values stand, of trials 0, 1, …"""
    rungs = Rungs(rule)
    for number, value in enumerate(values):
        rungs.enter(family, number, 1, value)
    return rungs


def test_nothing_is_cut_before_enough_others_stand():
    assert not filled(ONE_LEVEL, 0.9, 0.9).enter("one", 7, 1, 0.1)
    assert filled(ONE_LEVEL, 0.9, 0.9, 0.9).enter("one", 7, 1, 0.1)


def test_one_in_factor_goes_on():
    standing = [0.1 * k for k in range(10)]
    cutoff = float(np.percentile(standing, 200 / 3))
    assert not ONE_LEVEL.prunes(standing, cutoff)
    assert ONE_LEVEL.prunes(standing, cutoff - 1e-9)


def test_a_family_is_compared_with_itself_only():
    rungs = filled(ONE_LEVEL, 0.9, 0.9, 0.9, 0.9, family="fast")
    assert not rungs.enter("slow", 5, 1, 0.2)
    assert rungs.enter("fast", 6, 1, 0.2)


def test_a_bracket_is_compared_with_itself_only():
    rule = Rule(brackets=((1, 3), (3,)), shares=(1, 1), quantile=0.5, min_results=2, marks=(1, 3))
    early, late = ([number for number in range(20) if rule.bracket(number) == bracket] for bracket in (0, 1))
    rungs = Rungs(rule)
    for number in late[:3]:
        for epoch in (1, 2, 3):
            assert not rungs.enter("one", number, epoch, 0.9)
    for epoch in (1, 2, 3):
        assert not rungs.enter("one", early[0], epoch, 0.1)
    assert rungs.enter("one", late[3], 3, 0.1)
    assert rungs.counts == {"one": {1: 1, 3: 5}}


def test_between_the_rungs_nobody_is_cut():
    rungs = Rungs(THREE_LEVELS)
    for number in range(9):
        for epoch in (1, 2, 3):
            cut = rungs.enter("one", number, epoch, 0.9 - 0.1 * number)
            assert not (cut and epoch == 2)
    assert cut


def test_the_best_value_so_far_is_what_stands():
    rungs = Rungs(THREE_LEVELS)
    for epoch, value in ((1, 0.5), (2, 0.8), (3, 0.6)):
        rungs.enter("one", 0, epoch, value)
    assert rungs.values == {("one", 1): {0: 0.5}, ("one", 3): {0: 0.8}}
    assert rungs.best == {0: 0.8}


def test_a_trial_that_ended_by_patience_stands_at_higher_rungs_with_its_best():
    rungs = Rungs(THREE_LEVELS)
    for epoch, value in ((1, 0.7), (2, 0.6), (3, 0.5), (4, 0.4)):
        rungs.enter("one", 0, epoch, value)
    rungs.end("one", 0, 4)
    assert rungs.values[("one", 9)] == {0: 0.7}
    assert rungs.counts == {"one": {1: 1, 3: 1, 9: 1}}


def test_under_the_median_rule_means_stand_and_after_patience_the_best():
    rungs = Rungs(Rule(brackets=((2, 3, 4, 5),), quantile=0.5, averages=True, marks=(2, 4)))
    for epoch, value in ((1, 0.1), (2, 0.8), (3, 0.4)):
        rungs.enter("one", 0, epoch, value)
    rungs.end("one", 0, 3)
    assert rungs.values == {("one", 2): {0: 0.8}, ("one", 3): {0: pytest.approx(0.6)}, ("one", 4): {0: 0.8}, ("one", 5): {0: 0.8}}
    assert rungs.counts == {"one": {2: 1, 4: 1}}


def test_judging_again_gives_the_same_answer_and_changes_nothing():
    rungs = filled(ONE_LEVEL, 0.9, 0.8, 0.7, 0.6)
    before = {rung: dict(values) for rung, values in rungs.values.items()}
    assert [rungs.judge("one", 3, 1) for _ in range(2)] == [True, True]
    assert not rungs.judge("one", 0, 1)
    assert not rungs.judge("one", 99, 1)
    assert rungs.values == before


def test_a_value_that_is_no_number_is_the_books_to_fail():
    with pytest.raises(AssertionError, match="the engine fails such trials"):
        Rungs(ONE_LEVEL).enter("one", 0, 1, float("nan"))


def test_rungs_come_back_from_nothing_but_the_study():
    study = optuna.create_study(direction="maximize")
    attrs = {"family": "one"}
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.2, intermediate_values={1: 0.2}, user_attrs=attrs))
    study.add_trial(create_trial(value=0.6, intermediate_values={3: 0.9, 1: 0.6}, user_attrs={**attrs, "ended_by": "patience"}))
    study.add_trial(create_trial(state=TrialState.FAIL, intermediate_values={1: 0.3}, user_attrs=attrs))
    rungs = rungs_of(map(read_trial, study.trials), THREE_LEVELS)
    assert rungs.values == {("one", 1): {0: 0.2, 1: 0.6, 2: 0.3}, ("one", 3): {1: 0.9}, ("one", 9): {1: 0.9}}


class Stream:
    """Trials of two families that run side by side, each advanced by one epoch at a time, in random order."""

    def __init__(self, seed: int, decide: Callable[[str, int, int, float], bool], end: Callable[[str, int, int], None]) -> None:
        self.rng, self.decide, self.end = random.Random(seed), decide, end
        self.rows: list[dict[str, Any]] = []
        self.running: list[int] = []
        self.cut = 0

    def step(self) -> None:
        if len(self.running) < 4:
            self.running.append(len(self.rows))
            self.rows.append({"family": self.rng.choice(["one", "two"]), "values": {}, "attrs": {}, "level": self.rng.random()})
        number = self.rng.choice(self.running)
        row = self.rows[number]
        epoch, value = len(row["values"]) + 1, row["level"] + 0.02 * len(row["values"]) + self.rng.gauss(0, 0.05)
        row["values"][epoch] = value
        cut = self.decide(row["family"], number, epoch, value)
        self.cut += cut
        if not cut and epoch < EPOCHS and self.rng.random() < 0.04:
            row["attrs"] = {"ended_by": "patience"}
            self.end(row["family"], number, epoch)
            cut = True
        if cut or epoch == EPOCHS:
            self.running.remove(number)

    def trials(self) -> list[FrozenTrial]:
        trials = []
        for number, row in enumerate(self.rows):
            attrs = {"family": row["family"], **row["attrs"]}
            trials.append(create_trial(state=TrialState.FAIL, intermediate_values=row["values"], user_attrs=attrs))
            trials[-1].number = number
        return trials


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("seed", range(3))
def test_rungs_rebuilt_from_the_rows_equal_those_kept_result_by_result(name, seed):
    rule = rule_named(name)
    kept = Rungs(rule)
    stream = Stream(seed, kept.enter, kept.end)
    for step in range(1, 401):
        stream.step()
        if step % 50 == 0:
            again = rungs_of(map(read_trial, stream.trials()), rule)
            assert (again.values, again.best, again.counts) == (kept.values, kept.best, kept.counts)
            for number in stream.running:
                row = stream.rows[number]
                where = (row["family"], number, len(row["values"]))
                assert again.judge(*where) == kept.judge(*where)
    assert (stream.cut > 10) == (name not in ("none", "forecast"))


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_a_search_that_restarts_before_every_result_decides_as_one_that_never_stops(name):
    rule = rule_named(name)
    kept = Rungs(rule)

    def decide(family: str, number: int, epoch: int, value: float) -> bool:
        stream.rows[number]["values"].pop(epoch)
        restarted = rungs_of(map(read_trial, stream.trials()), rule)
        stream.rows[number]["values"][epoch] = value
        cut = kept.enter(family, number, epoch, value)
        assert restarted.enter(family, number, epoch, value) == cut
        assert rungs_of(map(read_trial, stream.trials()), rule).judge(family, number, epoch) == cut
        return cut

    stream = Stream(11, decide, kept.end)
    for _ in range(110):
        stream.step()
    assert stream.cut > 3


@pytest.mark.parametrize("averages", [False, True])
def test_a_whole_curve_at_once_is_recorded_as_its_epochs_one_by_one(averages):
    rule = Rule(brackets=((2, 4), (4,)), shares=(1, 1), averages=averages)
    rng, at_once, one_by_one = np.random.default_rng(0), Rungs(rule), Rungs(rule)
    for number in range(20):
        curve = {epoch: float(rng.random()) for epoch in range(1, 6) if rng.random() < 0.8}
        at_once.record_curve("rnn", number, curve)
        for epoch, value in curve.items():
            one_by_one.record("rnn", number, epoch, value)
    assert (at_once.values, at_once.best) == (one_by_one.values, one_by_one.best)
