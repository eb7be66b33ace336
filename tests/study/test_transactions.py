"""Rows as this project writes them are rows as Optuna writes them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.errors import StudyError
from ecg_tune.study.schema import trial_attributes
from ecg_tune.study.transactions import add_trial, check_distributions, write_trial
from tests.stored import set_attrs

STEPS = {1: 0.1 + 0.2, 2: math.nan, 3: math.inf, 4: -math.inf, 5: 5e-324, 6: 0.7}
ENDS = [(TrialState.COMPLETE, 1 / 3), (TrialState.PRUNED, None), (TrialState.FAIL, None)]
FACTS = ("number", "state", "values", "params", "distributions", "user_attrs", "system_attrs", "intermediate_values")


def begun() -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params={"rate": 1e-3, "depth": 3, "cell": "gru"},
        distributions={
            "rate": FloatDistribution(1e-4, 1e-1, log=True),
            "depth": IntDistribution(1, 9),
            "cell": CategoricalDistribution(("lstm", "gru", None)),
        },
        user_attrs={"family": "naïve\n\"'", "config": {"a": [1, None]}},
    )


def facts(rows: list[FrozenTrial]) -> list[str]:
    """Return all that rows hold but times; text, in which NaN equals NaN."""
    values = [[getattr(row, fact) for fact in FACTS] for row in rows]
    return [str([sorted(fact.items()) if isinstance(fact, dict) else fact for fact in row]) for row in values]


def made(folder: Any, name: str, directions: list[str]) -> optuna.Study:
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / name}.db")
    return optuna.create_study(storage=storage, study_name="same", directions=directions)


@pytest.mark.parametrize("directions", [["maximize"], ["maximize", "minimize"]], ids=["one objective", "two"])
def test_every_row_reads_as_if_optuna_had_written_it(tmp_path, directions):
    ours, optunas = made(tmp_path, "ours", directions), made(tmp_path, "optunas", directions)
    for state, value in ENDS:
        values = None if value is None else [value] * len(directions)
        trial = add_trial(ours, begun())
        write_trial(ours, trial._trial_id, {"seconds": 1.5, "seen": [1.0, {"a": "b"}]}, epochs=STEPS)
        last = [STEPS[max(STEPS)]] if state == TrialState.PRUNED and len(directions) == 1 else []
        write_trial(ours, trial._trial_id, {"seconds": 2.5}, state=state, values=values or last, end=datetime.now())
        optunas.add_trial(begun())
        for step, value in STEPS.items():
            optunas._storage.set_trial_intermediate_value(trial._trial_id, step, value)
        for name, value in (("seconds", 2.5), ("seen", [1.0, {"a": "b"}])):
            optunas._storage.set_trial_user_attr(trial._trial_id, name, value)
        optunas.tell(trial.number, values, state=state)
    assert facts(ours.get_trials()) == facts(optunas.get_trials())
    assert all(t.datetime_start and t.datetime_complete and t.duration.total_seconds() < 60 for t in ours.trials)
    ours.tell(ours.ask(), [0.1] * len(directions))  # Optuna goes on with it
    assert [t.number for t in ours.trials] == [0, 1, 2, 3]


def test_writing_twice_changes_nothing_and_another_end_is_refused(study):
    trial = add_trial(study, begun())
    for _ in range(2):
        write_trial(study, trial._trial_id, {"seconds": 1.0}, epochs={1: 0.5}, state=TrialState.COMPLETE, values=[0.5])
    ended = study.trials
    assert (ended[0].values, ended[0].intermediate_values, ended[0].user_attrs["seconds"]) == ([0.5], {1: 0.5}, 1.0)
    with pytest.raises(UpdateFinishedTrialError, match="trial 0 has another end already"):
        write_trial(study, trial._trial_id, {"fail_reason": "nan"}, state=TrialState.FAIL)
    assert facts(study.trials) == facts(ended)
    set_attrs(study, 0, {"superseded_by": 3})  # a finished row takes attributes
    fresh = optuna.load_study(study_name="toy", storage=study._storage._backend.url)  # Optuna caches finished rows
    assert fresh.trials[0].user_attrs["superseded_by"] == 3


def test_what_json_can_not_hold_is_null():
    assert trial_attributes({"per_class_auc": [0.5, math.nan, (math.inf,)]}) == {"per_class_auc": [0.5, None, [None]]}


def test_a_row_that_somebody_else_adds_meanwhile_has_its_own_number(study):
    other = optuna.load_study(study_name="toy", storage=study._storage._backend.url)
    first = add_trial(study, begun())
    other.ask()
    second = add_trial(study, begun())
    assert (first.number, second.number) == (0, 2)
    assert [t.number for t in study.trials] == [0, 1, 2]


def test_a_parameter_whose_choices_changed_is_refused():
    known: dict[str, Any] = {}
    check_distributions(known, begun().distributions)
    changed = create_trial(value=0.5, params={"cell": "rnn"}, distributions={"cell": CategoricalDistribution(("rnn",))})
    with pytest.raises(StudyError, match=r"this study has sampled cell from .*'lstm', 'gru', None.*: start another study"):
        check_distributions(known, changed.distributions)
