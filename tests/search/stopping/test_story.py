"""The story of a trial: one line for how it began, each decision, and its end."""

from __future__ import annotations

import pytest

from ecg_tune.search.stopping.decision import INTERRUPTED, REASONS, Decision
from ecg_tune.search.stopping.story import ENDINGS, story
from ecg_tune.study.trial import BUDGETS, Trial

WAITS = Decision(3, False, 0.861, 0.872, 0.005, 0.889, "worth", other=9, other_family="cnn1d", other_mean=0.891, other_sd=0.004)
RESUMES = Decision(3, True, 0.861, 0.893, 0.006, 0.889, "worth")


def story_of(**facts) -> list[str]:
    trial = Trial(17, facts.pop("state", "RUNNING"), family="cnn1d", **facts)
    best = Trial(9, "COMPLETE", family="cnn1d", intermediate={1: 0.9}, values=(0.9,))
    return story(trial, [trial, best], epochs=27)


def test_a_waiting_trial_says_what_its_worker_does_instead() -> None:
    first, waits, end = story_of(intermediate={1: 0.8, 2: 0.861, 3: 0.85}, decisions=(WAITS.plain(),))
    assert first == "trial 17 (cnn1d): sampled"
    assert waits == (
        "trial 17 waits at epoch 3: 0.8610, forecast 0.8720 ± 0.0050 at epoch 27, best 0.8890; trial 9 resumes, forecast 0.8910 ± 0.0040"
    )
    assert end == "it waits: best value 0.8610 in 3 of 27 epochs"


@pytest.mark.parametrize("reason", REASONS)
def test_a_resumed_trial_says_why(reason: str) -> None:
    resumed = Decision(3, True, 0.861, 0.893, 0.006, 0.889, reason)
    _, _, line, end = story_of(intermediate={3: 0.861}, decisions=(WAITS.plain(), resumed.plain()))
    assert line == f"trial 17 resumes after epoch 3: {REASONS[reason]}: forecast 0.8930 ± 0.0060 at epoch 27, best 0.8890"
    assert end.startswith("it runs, or its search was interrupted")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"other": None, "reason": "first"}, "another trial starts (cnn1d)"),
        ({"other": None, "reason": "queue", "other_family": ""}, "another trial starts"),
        ({"other": None, "reason": "", "other_family": ""}, "nothing is worth its epochs"),
        ({"other": None, "reason": INTERRUPTED, "other_family": ""}, "its worker was lost, or its search interrupted"),
    ],
)
def test_a_trial_waits_for_a_new_one_for_nothing_or_since_it_was_interrupted(changes, text) -> None:
    decision = Decision.stored({**WAITS.plain(), **changes})
    assert decision.text(17, 27).endswith(f"; {text}")


def test_a_pruned_trial_says_what_it_was_forecast_and_what_was_better() -> None:
    end = story_of(state="PRUNED", intermediate={3: 0.861}, forecast=(0.872, 0.005), ended_by="forecast")[-1]
    assert "with a forecast 0.8720 ± 0.0050 at epoch 27; the study's best value is 0.9000" in end


@pytest.mark.parametrize("ended_by", [*BUDGETS, "target", "patience", "max_epochs", "asha", "hyperband", "median"])
def test_every_other_end_has_words(ended_by: str) -> None:
    state = "COMPLETE" if ended_by in ("patience", "max_epochs") else "PRUNED"
    assert story_of(state=state, intermediate={3: 0.861}, ended_by=ended_by)[-1].endswith(f"ended by {ENDINGS[ended_by]}")


def test_a_forecast_above_one_is_shown_as_one() -> None:
    decision = Decision.stored({**WAITS.plain(), "mean": 1.05, "other_mean": 1.2})
    assert "forecast 1.0000 ± 0.0050 at epoch 27" in decision.text(17, 27)
    assert "trial 9 resumes, forecast 1.0000 ± 0.0040" in decision.text(17, 27)


def test_a_failed_trial_says_its_failure() -> None:
    assert story_of(state="FAIL", fail_reason="nan", failure="loss is nan")[-1] == "trial 17 failed (nan): loss is nan"


def test_what_a_newer_version_wrote_beside_is_passed_over() -> None:
    assert Decision.stored({**RESUMES.plain(), "of_a_later_version": 1}) == RESUMES


def test_a_config_that_somebody_queued_names_the_trial_that_tries_it() -> None:
    left_open = Trial(9, "FAIL", superseded_by="queue", params={"family": "cnn1d"}, family="cnn1d")
    taken = Trial(11, "RUNNING", family="cnn1d", queued="row 9")
    assert story(left_open, [taken], epochs=4) == ["trial 9 (cnn1d): a queued config", "taken from the queue: tried as trial 11"]
    assert story(left_open, [], epochs=4)[-1] == "it waits in the queue"
    assert story(taken, [taken], epochs=4)[0] == "trial 11 (cnn1d): a queued config"


def test_a_trial_counts_its_epochs_to_its_own_last_one_after_a_search_was_made_longer() -> None:
    config = {"training": {"max_epochs": 3}}
    end = story_of(state="COMPLETE", intermediate={1: 0.8, 3: 0.861}, values=(0.861,), ended_by="max_epochs", config=config)[-1]
    assert end == "COMPLETE, best value 0.8610 in 3 of 3 epochs: ended by its last epoch"
