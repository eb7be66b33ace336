"""What samplers see of a study, and what they propose from it: the same for every row of SAMPLERS."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.samplers import SAMPLERS
from ecg_tune.search.space import Proposal
from ecg_tune.study.schema import read_trial

FAMILIES = ("net", "tree")
LEARNING = [name for name, row in SAMPLERS.items() if row.bound]
IN_TURN = [name for name, row in SAMPLERS.items() if not row.joint]


def suggest(trial):
    family = trial.suggest_categorical("family", FAMILIES)
    rate = trial.suggest_float(f"{family}.rate", 1e-4, 1e-1, log=True)
    if family == "net" and trial.suggest_categorical("net.kind", ("plain", "gated")) == "gated":
        trial.suggest_float("net.gate", 0.0, 1.0)
    depth = trial.suggest_int(f"{family}.depth", 1, 8)
    return Proposal(family=family, config={"value": -((math.log10(rate) + 2.0) ** 2) - abs(depth - 6) / 8})


def row(number, params, state=TrialState.COMPLETE, *, value=None, values=None, steps=None, attrs=None, space=suggest):
    trial = FixedTrial(params)
    space(trial)
    if value is not None:
        values = [value]
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=values,
        datetime_start=None,
        datetime_complete=None,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=attrs or {},
        system_attrs={"cma:optimizer:0": "80049501"},
        intermediate_values=steps or {},
        trial_id=number,
    )


def ended(number, params, *, n_objectives=1):
    """Return a closed row: every fourth was stopped early, every seventh failed."""
    value = suggest(FixedTrial(params)).config["value"]
    values = [value, value**2][:n_objectives]
    if number % 7 == 6:
        return row(number, params, TrialState.FAIL)
    if number % 4 == 3:
        return row(number, params, TrialState.PRUNED, steps={1: value - 1, 2: value}, attrs={"objectives": values})
    return row(number, params, values=values)


def searched(view, n):
    """Return the rows of a search with one slot."""
    rows = []
    for number in range(n):
        rows.append(ended(number, view.propose(number, suggest, families=FAMILIES), n_objectives=len(view.directions)))
        view.add(read_trial(rows[-1]))
    return rows


def new_view(sampler, **changes):
    return SamplerHistory(sampler, **{"seed": 5, "families": FAMILIES, **changes})


def x_only(trial):
    return Proposal(family="one", config={"x": trial.suggest_float("x", 0.0, 1.0)})


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return request.param


def test_proposals_are_complete_valid_and_the_same_after_a_restart(sampler):
    view = new_view(sampler)
    rows = searched(view, 30)
    for suggested in rows:
        again = FixedTrial(suggested.params)  # raises for a missing parameter, warns for one out of range
        suggest(again)
        assert again.params == suggested.params
    restarted = new_view(sampler)
    for suggested in rows:
        restarted.add(read_trial(suggested))
    proposal = view.propose(30, suggest, families=FAMILIES)
    assert restarted.propose(30, suggest, families=FAMILIES) == proposal
    assert view.propose(30, suggest, families=FAMILIES) == proposal
    assert view.propose(31, suggest, families=FAMILIES) != proposal


def test_failed_rows_teach_nothing(sampler):
    view, other = new_view(sampler), new_view(sampler)
    for suggested in searched(view, 24):
        other.add(read_trial(suggested))
    for number in range(24, 30):
        failed = row(number, {"family": "net", "net.rate": 0.05, "net.kind": "plain", "net.depth": 2}, TrialState.FAIL, steps={1: 0.9})
        other.add(read_trial(row(number, failed.params, TrialState.RUNNING)))
        other.add(read_trial(failed))
    fixed = {"family": "net"}
    assert other.propose(30, suggest, families=FAMILIES, fixed=fixed) == view.propose(30, suggest, families=FAMILIES, fixed=fixed)


def test_a_dropped_family_is_never_drawn(sampler):
    view = new_view(sampler)
    searched(view, 12)
    for number in range(12, 24):
        assert view.propose(number, suggest, families=("tree",))["family"] == "tree"


def test_fixed_parameters_are_kept_and_the_rest_is_drawn(sampler):
    view = new_view(sampler)
    searched(view, 12)
    params = view.propose(12, suggest, families=FAMILIES, fixed={"family": "tree", "tree.rate": 0.05})
    assert params["family"] == "tree"
    assert params["tree.rate"] == 0.05
    assert 1 <= params["tree.depth"] <= 8


def test_a_fixed_value_outside_of_the_space_is_refused(sampler):
    with pytest.raises(ConfigError, match=r"tree\.rate must be"):
        new_view(sampler).propose(0, suggest, families=FAMILIES, fixed={"family": "tree", "tree.rate": 5.0})


@pytest.mark.parametrize("sampler", LEARNING)
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.slow
def test_a_sampler_that_learns_gets_better(sampler, direction):
    view = SamplerHistory(sampler, seed=1, families=("one",), directions=(direction,))
    sign, distance = (-1 if direction == "maximize" else 1), []
    for number in range(40):
        params = view.propose(number, x_only, families=("one",))
        assert set(params) == {"x"}
        distance.append(abs(params["x"] - 0.8))
        view.add(read_trial(row(number, params, value=sign * distance[-1], space=x_only)))
    share = 0.6 if sampler == "parzen" else 0.5  # its kernels stay wide: it is made for many parameters and few trials
    assert np.mean(distance[-10:]) < share * np.mean(distance[:10])


@pytest.mark.parametrize("sampler", LEARNING)
def test_what_a_sampler_sees_is_bounded_and_holds_the_best(sampler):
    view = new_view(sampler, bound=40)
    values = np.random.default_rng(0).random(400)
    for number, value in enumerate(values):
        view.add(read_trial(row(number, {"family": "tree", "tree.rate": 0.01, "tree.depth": 3}, value=float(value))))
        seen = {kept.number for kept in view.seen("tree")}
        assert len(seen) <= 40
        assert not any(kept.system_attrs for kept in view.seen("tree"))  # a study's file may hold pickles
        assert set(range(max(0, number - 7), number + 1)) <= seen  # the newest
    assert set(np.argsort(values)[-8:].tolist()) <= seen


def test_the_pareto_front_survives_the_bound():
    view = new_view("tpe", bound=40, directions=("maximize", "minimize"))
    for number in range(200):
        on_front = number % 25 == 0
        values = [number / 200, number / 200] if on_front else [number / 200, 2.0]
        view.add(read_trial(row(number, {"family": "tree", "tree.rate": 0.01, "tree.depth": 3}, values=values)))
    assert set(range(0, 200, 25)) <= {kept.number for kept in view.seen("tree")}


def test_pruned_rows_keep_tpe_away():
    def share_low(*, pruned):
        view = SamplerHistory("tpe", seed=0, families=("one",))
        for number in range(60):
            x = number / 60
            if x >= 0.5:
                view.add(read_trial(row(number, {"x": x}, value=0.5, space=x_only)))
            elif pruned:
                view.add(read_trial(row(number, {"x": x}, TrialState.PRUNED, steps={1: 0.1}, space=x_only)))
        return np.mean([view.propose(60 + n, x_only, families=("one",))["x"] < 0.5 for n in range(30)])

    assert share_low(pruned=True) < 0.1 < share_low(pruned=False)


@pytest.mark.parametrize(("direction", "best"), [("maximize", 0.5), ("minimize", 0.2)])
@pytest.mark.parametrize("sampler", [name for name in LEARNING if name != "tpe"])
def test_samplers_that_know_no_pruning_see_the_best_value_so_far(sampler, direction, best):
    view = SamplerHistory(sampler, seed=0, families=("one",), directions=(direction,))
    view.add(read_trial(row(0, {"x": 0.1}, TrialState.PRUNED, steps={1: 0.2, 2: 0.5, 3: 0.4, 4: math.nan}, space=x_only)))
    view.add(read_trial(row(1, {"x": 0.1}, TrialState.PRUNED, space=x_only)))
    (seen,) = view.seen("one")
    assert (seen.number, seen.state, seen.value) == (0, TrialState.COMPLETE, best)


@pytest.mark.parametrize("sampler", [name for name, entry in SAMPLERS.items() if entry.several_objectives])
def test_several_objectives_are_followed(sampler):
    view = new_view(sampler, directions=("maximize", "minimize"))
    for suggested in searched(view, 18):
        suggest(FixedTrial(suggested.params))
    if SAMPLERS[sampler].bound:
        assert {len(seen.values) for family in FAMILIES for seen in view.seen(family)} == {2}


def test_a_pruned_row_without_all_objectives_is_left_out():
    view = new_view("tpe", directions=("maximize", "minimize"))
    params = {"family": "tree", "tree.rate": 0.01, "tree.depth": 3}
    for number, attrs in enumerate([{}, {"objectives": [0.5]}, {"objectives": [0.5, math.nan]}, {"objectives": [0.5, 3]}]):
        view.add(read_trial(row(number, params, TrialState.PRUNED, steps={1: 0.5}, attrs=attrs)))
    assert [(seen.number, seen.state, seen.values) for seen in view.seen("tree")] == [(3, TrialState.COMPLETE, [0.5, 3.0])]


def test_a_sampler_of_one_objective_refuses_two():
    with pytest.raises(ConfigError, match=r"cmaes follows one objective, but got 2: choose one of tpe, gp, nsgaii"):
        new_view("cmaes", directions=("maximize", "minimize"))


@pytest.mark.parametrize("sampler", IN_TURN)
def test_families_take_turns_and_share_nothing(sampler):
    view = new_view(sampler)
    rows = searched(view, 12)
    assert [suggested.params["family"] for suggested in rows] == ["net", "tree"] * 6
    assert {name.split(".")[0] for seen in view.seen("net") for name in seen.params} == {"net"}


def test_tpe_goes_on_trying_all_families():
    view, suggested = new_view("tpe"), []
    for number in range(60):
        params = view.propose(number, suggest, families=FAMILIES)
        suggested.append(params["family"])
        view.add(read_trial(row(number, params, value=float(params["family"] == "tree"))))
    assert 10 <= suggested[30:].count("net") < 20


def test_a_finished_trial_replaces_its_running_copy_and_an_extension_its_older_trial():
    view, params = new_view("tpe"), {"family": "tree", "tree.rate": 0.01, "tree.depth": 3}
    view.add(read_trial(row(0, params, TrialState.RUNNING)))
    assert [seen.state for seen in view.seen("tree")] == [TrialState.RUNNING]
    view.add(read_trial(row(0, params, value=0.5)))
    assert [seen.state for seen in view.seen("tree")] == [TrialState.COMPLETE]
    view.add(read_trial(row(1, params, TrialState.RUNNING, attrs={"continued_from": 0})))
    assert [seen.number for seen in view.seen("tree")] == [1]


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_running_rows_change_what_is_proposed_next(sampler):
    view = SamplerHistory(sampler, seed=0, families=("one",))
    for number in range(20):
        view.add(read_trial(row(number, {"x": number / 20}, value=-abs(number / 20 - 0.5), space=x_only)))
    alone = view.propose(25, x_only, families=("one",))
    for number in range(20, 25):
        view.add(read_trial(row(number, alone, TrialState.RUNNING, space=x_only)))
    assert view.propose(25, x_only, families=("one",)) != alone
