"""Priors: where draws around them lie, how often they are made, and that they are a function of the study."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ecg_tune.config import SearchSettings
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.learnt_priors import learnt_values, with_priors
from ecg_tune.search.preview.virtual_time import Silent
from ecg_tune.search.sampling.priors import CONFIDENCES, FIRST_SHARE, HALVED_AFTER, Prior, share_of_draws
from ecg_tune.search.sampling.samplers import SAMPLERS
from ecg_tune.search.sampling.unit_interval import to_unit
from ecg_tune.search.space import Proposal, SearchSpace
from ecg_tune.study.study import Study
from tests.toy_search import TOY_SPACE, Log, play
from tests.toy_search import settings as toy_settings

RANGES: list[tuple[BaseDistribution, Any]] = [
    (FloatDistribution(1e-4, 1e-1, log=True), 3e-3),
    (FloatDistribution(0.0, 0.6), 0.6),
    (FloatDistribution(0.0, 1.0, step=0.25), 0.25),
    (IntDistribution(2, 6), 2),
    (IntDistribution(4, 16, step=4), 16),
    (CategoricalDistribution(("lstm", "gru", "rnn")), "gru"),
]


def draws(value: Any, range_: BaseDistribution, confidence: str, n: int = 400) -> list[Any]:
    rng = np.random.default_rng(0)
    return [Prior(value, confidence).draw(range_, rng) for _ in range(n)]


@pytest.mark.parametrize(("range_", "value"), RANGES, ids=str)
def test_draws_lie_in_the_range_and_nearer_with_more_confidence(range_, value):
    far = []
    for confidence in CONFIDENCES:
        drawn = draws(value, range_, confidence)
        assert all(range_._contains(range_.to_internal_repr(each)) for each in drawn)
        if isinstance(range_, CategoricalDistribution):
            far.append(np.mean([each != value for each in drawn]))
        else:
            far.append(np.mean([abs(to_unit(each, range_) - to_unit(value, range_)) for each in drawn]))
    assert far == sorted(far, reverse=True)
    assert far[-1] < far[0]


def test_the_share_of_draws_begins_at_half_and_falls():
    shares = [share_of_draws(n) for n in (0, HALVED_AFTER, 3 * HALVED_AFTER)]
    assert shares == [FIRST_SHARE, FIRST_SHARE / 2, FIRST_SHARE / 4]


def values(sampler: str, priors: dict[str, Prior], n: int, *, study: Study | None = None) -> list[float]:
    settings = SearchSettings(("slow", "fast"), sampler=sampler, scheduler="none", trials=n, max_epochs=1, seed=3)
    engine = SearchEngine(study or Study.in_memory(), SearchSpace(TOY_SPACE.suggest, priors=priors), settings, Silent())
    while (assignment := engine.next_assignment()) is not None:
        result = {"epoch": 1, "epochs": 1, "value": 0.5, "complete": True, "ended_by": "max_epochs"}
        engine.record(assignment.number, result)
        engine.close(assignment.number, result)
    return [trial.params["slow.quality"] for trial in engine.study.trials() if trial.family == "slow"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_under_every_sampler_early_trials_lie_around_the_prior_and_later_ones_less(sampler):
    drawn = values(sampler, {"slow.quality": Prior(0.11, "high")}, 60)
    near = [abs(value - 0.11) < 0.2 for value in drawn]
    without = [abs(value - 0.11) < 0.2 for value in values(sampler, {}, 60)]
    assert sum(near) > sum(without)
    assert sum(near) < len(near)  # the sampler has its share from the first


def test_a_restarted_search_draws_what_an_uninterrupted_one_does():
    priors, study = {"slow.quality": Prior(0.2)}, Study.in_memory()
    values("tpe", priors, 9, study=study)
    assert values("tpe", priors, 20, study=study) == values("tpe", priors, 20)


def test_the_best_trials_of_a_study_on_other_data_are_priors_and_none_is_imported():
    other = Study.in_memory()
    play(SearchEngine(other, TOY_SPACE, toy_settings(trials=12, scheduler="none"), Log()))
    best = {family: next(trial for trial in other.best_trials() if trial.family == family) for family in ("slow", "fast")}
    families = ("slow", "fast")
    learnt = learnt_values(other, TOY_SPACE, families)
    assert learnt == {f"{family}.quality": trial.params[f"{family}.quality"] for family, trial in best.items()}
    assert with_priors(TOY_SPACE, learnt, families).priors == {name: Prior(value) for name, value in learnt.items()}
    stated = replace(TOY_SPACE, priors={"slow.quality": Prior(0.1)})
    assert with_priors(stated, learnt, families).priors["slow.quality"] == Prior(0.1)
    assert learnt_values(Study.in_memory(), TOY_SPACE, families) == {}


def test_what_this_space_does_not_hold_is_no_prior():
    other = Study.in_memory()
    play(SearchEngine(other, TOY_SPACE, toy_settings(trials=6, scheduler="none"), Log()))

    def narrowed(trial: Any) -> Proposal:
        family = trial.suggest_categorical("family", ("slow", "fast"))
        return Proposal(family, {"family": family, "quality": trial.suggest_float(f"{family}.quality", 0.0, 1e-9)})

    space = SearchSpace(narrowed, defaults=TOY_SPACE.defaults)
    assert learnt_values(other, space, ("slow", "fast")) == {}
    remembered = {"slow.quality": 0.5, "fast.quality": 0.0, "gone.quality": 0.5}
    assert with_priors(space, remembered, ("slow", "fast")).priors == {"fast.quality": Prior(0.0)}
