"""Lengthened and imported rows, budgets and targets, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ecg_tune.errors import StudyError
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.resume import extend, import_trials, withdraw
from ecg_tune.search.stopping.budget import Budget
from ecg_tune.study.study import Study
from tests.stored import best_trials, newest_trials
from tests.toy_search import TOY_SPACE, Log, play, result, settings


@pytest.mark.slow
def test_more_epochs_make_new_rows_of_the_complete_ones_only(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=20), log))
    complete = {t.number: t for t in study.trials if t.state == TrialState.COMPLETE}
    pruned = {t.number: t.datetime_complete for t in study.trials if t.state == TrialState.PRUNED}
    longer = settings(trials=20, max_epochs=9)
    made = extend(Study(study), TOY_SPACE, longer)
    assert {old for old, _, _ in made} == set(complete)
    for old, new, kept in made:
        row = study.trials[new]
        assert kept == 4
        assert row.params == complete[old].params
        assert row.intermediate_values == complete[old].intermediate_values
        assert row.user_attrs["continued_from"] == old
        assert "superseded_by" not in study.trials[old].user_attrs, "it counts until the new one has finished"
        assert (row.user_attrs["path"], row.user_attrs["seed"]) == (complete[old].user_attrs["path"], complete[old].user_attrs["seed"])
    play(SearchEngine(Study(study), TOY_SPACE, longer, log), epochs=9)
    rows = newest_trials(study)
    assert len(rows) == len(Study(study).trials()) == 20
    reopened = optuna.load_study(study_name="toy", storage=str(study._storage._backend.url))  # as anybody else would open it
    assert all(reopened.trials[old].user_attrs["superseded_by"] == new for old, new, _ in made)
    assert {t.number: t.datetime_complete for t in rows if t.number in pruned} == pruned
    assert all(max(t.intermediate_values) == 9 for t in rows if t.state == TrialState.COMPLETE)
    assert {t.state for t in rows} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert extend(Study(study), TOY_SPACE, longer) == []


def test_a_schedule_that_depends_on_the_last_epoch_starts_again(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=2), log))
    space = replace(TOY_SPACE, extended=lambda config, epochs: (config, False))
    made = extend(Study(study), space, settings(trials=2, max_epochs=9))
    assert [kept for _, _, kept in made] == [0, 0]
    for _, new, _ in made:
        assert study.trials[new].intermediate_values == {}
        assert study.trials[new].user_attrs["path"] == f"checkpoints/trial_{new:05d}"


def test_a_driver_killed_while_lengthening_counts_no_trial_twice(study, log, monkeypatch):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=3), log))
    longer = settings(trials=3, max_epochs=9)

    add = Study.add

    def killed(self: Study, trial: Any) -> Any:
        if trial.number > 3:
            raise RuntimeError("killed")
        return add(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(Study, "add", killed)
        with pytest.raises(RuntimeError, match="killed"):
            extend(Study(study), TOY_SPACE, longer)
    assert len(newest_trials(study)) == 3
    extend(Study(study), TOY_SPACE, longer)
    assert len(newest_trials(study)) == 3
    assert len([t for t in study.trials if "continued_from" in t.user_attrs]) == 3


@pytest.mark.parametrize("steps", [0, 1, 7, 14, 15])
def test_an_interrupted_extension_leaves_what_was_finished_and_may_be_given_up(study, steps):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=3), Log()))
    before = Study(study).best_trials()
    longer = settings(trials=3, max_epochs=9)
    extend(Study(study), TOY_SPACE, longer)
    play(SearchEngine(Study(study), TOY_SPACE, longer, Log()), epochs=9, steps=steps)
    assert len(Study(study).best_trials()) == len(before) == 3
    assert len(Study(study).newest_trials()) == 3
    finished = [trial for trial in Study(study).newest_trials() if trial.finished]
    assert {trial.number for trial in finished} <= {trial.number for trial in Study(study).best_trials()}
    withdraw(Study(study), settings(trials=3))
    assert extend(Study(study), TOY_SPACE, settings(trials=3)) == []
    assert [(t.number, t.values) for t in Study(study).best_trials()] == [(t.number, t.values) for t in before]
    assert SearchEngine(Study(study), TOY_SPACE, settings(trials=3), Log()).done
    extend(Study(study), TOY_SPACE, longer)
    play(SearchEngine(Study(study), TOY_SPACE, longer, Log()), epochs=9)
    assert [trial.last_epoch for trial in Study(study).trials()] == [9, 9, 9]


def test_an_extension_that_fails_leaves_the_older_trial(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=2), log))
    best = Study(study).best_trials()
    longer = settings(trials=2, max_epochs=9)
    extend(Study(study), TOY_SPACE, longer)
    engine = SearchEngine(Study(study), TOY_SPACE, longer, log)
    for _ in range(2):
        engine.fail(engine.next_assignment().number, "nan", "not finite")
    assert Study(study).best_trials() == best
    assert engine.done
    assert extend(Study(study), TOY_SPACE, longer) == [], "it is not tried for ever"


@pytest.mark.parametrize("epochs", [1, 7, 11])
def test_a_spent_budget_of_epochs_ends_the_search_and_more_of_it_loses_nothing(study, log, epochs):
    whole = optuna.create_study(direction="maximize")
    play(SearchEngine(Study(whole), TOY_SPACE, settings(), Log()))
    short = settings(total_epochs=epochs)
    play(SearchEngine(Study(study), TOY_SPACE, short, log))
    rows = newest_trials(study)
    assert sum(len(t.intermediate_values) for t in rows) == epochs
    assert all(t.state.is_finished() for t in rows)
    assert [t.user_attrs["ended_by"] for t in rows if t.state == TrialState.PRUNED].count("total_epochs") <= 1
    assert SearchEngine(Study(study), TOY_SPACE, short, log).next_assignment() is None
    extend(Study(study), TOY_SPACE, settings())
    play(SearchEngine(Study(study), TOY_SPACE, settings(), log))
    rows = newest_trials(study)
    assert sum(len(t.intermediate_values) for t in rows) == Budget(settings(), Study(study).all_trials()).epochs
    assert len(rows) == 12
    assert {t.state for t in rows} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert "total_epochs" not in {t.user_attrs["ended_by"] for t in rows}


def test_several_slots_overrun_an_epoch_budget_by_less_than_their_number(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(total_epochs=10), log), slots=4)
    assert 10 <= sum(len(t.intermediate_values) for t in newest_trials(study)) <= 13
    assert all(t.state.is_finished() for t in newest_trials(study))


def test_wall_time_counts_from_the_start_of_the_run(study, log):
    now = [0.0]
    limited = settings(max_hours=1.0)
    engine = SearchEngine(Study(study), TOY_SPACE, limited, log, budget=Budget(limited, [], clock=lambda: now[0]))
    task = engine.next_assignment()
    assert task is not None
    assert not engine.record(task.number, result(task, 1))
    now[0] = 3600.0
    assert engine.record(task.number, result(task, 2))
    engine.close(task.number, result(task, 2))
    row = study.trials[0]
    assert (row.state, row.user_attrs["ended_by"]) == (TrialState.PRUNED, "max_hours")
    assert row.intermediate_values.keys() == {1, 2}
    assert engine.next_assignment() is None
    made = extend(Study(study), TOY_SPACE, limited)
    assert [kept for _, _, kept in made] == [2]
    assert SearchEngine(Study(study), TOY_SPACE, limited, log).next_assignment().reported == 2


def test_gpu_hours_count_shares_and_earlier_runs(study, log):
    limited = settings(gpu_hours=1.0)
    budget = Budget(limited, [], gpus=lambda family: 0.5)
    budget.epoch(0, "fast", 0.5, 3600.0)
    budget.epoch(0, "fast", 0.5, 7199.0)
    assert budget.spent() is None
    budget.epoch(1, "fast", 0.5, 2.0)
    assert budget.spent() == "gpu_hours"
    engine = SearchEngine(Study(study), TOY_SPACE, limited, log)
    task = engine.next_assignment()
    assert task is not None
    engine.record(task.number, {**result(task, 1), "seconds": 7200.0})  # the driver is killed: the row still knows
    assert Budget(limited, Study(study).all_trials(), gpus=lambda family: 0.5).spent() == "gpu_hours"
    SearchEngine(Study(study), TOY_SPACE, limited, log, budget=Budget(limited, Study(study).all_trials(), gpus=lambda family: 0.5)).settle()
    extend(Study(study), TOY_SPACE, limited)  # and so does the row that goes on with it
    assert Budget(limited, Study(study).all_trials(), gpus=lambda family: 0.5).spent() == "gpu_hours"


def test_the_time_that_a_budget_leaves_is_counted_at_the_pace_of_this_run():
    now = [0.0]
    budget = Budget(settings(max_hours=1.0, total_epochs=10), [], clock=lambda: now[0])
    assert budget.left_s() == 3600
    now[0] = 20.0
    budget.epoch(0, "fast", 0.5, 10.0)
    budget.epoch(0, "fast", 0.5, 20.0)
    assert budget.left_s() == 80  # 8 epochs of 10 s
    now[0] = 3590.0
    assert budget.left_s() == 10
    assert Budget(settings(), []).left_s() is None


def test_the_trial_that_reaches_the_target_is_complete_and_ends_the_search(study, log):
    aimed = settings(trials=50, target=0.4)
    play(SearchEngine(Study(study), TOY_SPACE, aimed, log), slots=2)  # the defaults: 0.25, 0.375, 0.4375
    rows = newest_trials(study)
    assert [(t.state, t.user_attrs["ended_by"], len(t.intermediate_values)) for t in rows] == [
        (TrialState.COMPLETE, "target", 3),
        (TrialState.COMPLETE, "target", 3),
    ]
    assert rows[0].value == pytest.approx(0.4375)
    assert SearchEngine(Study(study), TOY_SPACE, aimed, log).next_assignment() is None


def test_who_ran_beside_the_one_that_reached_the_target_is_stopped_early(study, log):
    aimed = settings(trials=50, target=0.4)
    engine = SearchEngine(Study(study), TOY_SPACE, aimed, log)
    first, second = engine.next_assignment(), engine.next_assignment()
    assert first is not None
    assert second is not None
    assert engine.record(first.number, result(first, 1, value=0.5))
    engine.close(first.number, result(first, 1, value=0.5))
    assert engine.record(second.number, result(second, 1, value=0.2))
    engine.close(second.number, result(second, 1, value=0.2))
    assert [(t.state, t.user_attrs["ended_by"]) for t in study.trials] == [(TrialState.COMPLETE, "target"), (TrialState.PRUNED, "target")]


def test_rows_that_no_worker_took_up_are_closed_when_the_budget_is_spent(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(), log), steps=5, slots=3)  # killed with three open rows
    spent = settings(total_epochs=5)
    assert SearchEngine(Study(study), TOY_SPACE, spent, log).next_assignment() is None
    assert all(t.state.is_finished() for t in newest_trials(study))


def other_study(**attributes: Any) -> optuna.Study:
    other = optuna.create_study(study_name="other", direction="maximize")
    for name, value in {"data_fingerprint": "abc", "metric": "macro_auc", "max_epochs": 4, **attributes}.items():
        other.set_user_attr(name, value)
    return other


def test_another_studys_trials_teach_without_counting(study, log):
    other = other_study()
    play(SearchEngine(Study(other), TOY_SPACE, settings(trials=10), Log()))
    study.set_user_attr("data_fingerprint", "abc")
    study.set_user_attr("metric", "macro_auc")
    assert import_trials(Study(study), Study(other), TOY_SPACE, settings()) == (10, 0)
    assert import_trials(Study(study), Study(other), TOY_SPACE, settings()) == (0, 0)
    assert [(t.state, t.params, t.intermediate_values) for t in study.trials] == [
        (t.state, t.params, t.intermediate_values) for t in other.trials
    ]
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=5), log)
    assert engine.rungs.counts == SearchEngine(Study(other), TOY_SPACE, settings(trials=10), Log()).rungs.counts
    play(engine)
    mine = [t for t in newest_trials(study) if "imported_from" not in t.user_attrs]
    assert len(mine) == 5
    assert [t.user_attrs["is_default"] for t in mine] == [True, True, False, False, False]
    assert study.trials[0].user_attrs["imported_from"] == "other#0"


def test_trials_outside_of_this_space_are_left_and_counted(study, log):
    other = other_study()
    play(SearchEngine(Study(other), TOY_SPACE, settings(trials=10), Log()))
    study.set_user_attr("data_fingerprint", "abc")
    study.set_user_attr("metric", "macro_auc")

    def narrow(trial):
        proposal = TOY_SPACE.suggest(trial)
        trial.suggest_float("new", 0.0, 1.0)
        return proposal

    assert import_trials(Study(study), Study(other), replace(TOY_SPACE, suggest=narrow), settings()) == (0, 10)


def test_trials_of_another_length_are_imported_as_stopped_ones(study):
    other = other_study(max_epochs=4)
    play(SearchEngine(Study(other), TOY_SPACE, settings(trials=4, scheduler="none"), Log()))
    study.set_user_attr("data_fingerprint", "abc")
    study.set_user_attr("metric", "macro_auc")
    import_trials(Study(study), Study(other), TOY_SPACE, settings(max_epochs=9))
    assert {(t.state, t.user_attrs["ended_by"]) for t in study.trials} == {(TrialState.PRUNED, "imported")}
    assert best_trials(study) == []


@pytest.mark.parametrize(("name", "value"), [("data_fingerprint", "xyz"), ("metric", "macro_f1")])
def test_a_study_whose_values_do_not_compare_is_not_imported(study, name, value):
    study.set_user_attr("data_fingerprint", "abc")
    study.set_user_attr("metric", "macro_auc")
    with pytest.raises(StudyError, match=f"other can't be imported: its {name} is '{value}'"):
        import_trials(Study(study), Study(other_study(**{name: value})), TOY_SPACE, settings())
