"""Parameters on the unit interval."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ecg_tune.search.sampling.unit_interval import from_unit, to_unit

DISTRIBUTIONS = {
    "float": FloatDistribution(-2.0, 3.0),
    "log": FloatDistribution(1e-5, 1e-1, log=True),
    "step": FloatDistribution(0.0, 1.0, step=0.25),
    "int": IntDistribution(1, 6),
    "int step": IntDistribution(4, 16, step=4),
    "log int": IntDistribution(1, 100, log=True),
    "choice": CategoricalDistribution((True, False, "both")),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("unit", [0.0, 0.1, 0.5, 0.77, 1.0])
def test_a_value_comes_back_from_its_place(name, unit):
    value = from_unit(unit, DISTRIBUTIONS[name])
    assert DISTRIBUTIONS[name]._contains(DISTRIBUTIONS[name].to_internal_repr(value))
    assert from_unit(to_unit(value, DISTRIBUTIONS[name]), DISTRIBUTIONS[name]) == pytest.approx(value)


@pytest.mark.parametrize("name", ["float", "log", "step", "int", "int step", "log int"])
def test_both_ends_are_reached(name):
    distribution = DISTRIBUTIONS[name]
    assert (from_unit(0.0, distribution), from_unit(1.0, distribution)) == (distribution.low, distribution.high)


def test_choices_and_cells_are_equally_wide():
    places = [(i + 0.5) / 300 for i in range(300)]
    assert [[from_unit(p, DISTRIBUTIONS["int"]) for p in places].count(v) for v in range(1, 7)] == [50] * 6
    assert [[from_unit(p, DISTRIBUTIONS["choice"]) for p in places].count(v) for v in (True, False, "both")] == [100] * 3
    assert from_unit(0.5, DISTRIBUTIONS["log"]) == pytest.approx(1e-3)
