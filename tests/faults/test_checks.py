"""The kill tests' own measures see what they are there for."""

from __future__ import annotations

from datetime import datetime

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from .checks import changed_rows, wrong_decisions, wrong_rows
from .epochs import Step, repeated_epochs
from .searches import EPOCHS, TRIALS

OLD, NEW = 1, 2
START = datetime(2026, 1, 1)


def row(number: int, values: list[float], ended_by: str, *, family: str = "cnn1d") -> FrozenTrial:
    state = {"asha": TrialState.PRUNED, "": TrialState.RUNNING}.get(ended_by, TrialState.COMPLETE)
    trial = create_trial(
        state=state,
        value=max(values) if state == TrialState.COMPLETE else None,
        intermediate_values=dict(enumerate(values, 1)),
        user_attrs={"family": family, "ended_by": ended_by},
    )
    trial.number = number
    trial.datetime_start = trial.datetime_complete = START
    return trial


def rows() -> list[FrozenTrial]:
    """Return a study in which all is well."""
    whole = [row(n, [0.6 + n / 100] * EPOCHS, "max_epochs") for n in range(TRIALS - 2)]
    return [*whole, row(TRIALS - 2, [0.5], "asha"), row(TRIALS - 1, [0.7, 0.6], "patience")]


def arrivals(study: list[FrozenTrial]) -> list[tuple[int, int]]:
    return [(row.number, epoch) for row in study for epoch in row.intermediate_values]


def steps(seconds: list[float], *, first: int = 1, worker: int = OLD, took_s: float = 1.5) -> list[Step]:
    return [Step(0, epoch, s, took_s, worker) for epoch, s in enumerate(seconds, first)]


def test_a_sound_study_is_right():
    assert wrong_rows(rows()) + changed_rows(rows(), rows()) == []


@pytest.mark.parametrize(
    ("number", "bad", "message"),
    [
        (0, row(0, [0.6] * (EPOCHS - 1), "max_epochs"), "trial 0 is COMPLETE"),
        (1, row(1, [0.6, 0.6], ""), "trial 1 is RUNNING"),
        (2, row(2, [0.6, 0.6], "asha"), "trial 2 is PRUNED with epochs [1, 2]"),
    ],
)
def test_a_row_that_ended_where_it_may_not_is_found(number, bad, message):
    study = rows()
    study[number] = bad
    (wrong,) = wrong_rows(study)
    assert wrong.startswith(message)


def test_a_missing_row_and_a_hole_in_the_epochs_are_found():
    study = rows()[1:]
    del study[0].intermediate_values[2]
    assert [line.split(" ", 2)[:2] for line in wrong_rows(study)] == [[f"{TRIALS - 1}", "trials,"], ["trial", "1"]]


def test_a_finished_row_that_changed_is_found():
    now = rows()
    now[0].user_attrs["seconds"] = 1.0
    assert changed_rows(rows()[:2], now[:1]) == ["trial 0 had ended and changed: user_attrs", "trial 1 is gone"]


def test_a_decision_that_the_rungs_do_not_explain_is_found():
    study = rows()
    assert wrong_decisions(study, arrivals(study)) == []
    study[-2] = row(TRIALS - 2, [0.9], "asha")
    study[-1] = row(TRIALS - 1, [0.1] * EPOCHS, "max_epochs")
    wrong = wrong_decisions(study, arrivals(study))
    assert [line.split(" (")[0] for line in wrong] == [f"trial {TRIALS - 2}", f"trial {TRIALS - 1}", f"trial {TRIALS - 1}"]


def test_a_result_that_was_not_recorded_is_found():
    study = rows()
    assert wrong_decisions(study, arrivals(study)[:-1]) == [f"trial {TRIALS - 1} epoch 2: not taken in, or not recorded"]


def test_results_from_a_checkpoint_are_no_repetition():
    assert repeated_epochs(steps([1.0, 2.0]), steps([3.0, 4.0], first=3, worker=NEW, took_s=0.1), [1, 2]) == 0
    assert repeated_epochs(steps([1.0, 2.0]), steps([1.0, 2.0, 3.0], worker=NEW, took_s=0.1), [1, 2]) == 0


def test_an_epoch_that_was_cut_off_counts_as_repeated():
    assert repeated_epochs(steps([1.0, 2.0]), steps([3.0, 4.0], first=3, worker=NEW), [1, 2]) == 1


def test_epochs_trained_twice_are_counted():
    assert repeated_epochs(steps([1.0, 2.0]), steps([1.1, 2.1, 3.1], worker=NEW), [1, 2]) == 3
    assert repeated_epochs([], steps([1.1, 2.1, 3.1], worker=NEW), [1, 2]) == 3  # recorded, but killed before it was logged
