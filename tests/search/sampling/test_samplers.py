"""The samplers by themselves; what they see of a study is tested in test_view.py, for all of them."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler

from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.evolution import CmaEs
from ecg_tune.search.sampling.samplers import SAMPLERS, FixedSampler, trial_seed
from ecg_tune.search.sampling.sobol import Sobol


def branching(trial):
    family = trial.suggest_categorical("family", ("a", "b"))
    if family == "a":
        trial.suggest_categorical("a.kind", ("x", "y"))
    trial.suggest_float(f"{family}.rate", 1e-4, 1.0, log=True)
    return trial.params


def asked(sampler, *, study=None):
    study = study or optuna.create_study()
    study.sampler = sampler
    return study.ask()


def test_a_trials_seed_depends_on_study_and_number():
    seeds = {trial_seed(seed, number) for seed in range(5) for number in range(50)}
    assert len(seeds) == 250
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_a_row_says_agrees(name):
    row = SAMPLERS[name]
    assert row.bound >= 0
    assert not row.knows_pruned or row.bound  # who sees nothing has no use for anything


def test_given_values_are_taken_and_the_rest_is_drawn():
    params = branching(asked(FixedSampler({"family": "b"}, RandomSampler(seed=0))))
    assert params["family"] == "b"
    assert 1e-4 <= params["b.rate"] <= 1.0


def test_a_value_that_nobody_gives_is_named():
    trial = asked(FixedSampler({"family": "b"}))
    with pytest.raises(ConfigError, match=r"no value for b\.rate"):
        branching(trial)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"family": "c"}, "family must be one of a, b, but got 'c'"),
        ({"family": "b", "b.rate": 2.0}, r"b.rate must be 0.0001..1.0, but got 2.0"),
        ({"family": "b", "b.rate": "high"}, "b.rate must be .*, but got 'high'"),
    ],
)
def test_a_given_value_outside_of_the_space_is_refused(given, message):
    trial = asked(FixedSampler(given, RandomSampler(seed=0)))
    with pytest.raises(ConfigError, match=message):
        branching(trial)


def test_the_quasi_random_sequence_is_even_within_each_branch():
    study = optuna.create_study()
    suggested = [branching(asked(Sobol(seed=3), study=study)) for _ in range(64)]
    for family, kind in (("a", "x"), ("a", "y")):
        rates = [p["a.rate"] for p in suggested if p["family"] == family and p["a.kind"] == kind]
        assert np.histogram(np.log10(rates), bins=4, range=(-4, 0))[0].tolist() == [4, 4, 4, 4]
    assert sum(p["family"] == "a" for p in suggested) == 32


def test_a_converged_evolution_strategy_starts_again_somewhere_else():
    study = optuna.create_study()
    space = {name: FloatDistribution(0.0, 1.0) for name in ("x", "y")}
    for n in range(240):
        shrinking = 0.5 + 0.4 * 0.8 ** (n // 6) * np.array([np.cos(n), np.sin(n)])
        params = dict(zip(space, shrinking.tolist(), strict=True))
        value = float(((shrinking - 0.5) ** 2).sum())
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    sampler = CmaEs(seed=1, independent=RandomSampler(seed=1))
    trial = study.get_trials(deepcopy=False)[-1]
    places = [CmaEs(seed=s, independent=sampler).sample_relative(study, trial, space) for s in range(20)]
    assert np.std([place["x"] for place in places]) > 0.05
