"""The searcher's semantics without a cluster: states, values, continuing."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError
from ecg_tune.search.book import Assignment, Book
from ecg_tune.search.rungs import rungs_of
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.study import best_trials, last_failure, newest_trials

from .conftest import TOY_SPACE, Log, suggest

EPOCHS = 4


def settings(**changes: Any) -> SearchSettings:
    return SearchSettings(**{"families": ("slow", "fast"), "trials": 12, "max_epochs": EPOCHS, "grace_epochs": 1, "seed": 3, **changes})


def result(task: Assignment, epoch: int, **changes: Any) -> dict[str, Any]:
    complete = epoch == EPOCHS
    value = task.config["quality"] * (1 - 0.5**epoch)
    return {"epoch": epoch, "value": value, "complete": complete, "ended_by": "max_epochs" if complete else "", "epochs": epoch, **changes}


def play(book: Book, *, steps: int | None = None, slots: int = 1) -> None:
    """Run trials as a cluster of `slots` would, at most `steps` epochs, then let go of everything."""
    running: list[tuple[Assignment, int]] = []
    while steps is None or steps > 0:
        while len(running) < slots and (task := book.next_assignment()):
            running.append((task, task.reported))
        if not running:
            return
        task, epoch = running.pop(0)
        said = result(task, epoch + 1)
        stop = book.record(task.number, said)
        if stop or said["complete"]:
            book.close(task.number, said)
        else:
            running.append((task, epoch + 1))
        steps = None if steps is None else steps - 1


def test_a_search_ends_with_complete_and_pruned_rows_only(study, log):
    book = Book(study, TOY_SPACE, settings(trials=30), log)
    play(book)
    states = [t.state for t in study.trials]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert len(states) == 30
    assert book.done
    for trial in study.trials:
        last = max(trial.intermediate_values)
        assert trial.user_attrs["ended_by"] == ("max_epochs" if trial.state == TrialState.COMPLETE else "asha")
        assert last == EPOCHS if trial.state == TrialState.COMPLETE else last in book.rule.levels
        assert list(trial.intermediate_values) == list(range(1, last + 1))
        if trial.state == TrialState.COMPLETE:
            assert trial.value == max(trial.intermediate_values.values())


def test_the_defaults_come_first_and_say_so(study, log):
    play(Book(study, TOY_SPACE, settings(trials=4), log))
    assert [t.user_attrs["is_default"] for t in study.trials] == [True, True, False, False]
    assert [t.user_attrs["family"] for t in study.trials[:2]] == ["slow", "fast"]
    assert study.trials[0].params == {"family": "slow", "slow.quality": 0.5}


def test_the_value_of_the_stopping_step_is_kept(study, log):
    play(Book(study, TOY_SPACE, settings(trials=30), log))
    for trial in study.trials:
        quality = trial.user_attrs["config"]["quality"]
        for epoch, value in trial.intermediate_values.items():
            assert value == pytest.approx(quality * (1 - 0.5**epoch))


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 17, 23])
def test_a_search_killed_anywhere_and_continued_equals_an_uninterrupted_one(study, log, tmp_path, steps):
    whole = optuna.create_study(direction="maximize")
    play(Book(whole, TOY_SPACE, settings(), Log()))
    play(Book(study, TOY_SPACE, settings(), log), steps=steps)  # the driver vanishes: nobody closes anything
    again = optuna.load_study(study_name="toy", storage=study._storage)
    book = Book(again, TOY_SPACE, settings(), log)
    play(book)
    assert [(t.params, t.state, t.intermediate_values) for t in again.trials] == [
        (t.params, t.state, t.intermediate_values) for t in whole.trials
    ]
    assert book.rungs.values == rungs_of(newest_trials(again), book.rule).values


def test_a_killed_search_with_several_slots_runs_no_finished_trial_again(study, log):
    play(Book(study, TOY_SPACE, settings(), log), steps=13, slots=3)
    finished = {t.number: t.datetime_complete for t in study.trials if t.state.is_finished()}
    unfinished = {t.number: max(t.intermediate_values) for t in study.trials if not t.state.is_finished() and t.intermediate_values}
    assert finished
    assert unfinished
    book = Book(study, TOY_SPACE, settings(), second := Log())
    play(book, slots=3)
    assert {line[1]: line[2] for line in second.lines if line[0] == "started" and line[2]} == unfinished
    assert {n: study.trials[n].datetime_complete for n in finished} == finished
    assert len(study.trials) == 12
    assert book.done


def test_more_trials_are_added_to_a_finished_study(study, log):
    play(Book(study, TOY_SPACE, settings(trials=4), log))
    before = [(t.params, t.datetime_complete) for t in study.trials]
    play(Book(study, TOY_SPACE, settings(trials=7), log))
    assert [(t.params, t.datetime_complete) for t in study.trials[:4]] == before
    assert len(study.trials) == 7


def test_a_decided_stop_is_closed_when_the_driver_died_before_it_could(study, log):
    book = Book(study, TOY_SPACE, settings(trials=30), log)
    while True:
        task = book.next_assignment()
        assert task is not None, "nothing was ever cut"
        for epoch in range(1, EPOCHS + 1):
            stop = book.record(task.number, result(task, epoch))
            if stop:
                break
        if stop:
            break
        book.close(task.number, result(task, EPOCHS))
    assert study.trials[task.number].state == TrialState.RUNNING
    Book(study, TOY_SPACE, settings(trials=30), log)
    assert study.trials[task.number].state == TrialState.PRUNED


def test_a_row_left_unjudged_at_a_rung_is_judged_when_the_search_goes_on(study, log):
    book = Book(study, TOY_SPACE, settings(trials=30), log)
    for _ in range(4):
        task = book.next_assignment()
        assert task is not None
        for epoch in range(1, EPOCHS + 1):
            book.record(task.number, {**result(task, epoch), "value": 0.9})
        book.close(task.number, result(task, EPOCHS))
    while (task := book.next_assignment()) and task.family != "fast" and len(book.rungs.values[(task.family, 1)]) < 3:
        book.record(task.number, {**result(task, 1), "value": 0.9})
    assert task is not None
    standing = len(book.rungs.values.get((task.family, 1), {}))
    study._storage.set_trial_intermediate_value(book._id(task.number), 1, 0.1)  # and the driver dies before it could decide
    again = Book(study, TOY_SPACE, settings(trials=30), log)
    expected = TrialState.PRUNED if standing >= 3 else TrialState.RUNNING
    assert study.trials[task.number].state == expected
    assert again.rungs.values[(task.family, 1)][task.number] == 0.1


def test_a_cut_row_is_closed_whatever_scheduler_the_search_goes_on_with(study, log):
    book = Book(study, TOY_SPACE, settings(), log)
    task = book.next_assignment()
    assert task is not None
    book.record(task.number, result(task, 1))
    book._set(task.number, {"ended_by": "asha"})
    Book(study, TOY_SPACE, settings(scheduler="none"), log)
    assert study.trials[task.number].state == TrialState.PRUNED


def test_a_draw_that_no_config_takes_fails_its_row_and_the_search_goes_on(study, log):
    def picky(trial):
        if trial.number == 1:
            raise ConfigError("hidden_size must be a multiple of 4, but got hidden_size=30")
        return suggest(trial)

    book = Book(study, SearchSpace(suggest=picky), settings(trials=3), log)
    play(book)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[1].user_attrs["failure"].startswith("hidden_size must be a multiple of 4")


def test_errors_in_a_row_end_the_search_instead_of_eating_it(study, log):
    book = Book(study, TOY_SPACE, settings(trials=100), log)
    while task := book.next_assignment():
        book.close(task.number, {"fail_reason": "error", "failure": "No space left on device", "complete": False})
    assert book.gave_up
    assert len(study.trials) == 10
    assert last_failure(study) == "trial 9 failed (error): No space left on device"


def test_rows_that_plain_optuna_left_open_are_tried_after_the_defaults(study, log):
    study.enqueue_trial({"family": "fast", "fast.quality": 0.25})
    study.ask({"family": optuna.distributions.CategoricalDistribution(("slow", "fast"))})
    study.ask()
    play(Book(study, TOY_SPACE, settings(trials=4), log))
    rows = newest_trials(study)
    assert [t.user_attrs["is_default"] for t in rows] == [True, True, False, False]
    assert rows[2].params == {"family": "fast", "fast.quality": 0.25}
    assert rows[3].params["family"] in ("slow", "fast")
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    play(Book(study, TOY_SPACE, settings(trials=4), log))
    assert len(newest_trials(study)) == 4


def test_a_value_that_is_known_already_changes_nothing(study, log):
    book = Book(study, TOY_SPACE, settings(), log)
    task = book.next_assignment()
    assert task is not None
    book.record(task.number, result(task, 1))
    assert not book.record(task.number, {**result(task, 1), "value": 0.99})
    assert study.trials[task.number].intermediate_values == {1: result(task, 1)["value"]}


def test_a_failure_keeps_its_reason_and_values_and_frees_the_slot(study, log):
    book = Book(study, TOY_SPACE, settings(trials=2), log)
    task = book.next_assignment()
    assert task is not None
    book.record(task.number, result(task, 1))
    book.close(task.number, {"fail_reason": "nan", "failure": "training loss is nan in epoch 2", "epochs": 1, "complete": False})
    row = study.trials[task.number]
    assert row.state == TrialState.FAIL
    assert (row.user_attrs["fail_reason"], row.user_attrs["ended_by"], row.user_attrs["epochs"]) == ("nan", "failed", 1)
    assert list(row.intermediate_values) == [1]
    play(book)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_patience_closes_a_row_complete_with_its_best_epoch(study, log):
    book = Book(study, TOY_SPACE, settings(trials=1), log)
    task = book.next_assignment()
    assert task is not None
    for epoch, value in ((1, 0.7), (2, 0.4)):
        said = result(task, epoch, value=value, complete=epoch == 2, ended_by="patience" if epoch == 2 else "")
        book.record(task.number, said)
    book.close(task.number, said)
    row = best_trials(study)[0]
    assert (row.value, row.user_attrs["ended_by"]) == (0.7, "patience")
    assert book.rungs.values[(task.family, 3)] == {task.number: 0.7}


def test_equal_seeds_draw_equal_trials_and_others_do_not(log):
    def drawn(seed: int) -> list[dict[str, Any]]:
        study = optuna.create_study(direction="maximize")
        play(Book(study, TOY_SPACE, settings(seed=seed), log))
        return [t.params for t in study.trials]

    assert drawn(1) == drawn(1)
    assert drawn(1)[:2] == drawn(2)[:2]
    assert drawn(1)[2:] != drawn(2)[2:]


def test_without_a_scheduler_every_trial_runs_to_its_end(study, log):
    play(Book(study, TOY_SPACE, settings(scheduler="none"), log))
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}


def test_random_sampling_draws_without_learning(study, log):
    play(Book(study, TOY_SPACE, settings(sampler="random", trials=6), log))
    assert len({tuple(t.params.values()) for t in study.trials}) == 6
