"""The stopping rules against the libraries' own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import optuna
import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule, TrialScheduler

from ecg_tune.config import SearchSettings, to_dict
from ecg_tune.search.stopping.rungs import Rule, Rungs
from ecg_tune.search.stopping.schedulers import SCHEDULERS, hyperband, median, none, rule_of, rung_levels
from ecg_tune.study.attributes import StudyAttributes

EPOCHS = 28
RAYS = {"time_attr": "epoch", "metric": "value", "mode": "max"}


def settings(**changes: int | str) -> SearchSettings:
    return SearchSettings(**{"max_epochs": EPOCHS, "grace_epochs": 1, "min_results": 1, **changes})


def rays_hyperband(grace: int, factor: int) -> AsyncHyperBandScheduler:
    return AsyncHyperBandScheduler(**RAYS, max_t=EPOCHS, grace_period=grace, reduction_factor=factor)


class Side:
    """A scheduler of Ray's, asked as Tune asks it. Nothing waits for a slot, so it never pauses a trial."""

    def __init__(self, scheduler: TrialScheduler) -> None:
        self.scheduler = scheduler
        self.trials: dict[int, Trial] = {}

    def get_live_trials(self) -> list[Trial]:
        return []

    def stops(self, number: int, epoch: int, value: float) -> bool:
        if number not in self.trials:
            self.trials[number] = Trial("toy", stub=True, trial_id=f"t{number}")
            self.scheduler.on_trial_add(self, self.trials[number])
        return self.scheduler.on_trial_result(self, self.trials[number], {"epoch": epoch, "value": value}) == TrialScheduler.STOP


class Streams:
    """(trial, epoch, value) of `slots` trials side by side, advanced in random order; `stopped` are advanced no more."""

    def __init__(self, seed: int, *, trials: int, slots: int = 6, rising: bool) -> None:
        self.rng, self.n_trials, self.slots, self.rising = random.Random(seed), trials, slots, rising
        self.stopped: set[int] = set()

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        waiting, running = list(range(self.n_trials)), {}
        while waiting or running:
            while waiting and len(running) < self.slots:
                running[waiting.pop(0)] = (self.rng.random(), 0, 0.0)
            number = self.rng.choice(list(running))
            level, epoch, before = running[number]
            value = level + 0.02 * epoch + self.rng.gauss(0, 0.1)
            value = max(value, before) if self.rising else value
            running[number] = (level, epoch + 1, value)
            yield number, epoch + 1, value
            if number in self.stopped or epoch + 2 == EPOCHS:
                del running[number]


def compare(rule: Rule, sides: dict[int, Side], streams: Streams) -> Counter[bool]:
    """Let our rule and Ray's (one a bracket) decide on the same stream; return how often they cut and went on at a rung."""
    rungs, decisions = Rungs(rule), Counter()
    for number, epoch, value in streams:
        ours = rungs.enter("one", number, epoch, value)
        assert ours == sides[rule.bracket(number)].stops(number, epoch, value), (number, epoch)
        if epoch in rule.brackets[rule.bracket(number)]:
            decisions[ours] += 1
        if ours:
            streams.stopped.add(number)
    return decisions


@pytest.mark.parametrize(
    ("grace", "factor", "max_epochs", "expected"),
    [(3, 3, 50, (3, 9, 27)), (1, 3, 10, (1, 3, 9)), (1, 3, 4, (1, 3)), (3, 3, 3, ()), (1, 2, 8, (1, 2, 4))],
)
def test_rungs_grow_by_the_factor_and_stay_below_the_last_epoch(grace, factor, max_epochs, expected):
    assert rung_levels(grace, factor, max_epochs) == expected


