"""The searcher's semantics without a cluster: states, values, continuing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ecg_tune.errors import ConfigError
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.rungs import rungs_of
from ecg_tune.study import transactions as rows
from ecg_tune.study.study import Study
from tests.stored import best_trials, newest_trials, set_attrs
from tests.toy_search import EPOCHS, TOY_SPACE, Log, play, result, settings, suggest


def test_a_search_ends_with_complete_and_pruned_rows_only(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=30), log)
    play(engine)
    states = [t.state for t in study.trials]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert len(states) == 30
    assert engine.done
    for trial in study.trials:
        last = max(trial.intermediate_values)
        assert trial.user_attrs["ended_by"] == ("max_epochs" if trial.state == TrialState.COMPLETE else "asha")
        assert last == EPOCHS if trial.state == TrialState.COMPLETE else last in engine.rule.levels
        assert list(trial.intermediate_values) == list(range(1, last + 1))
        if trial.state == TrialState.COMPLETE:
            assert trial.value == max(trial.intermediate_values.values())


def test_the_defaults_come_first_and_say_so(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=4), log))
    assert [t.user_attrs["is_default"] for t in study.trials] == [True, True, False, False]
    assert [t.user_attrs["family"] for t in study.trials[:2]] == ["slow", "fast"]
    assert study.trials[0].params == {"family": "slow", "slow.quality": 0.5}


def test_the_value_of_the_stopping_step_is_kept(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=30), log))
    for trial in study.trials:
        quality = trial.user_attrs["config"]["quality"]
        for epoch, value in trial.intermediate_values.items():
            assert value == pytest.approx(quality * (1 - 0.5**epoch))


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 17, 23])
def test_a_search_killed_anywhere_and_continued_equals_an_uninterrupted_one(study, log, tmp_path, steps):
    whole = optuna.create_study(direction="maximize")
    play(SearchEngine(Study(whole), TOY_SPACE, settings(), Log()))
    play(SearchEngine(Study(study), TOY_SPACE, settings(), log), steps=steps)  # the driver vanishes: nobody closes anything
    again = optuna.load_study(study_name="toy", storage=study._storage)
    engine = SearchEngine(Study(again), TOY_SPACE, settings(), log)
    play(engine)
    assert [(t.params, t.state, t.intermediate_values) for t in again.trials] == [
        (t.params, t.state, t.intermediate_values) for t in whole.trials
    ]
    assert engine.rungs.values == rungs_of(Study(again).trials(), engine.rule).values


def test_a_killed_search_with_several_slots_runs_no_finished_trial_again(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(), log), steps=13, slots=3)
    finished = {t.number: t.datetime_complete for t in study.trials if t.state.is_finished()}
    unfinished = {t.number: max(t.intermediate_values) for t in study.trials if not t.state.is_finished() and t.intermediate_values}
    assert finished
    assert unfinished
    engine = SearchEngine(Study(study), TOY_SPACE, settings(), second := Log())
    play(engine, slots=3)
    assert {line[1]: line[2] for line in second.lines if line[0] == "started" and line[2]} == unfinished
    assert {n: study.trials[n].datetime_complete for n in finished} == finished
    assert len(study.trials) == 12
    assert engine.done


def test_more_trials_are_added_to_a_finished_study(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=4), log))
    before = [(t.params, t.datetime_complete) for t in study.trials]
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=7), log))
    assert [(t.params, t.datetime_complete) for t in study.trials[:4]] == before
    assert len(study.trials) == 7


def test_a_decided_stop_is_closed_when_the_driver_died_before_it_could(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=30), log)
    while True:
        task = engine.next_assignment()
        assert task is not None, "nothing was ever cut"
        for epoch in range(1, EPOCHS + 1):
            stop = engine.record(task.number, result(task, epoch))
            if stop:
                break
        if stop:
            break
        engine.close(task.number, result(task, EPOCHS))
    assert study.trials[task.number].state == TrialState.RUNNING
    SearchEngine(Study(study), TOY_SPACE, settings(trials=30), log)
    assert study.trials[task.number].state == TrialState.PRUNED


def test_a_row_left_unjudged_at_a_rung_is_judged_when_the_search_goes_on(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=30), log)
    for _ in range(4):
        task = engine.next_assignment()
        assert task is not None
        for epoch in range(1, EPOCHS + 1):
            engine.record(task.number, {**result(task, epoch), "value": 0.9})
        engine.close(task.number, result(task, EPOCHS))
    while (task := engine.next_assignment()) and task.family != "fast" and len(engine.rungs.values[(task.family, 1)]) < 3:
        engine.record(task.number, {**result(task, 1), "value": 0.9})
    assert task is not None
    standing = len(engine.rungs.values.get((task.family, 1), {}))
    study._storage.set_trial_intermediate_value(engine.trials[task.number].id, 1, 0.1)  # and the driver dies before it could decide
    again = SearchEngine(Study(study), TOY_SPACE, settings(trials=30), log)
    expected = TrialState.PRUNED if standing >= 3 else TrialState.RUNNING
    assert study.trials[task.number].state == expected
    assert again.rungs.values[(task.family, 1)][task.number] == 0.1


def test_a_cut_row_is_closed_whatever_scheduler_the_search_goes_on_with(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(), log)
    task = engine.next_assignment()
    assert task is not None
    engine.record(task.number, result(task, 1))
    set_attrs(study, task.number, {"ended_by": "asha"})
    SearchEngine(Study(study), TOY_SPACE, settings(scheduler="none"), log)
    assert study.trials[task.number].state == TrialState.PRUNED


def test_a_draw_that_no_config_takes_fails_its_row_and_the_search_goes_on(study, log):
    def picky(trial):
        if trial.number == 1:
            raise ConfigError("hidden_size must be a multiple of 4, but got hidden_size=30")
        return suggest(trial)

    engine = SearchEngine(Study(study), SearchSpace(suggest=picky), settings(trials=3), log)
    play(engine)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[1].user_attrs["failure"].startswith("hidden_size must be a multiple of 4")


def failed(reason: str = "error", **facts: Any) -> dict[str, Any]:
    return {"fail_reason": reason, "failure": "No space left on device", "complete": False, **facts}


def test_failures_of_every_family_end_the_search_instead_of_eating_it(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=100), log)
    while task := engine.next_assignment():
        engine.close(task.number, failed())
    assert engine.gave_up
    assert len(study.trials) < 25
    assert Study(study).last_failure().endswith("failed (error): No space left on device")


def test_a_family_that_always_fails_is_drawn_no_more_and_this_is_said(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=40), log)
    while task := engine.next_assignment():
        for epoch in range(1, EPOCHS + 1):
            if task.family == "slow" or engine.record(task.number, result(task, epoch)):
                break
        engine.close(task.number, failed("nan") if task.family == "slow" else result(task, epoch))
    families = [t.user_attrs["family"] for t in study.trials]
    assert families.count("slow") == 5
    assert len(families) == 40
    message = [line[1] for line in log.lines if line[0] == "said"]
    assert message == ["slow is no longer sampled: its last 5 trials failed (see `ecg-tune status`)"]


def test_a_success_between_failures_keeps_a_family(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=20, family_failures=2, sampler="random"), log)
    for turn in range(20):
        task = engine.next_assignment()
        assert task is not None
        engine.close(task.number, failed() if turn % 4 == 0 else {**result(task, EPOCHS)})
    assert engine.failures.dropped == []


def test_a_trial_out_of_memory_is_tried_once_more_with_half_the_micro_batch(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=2), log)
    first = engine.next_assignment()
    assert first is not None
    engine.record(first.number, result(first, 1))
    engine.close(first.number, failed("oom", micro_batch=32))
    assert study.trials[first.number].state == TrialState.RUNNING
    again = SearchEngine(Study(study), TOY_SPACE, settings(trials=2), log).next_assignment()  # whether the driver lives on or not
    assert again is not None
    assert (again.number, again.reported, again.micro_batch) == (first.number, 1, 16)
    engine.close(first.number, failed("oom", micro_batch=16))
    assert study.trials[first.number].user_attrs["fail_reason"] == "oom"
    assert ("said", "trial 0 ran out of memory: it is tried once more with micro-batches of 16, same effective batch") in log.lines


def test_a_single_record_that_does_not_fit_fails_at_once(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=1), log)
    task = engine.next_assignment()
    assert task is not None
    engine.close(task.number, failed("oom", micro_batch=1))
    assert study.trials[0].user_attrs["fail_reason"] == "oom"


def test_a_lost_trial_is_handed_out_again_from_where_it_stood_until_retries_are_used_up(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=1, retries=2), log)
    for epoch in (1, 2):
        task = engine.next_assignment()
        assert task is not None
        assert task.reported == epoch - 1
        engine.record(task.number, result(task, epoch))
        assert engine.retry_lost(task.number, "lost", counted=True)
    assert engine.retry_lost(task.number, "lost", counted=False)  # a preemption does not count
    assert not engine.retry_lost(task.number, "lost", counted=True)


def test_a_remark_of_a_trial_is_said_once(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=1), log)
    task = engine.next_assignment()
    assert task is not None
    for epoch in (1, 2):
        engine.record(task.number, result(task, epoch, say="memory ran out: micro-batches of 8, same effective batch"))
    assert [line for line in log.lines if line[0] == "said"] == [
        ("said", "trial 0: memory ran out: micro-batches of 8, same effective batch")
    ]


def test_queued_configs_follow_the_defaults_once_and_what_they_leave_open_is_drawn(study, log):
    space = replace(TOY_SPACE, queued=({"family": "slow", "slow.quality": 0.75}, {"family": "fast"}))
    play(SearchEngine(Study(study), space, settings(trials=3), log))
    play(SearchEngine(Study(study), space, settings(trials=6), log))
    assert study.trials[2].params == {"family": "slow", "slow.quality": 0.75}
    assert study.trials[3].params["family"] == "fast"
    assert 0 <= study.trials[3].params["fast.quality"] <= 1
    assert [t.user_attrs["is_default"] for t in study.trials] == [True, True, False, False, False, False]
    assert ["queued" in t.user_attrs for t in study.trials] == [True, True, True, True, False, False]


def test_a_row_is_written_whole_or_not_at_all(study, log, monkeypatch):
    whole = optuna.create_study(direction="maximize")
    play(SearchEngine(Study(whole), TOY_SPACE, settings(), Log()))
    engine = SearchEngine(Study(study), TOY_SPACE, settings(), log)

    def killed(connection: Any, table: Any, entries: Any) -> None:
        if table is rows.STEPS:  # the row, its parameters and attributes are written by then
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "_insert", killed)
        with pytest.raises(RuntimeError, match="killed"):
            engine.next_assignment()
    assert study.trials == []
    play(SearchEngine(Study(study), TOY_SPACE, settings(), log))
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "gp", "qmc", "random"])
@pytest.mark.slow
def test_several_objectives_are_stopped_by_the_first_and_give_a_pareto_front(tmp_path, log, sampler):
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'two.db'}")
    study = optuna.create_study(storage=storage, study_name="two", directions=["maximize", "minimize"])
    costly = settings(trials=20, sampler=sampler, minimise=("parameters",))
    engine = SearchEngine(Study(study), TOY_SPACE, costly, log)
    while task := engine.next_assignment():
        cost = [round(100 * task.config["quality"] ** 2)]
        for epoch in range(1, EPOCHS + 1):
            if engine.record(task.number, result(task, epoch, costs=cost)):
                break
        engine.close(task.number, result(task, epoch, costs=cost))
    rows = newest_trials(study)
    assert {t.state for t in rows} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(t.intermediate_values for t in rows)
    assert all(t.values[1] == round(100 * t.user_attrs["config"]["quality"] ** 2) for t in rows if t.state == TrialState.COMPLETE)
    assert all(len(t.user_attrs["objectives"]) == 2 for t in rows)
    assert [t.number for t in Study(study).pareto()] == sorted(
        (t.number for t in study.best_trials), key=lambda n: -study.trials[n].values[0]
    )


def test_rows_that_plain_optuna_left_open_are_tried_after_the_defaults(study, log):
    study.enqueue_trial({"family": "fast", "fast.quality": 0.25})
    study.ask({"family": optuna.distributions.CategoricalDistribution(("slow", "fast"))})
    study.ask()
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=4), log))
    rows = newest_trials(study)
    assert [t.user_attrs["is_default"] for t in rows] == [True, True, False, False]
    assert rows[2].params == {"family": "fast", "fast.quality": 0.25}
    assert rows[3].params["family"] in ("slow", "fast")
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=4), log))
    assert len(newest_trials(study)) == 4


def test_configs_that_are_queued_while_a_search_runs_are_tried_next(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=8), log)
    play(engine, steps=5)
    study.enqueue_trial({"family": "fast", "fast.quality": 0.25})
    study.enqueue_trial({"family": "slow"})
    engine.additions.looked_at -= engine.additions.EVERY_S
    play(engine)
    queued = [t for t in newest_trials(study) if t.user_attrs.get("queued", "").startswith("row ")]
    assert [t.params["family"] for t in queued] == ["fast", "slow"]
    assert not any(t.number < queued[1].number for t in newest_trials(study)[7:]), "before anything is sampled"
    assert queued[0].params["fast.quality"] == 0.25
    assert len(newest_trials(study)) == 8
    assert len({t.user_attrs["path"] for t in newest_trials(study)}) == 8, "each trial has a folder of its own"
    play(SearchEngine(Study(study), TOY_SPACE, settings(trials=8), log))
    assert len(newest_trials(study)) == 8, "they are tried once"


def test_a_value_that_is_known_already_changes_nothing(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(), log)
    task = engine.next_assignment()
    assert task is not None
    engine.record(task.number, result(task, 1))
    assert not engine.record(task.number, {**result(task, 1), "value": 0.99})
    assert study.trials[task.number].intermediate_values == {1: result(task, 1)["value"]}


def test_a_failure_keeps_its_reason_and_values_and_frees_the_slot(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=2), log)
    task = engine.next_assignment()
    assert task is not None
    engine.record(task.number, result(task, 1))
    engine.close(task.number, {"fail_reason": "nan", "failure": "training loss is nan in epoch 2", "epochs": 1, "complete": False})
    row = study.trials[task.number]
    assert row.state == TrialState.FAIL
    assert (row.user_attrs["fail_reason"], row.user_attrs["ended_by"], row.user_attrs["epochs"]) == ("nan", "failed", 1)
    assert list(row.intermediate_values) == [1]
    play(engine)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_patience_closes_a_row_complete_with_its_best_epoch(study, log):
    engine = SearchEngine(Study(study), TOY_SPACE, settings(trials=1), log)
    task = engine.next_assignment()
    assert task is not None
    for epoch, value in ((1, 0.7), (2, 0.4)):
        message = result(task, epoch, value=value, complete=epoch == 2, ended_by="patience" if epoch == 2 else "")
        engine.record(task.number, message)
    engine.close(task.number, message)
    row = best_trials(study)[0]
    assert (row.value, row.user_attrs["ended_by"]) == (0.7, "patience")
    assert engine.rungs.values[(task.family, 3)] == {task.number: 0.7}


def test_equal_seeds_draw_equal_trials_and_others_do_not(log):
    def suggested(seed: int) -> list[dict[str, Any]]:
        study = optuna.create_study(direction="maximize")
        play(SearchEngine(Study(study), TOY_SPACE, settings(seed=seed), log))
        return [t.params for t in study.trials]

    assert suggested(1) == suggested(1)
    assert suggested(1)[:2] == suggested(2)[:2]
    assert suggested(1)[2:] != suggested(2)[2:]


def test_without_a_scheduler_every_trial_runs_to_its_end(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(scheduler="none"), log))
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}


def test_random_sampling_draws_without_learning(study, log):
    play(SearchEngine(Study(study), TOY_SPACE, settings(sampler="random", trials=6), log))
    assert len({tuple(t.params.values()) for t in study.trials}) == 6
