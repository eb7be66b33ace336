"""The timeline's lanes and gaps. The studies are made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.dashboard.figures.timeline import INTERRUPTED, idle_sentence, timeline_data, timeline_figure
from analysis.dashboard.trials import RankedTrial
from tests.analysis.conftest import ranked

START = datetime(2026, 1, 1)


def ran(begin: int, end: int | None, worker: str | None, **attrs: Any) -> FrozenTrial:
    """Return a trial that ran from one minute to another; None for one that still runs."""
    attrs |= {"family": "rnn", **({"worker": worker, "node": worker.split(":")[0]} if worker else {})}
    trial = create_trial(state=TrialState.RUNNING, user_attrs=attrs) if end is None else create_trial(value=0.5, user_attrs=attrs)
    trial.datetime_start = START + timedelta(minutes=begin)
    trial.datetime_complete = None if end is None else START + timedelta(minutes=end)
    return trial


def trials_of(*trials: FrozenTrial) -> list[RankedTrial]:
    study = optuna.create_study(direction="maximize")
    study.add_trials(list(trials))
    return ranked(study)


def test_the_time_between_two_trials_of_a_worker_is_a_gap() -> None:
    data = timeline_data(trials_of(ran(0, 10, "n:1"), ran(15, 20, "n:1"), ran(0, 20, "n:2")))
    assert [(gap.lane, gap.start, gap.end) for gap in data.gaps] == [("n:1", START + timedelta(minutes=10), START + timedelta(minutes=15))]
    assert data.busy == pytest.approx(35 / 40)
    assert "busy 88% of the time" in idle_sentence(data)
    assert "The longest gap is 5 min on n:1, from 2026-01-01 00:10:00." in idle_sentence(data)
    idle = timeline_figure(data).data[0]
    assert (idle.name, list(idle.customdata[0])) == ("idle", [None, None, None, "5 min"])


def test_a_worker_that_takes_the_place_of_an_ended_one_takes_its_lane() -> None:
    data = timeline_data(trials_of(ran(0, 10, "n:1"), ran(10, 20, "n:3"), ran(0, 20, "n:2")))
    assert data.lanes == ("n · 1", "n:2")
    assert [bar.worker for bar in data.bars if bar.lane == "n · 1"] == ["n:1", "n:3"]
    assert data.busy == 1


def test_trials_that_run_stand_side_by_side_and_not_on_each_other() -> None:
    data = timeline_data(trials_of(ran(0, 10, "n:1"), ran(5, None, None), ran(6, None, None)), now=START + timedelta(minutes=30))
    assert data.lanes == ("n:1", f"{INTERRUPTED} · 1", f"{INTERRUPTED} · 2")
    assert {bar.end for bar in data.bars if bar.lane != "n:1"} == {START + timedelta(minutes=30)}


def test_an_imported_trial_ran_elsewhere_and_has_no_bar() -> None:
    data = timeline_data(trials_of(ran(0, 10, "n:1"), ran(0, 10, None, imported_from="other#3")))
    assert [bar.number for bar in data.bars] == [0]


def test_a_bar_starts_when_the_trial_did_not_at_the_second_before() -> None:
    trial = ran(0, 1, "n:1")
    trial.datetime_start = START + timedelta(milliseconds=1600)
    assert timeline_figure(timeline_data(trials_of(trial))).data[0].base == ("2026-01-01T00:00:01.600",)


def test_two_thousand_bars_have_no_numbers_inside() -> None:
    figure = timeline_figure(timeline_data(trials_of(*(ran(minute, minute + 1, "n:1") for minute in range(2000)))))
    assert len(figure.data[0].x) == 2000
    assert figure.data[0].text is None
