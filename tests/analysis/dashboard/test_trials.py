"""Rows say what plain Optuna says. The study here is made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from analysis.dashboard.trials import best_trial, completed, families_of, parameters_of
from ecg_tune.errors import StudyError
from tests.analysis.conftest import ranked, summary_of

Maker = Callable[..., optuna.Study]


def test_rows_hold_the_numbers_of_the_study(searched_study: optuna.Study) -> None:
    rows = ranked(searched_study)
    assert [row.number for row in rows] == [t.number for t in searched_study.trials]
    for row, trial in zip(rows, searched_study.trials, strict=True):
        assert row.state == trial.state.name
        assert row.value == trial.value
        assert row.params == trial.params
        assert row.intermediate == trial.intermediate_values
        assert (row.start, row.end) == (trial.datetime_start, trial.datetime_complete)
        assert row.epochs == trial.user_attrs["epochs"]
        assert row.family == trial.user_attrs["family"]


def test_best_so_far_is_the_running_maximum_of_the_complete_trials(searched_study: optuna.Study) -> None:
    rows = completed(ranked(searched_study))
    values = [t.value for t in searched_study.get_trials(states=(TrialState.COMPLETE,))]
    assert [row.best_so_far for row in rows] == list(np.maximum.accumulate(values))


def test_the_best_row_is_optunas_best_trial(searched_study: optuna.Study) -> None:
    best = best_trial(ranked(searched_study))
    assert best is not None
    assert (best.number, best.value) == (searched_study.best_trial.number, searched_study.best_value)


def test_an_early_stopped_trial_has_no_value_but_its_best_epoch(toy_study: Maker) -> None:
    rows = ranked(toy_study(n_trials=3, states=(TrialState.PRUNED,)))
    assert [row.value for row in rows] == [None] * 3
    assert [row.best_value for row in rows] == [max(row.intermediate.values()) for row in rows]


def test_a_row_that_a_longer_one_replaced_is_left_out() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(value=0.9, user_attrs={"superseded_by": 1}, intermediate_values={1: 0.9}))
    study.add_trial(create_trial(value=0.8, user_attrs={"continued_from": 0}, intermediate_values=dict.fromkeys(range(1, 10), 0.8)))
    rows = ranked(study)
    assert [(row.number, row.continued_from, row.best_so_far) for row in rows] == [(1, 0, 0.8)]
    assert summary_of(study, rows).epochs == 10, "as the budget counts: it was started again, and both trainings were paid"


def test_a_plain_optuna_study_without_any_attributes_is_read_too() -> None:
    study = optuna.create_study(direction="maximize")
    distribution = optuna.distributions.FloatDistribution(0, 1)
    study.add_trial(create_trial(value=0.5, params={"x": 0.5}, distributions={"x": distribution}))
    study.add_trial(create_trial(value=0.6, params={"rnn.x": 0.5}, distributions={"rnn.x": distribution}))
    rows = ranked(study)
    assert families_of(rows) == ["model", "rnn"]
    assert rows[0].epochs == 0


def test_an_enqueued_trial_belongs_to_its_family_before_it_starts() -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"family": "vgg"})
    study.enqueue_trial({"rnn.hidden_size": 128})
    study.enqueue_trial({})
    assert families_of(ranked(study)) == ["vgg", "rnn", "model"]
    study.set_user_attr("families", ["alexnet"])
    assert ranked(study)[2].family == "alexnet"


def test_a_metric_that_is_not_finite_is_left_out_of_the_curve() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=TrialState.FAIL, intermediate_values={1: 0.6, 2: float("nan")}))
    row = ranked(study)[0]
    assert row.intermediate == {1: 0.6}
    assert (row.epochs, row.best_value) == (1, 0.6)


def test_a_class_without_positives_stays_nan() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(value=0.6, user_attrs={"per_class_auc": [0.6, None]}))
    auc = ranked(study)[0].per_class_auc
    assert auc is not None
    np.testing.assert_equal(auc, (0.6, np.nan))


def test_a_study_that_minimises_its_first_objective_is_refused() -> None:
    with pytest.raises(StudyError, match="optuna-dashboard"):
        ranked(optuna.create_study(directions=["minimize", "maximize"]))


def test_a_value_that_can_not_be_drawn_is_refused_by_trial() -> None:
    study = optuna.create_study(study_name="odd", direction="maximize")
    study.add_trial(create_trial(value=float("inf")))
    with pytest.raises(StudyError, match=r"trial 0 of study 'odd' is COMPLETE with the value inf: nothing can draw it"):
        ranked(study)


def test_of_several_objectives_the_metric_is_shown() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(create_trial(values=[0.6, 1000.0]))
    study.add_trial(create_trial(values=[0.7, 2000.0]))
    assert [row.value for row in ranked(study)] == [0.6, 0.7]
    assert [row.best_so_far for row in ranked(study)] == [0.6, 0.7]


def test_parameters_of_a_family_are_its_own_without_the_choice_of_family(searched_study: optuna.Study) -> None:
    rows = ranked(searched_study)
    assert all(name.startswith("alexnet.") for name in parameters_of(rows, "alexnet"))
    assert "family" in parameters_of(rows)


def test_the_summary_counts_as_optuna_does(searched_study: optuna.Study) -> None:
    summary = summary_of(searched_study, ranked(searched_study))
    for state, count in summary.counts.items():
        assert count == len(searched_study.get_trials(states=(TrialState[state],)))
    assert sum(summary.counts.values()) == 60
    assert summary.epochs == sum(t.user_attrs["epochs"] for t in searched_study.trials)
    assert summary.attributes.synthetic
