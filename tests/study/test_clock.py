"""The clock of a study: whatever happens to the machine's, later trials have later times."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import optuna
import pytest

import ecg_tune.data.prepared.ledger as ledger
from ecg_tune.data.prepared.dataset import open_prepared, open_test, read_ledger
from ecg_tune.search.stopping.early_end import saving, unimproved
from ecg_tune.study.clock import StudyClock
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A machine whose clock can be set; its seconds go on by themselves."""

    def __init__(self) -> None:
        self.seconds, self.offset = 0.0, timedelta()

    def clock(self, trials=()) -> StudyClock:
        return StudyClock(lambda: trials, now=lambda: NOON + self.offset + timedelta(seconds=self.seconds), monotonic=lambda: self.seconds)


def local(time: datetime) -> datetime:
    return time.astimezone().replace(tzinfo=None)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_set_gives_later_times_and_real_durations_where_it_can(hours):
    machine = Machine()
    clock = machine.clock()
    before = clock.local()
    machine.seconds, machine.offset = 60, timedelta(hours=hours)
    assert clock.local() - before == timedelta(seconds=60) + max(timedelta(hours=hours), timedelta())
    machine.seconds += 60
    assert clock.local() - before == timedelta(seconds=120) + max(timedelta(hours=hours), timedelta())


def test_a_study_that_another_machine_timed_is_continued_after_it():
    ahead = [Trial(0, "COMPLETE", start=local(NOON), end=local(NOON + timedelta(hours=2)))]
    assert Machine().clock(ahead).local() == local(NOON + timedelta(hours=2))


@pytest.mark.parametrize("year", [1, 2126, 9999])
def test_a_time_that_no_clock_was_set_to_is_no_reason_to_be_late(year):
    assert Machine().clock([Trial(0, "COMPLETE", end=datetime(year, 1, 1))]).local() == local(NOON)


def test_patience_counts_in_the_order_of_the_ends_when_the_clock_is_set_back(tmp_path):
    machine = Machine()
    with Study(optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}", direction="maximize")) as study:
        study._clock = machine.clock()
        for value in (0.9, 0.5, 0.6, 0.7):
            trial = study.add(Trial(0, "RUNNING", "cnn1d"))
            machine.seconds += 10
            study.finish(study.record(trial, epochs={1: value}, epochs_trained=1), "COMPLETE", [value])
            machine.offset, machine.seconds = timedelta(hours=-2), machine.seconds + 1
        ended = study.trials()
    assert [trial.end - trial.start for trial in ended] == [timedelta(seconds=10)] * 4
    assert unimproved(ended) == 3
    assert saving(ended, 2).after == 3


def test_openings_of_the_seal_stay_in_their_order_when_the_clock_is_set_back(few_data, tmp_path, monkeypatch):
    """Each line names the one before: one that is taken out shows, whatever the clock was."""
    data = open_prepared(shutil.copytree(few_data.folder, tmp_path / "data"))
    for offset, purpose in [(0, "first"), (-2, "second"), (-3, "third")]:

        class Set(datetime):
            @classmethod
            def now(cls, zone=None, offset=offset):
                return NOON + timedelta(hours=offset)

        monkeypatch.setattr(ledger, "datetime", Set)
        open_test(data, purpose)
    assert [line["purpose"] for line in read_ledger(data)] == ["first", "second", "third"]
    path = data.folder / "test_ledger.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[2], ""]))
    assert ledger.missing_before([json.loads(line) for line in (lines[0], lines[2])])