@pytest.mark.parametrize(("grace", "factor"), [(1, 3), (3, 3), (1, 2), (2, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_asha_decides_as_rays_own_scheduler_on_streams_of_one_family(grace, factor, seed):
    rule = SCHEDULERS["asha"](settings(grace_epochs=grace, reduction_factor=factor))
    streams = Streams(seed, trials=150, rising=True)  # ours compares the best so far, theirs the last value
    decisions = compare(rule, {0: Side(rays_hyperband(grace, factor))}, streams)
    assert min(decisions[True], decisions[False]) > 40


@pytest.mark.parametrize(("grace", "factor"), [(1, 3), (2, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_each_bracket_of_hyperband_decides_as_rays_own_scheduler_with_its_grace_period(grace, factor, seed):
    rule = hyperband(settings(grace_epochs=grace, reduction_factor=factor))
    assert len(rule.brackets) == 4
    sides = {bracket: Side(rays_hyperband(grace * factor**bracket, factor)) for bracket in range(4)}
    decisions = compare(rule, sides, Streams(seed, trials=300, rising=True))
    assert min(decisions[True], decisions[False]) > 100
    assert all(side.scheduler._num_stopped > 5 for side in sides.values())


@pytest.mark.parametrize(("grace", "min_results"), [(1, 1), (3, 3), (2, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_median_decides_as_rays_own_rule_on_streams_of_one_family(grace, min_results, seed):
    rule = median(settings(grace_epochs=grace, min_results=min_results))
    theirs = MedianStoppingRule(**RAYS, grace_period=grace, min_samples_required=min_results)
    decisions = compare(rule, {0: Side(theirs)}, Streams(seed, trials=100, rising=False))
    assert min(decisions[True], decisions[False]) > 40


def test_median_compares_at_every_epoch_from_the_grace_epoch_on():
    rule = median(settings(grace_epochs=4))
    assert rule.levels == tuple(range(4, EPOCHS))
    rungs = Rungs(rule)
    for number, value in enumerate((0.9, 0.9, 0.9, 0.1)):
        cuts = [rungs.enter("one", number, epoch, value) for epoch in range(1, 7)]
    assert cuts == [False, False, False, True, True, True]


def test_no_stopping_cuts_nothing_and_has_no_rungs():
    rungs = Rungs(none(settings()))
    assert not any(rungs.enter("one", number, 1, 1.0 - 0.1 * number) for number in range(9))
    assert (rungs.values, rungs.counts) == ({}, {})
    assert set(rungs.best) == set(range(9))


@pytest.mark.parametrize(("grace", "factor", "epochs"), [(1, 3, 27), (3, 3, 50), (1, 2, 10), (1, 3, 10), (5, 3, 4), (5, 3, 5)])
def test_hyperbands_brackets_and_shares_are_those_of_optunas_pruner(grace, factor, epochs):
    rule = hyperband(settings(grace_epochs=grace, reduction_factor=factor, max_epochs=epochs))
    if epochs < grace:  # theirs has no bracket at all then
        assert (rule.brackets, rule.shares) == (((),), (1,))
        return
    theirs = optuna.pruners.HyperbandPruner(min_resource=grace, max_resource=epochs, reduction_factor=factor)
    trial = optuna.create_study(pruner=theirs).ask()
    trial.report(0.0, 1)
    trial.should_prune()  # makes its brackets
    assert list(rule.shares) == theirs._trial_allocation_budgets
    assert [levels[:1] for levels in rule.brackets] == [
        (grace * factor**bracket,) if grace * factor**bracket < epochs else () for bracket in range(len(rule.shares))
    ]


@pytest.mark.parametrize("in_turn", range(1, 9))
def test_brackets_get_their_shares_of_every_family_even_when_families_come_in_turn(in_turn):
    rule = hyperband(settings())
    for family in range(in_turn):
        numbers = range(family, 4000 * in_turn, in_turn)
        counts = Counter(rule.bracket(number) for number in numbers)
        for bracket, share in enumerate(rule.shares):
            assert counts[bracket] / len(numbers) == pytest.approx(share / sum(rule.shares), abs=0.03)


def test_the_brackets_of_a_small_study_are_mixed_from_the_start():
    rule = hyperband(settings())
    assert len({rule.bracket(number) for number in range(20)}) == 4


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_study_says_by_which_rule_it_was_searched(name):
    chosen = settings(scheduler=name, reduction_factor=4, min_results=7)
    assert rule_of(StudyAttributes(settings=to_dict(chosen))) == SCHEDULERS[name](chosen)
    assert rule_of(StudyAttributes(settings={**to_dict(chosen), "of_a_later_version": 1})) == SCHEDULERS[name](chosen)


def test_a_study_that_does_not_say_has_no_rungs():
    assert rule_of(StudyAttributes()).levels == ()
    assert rule_of(StudyAttributes(settings={"scheduler": "of a later version"})).levels == ()
