"""Which trials are silent for too long, in made-up time; the real thing, a worker that hangs, is in `tests/faults`."""

from __future__ import annotations

import pytest

from ecg_tune.search.stall import BLINK_S, FIRST_S, LEAST_S, StallDetector


class Watch:
    """A clock that is looked at every second, as the driver does."""

    def __init__(self, limit_s: float | None = None) -> None:
        self.now = 0.0
        self.silence = StallDetector(limit_s, clock=lambda: self.now)

    def wait(self, seconds: float, running: tuple[int, ...]) -> list[int]:
        late = []
        for _ in range(int(seconds)):
            self.now += 1.0
            late += [number for number, _ in self.silence.overdue(running)]
        return late


@pytest.mark.parametrize(("epoch_s", "allowed_s"), [(1, LEAST_S), (100, 1000.0)])
def test_a_trial_may_be_silent_ten_of_its_own_epochs_and_two_minutes_at_least(epoch_s, allowed_s):
    watch = Watch()
    for _ in range(3):
        assert watch.wait(epoch_s, (7,)) == []
        watch.silence.report(7)
    assert watch.wait(allowed_s, (7,)) == []
    assert watch.wait(2, (7,)) == [7]
    assert watch.wait(allowed_s, (7,)) == []  # handed out again, its time begins anew


def test_before_its_first_reports_a_trial_has_time_to_load_and_compile():
    watch = Watch()
    assert watch.wait(FIRST_S, (1, 2)) == []
    watch.silence.report(2)  # after half an hour
    assert watch.wait(2, (1, 2)) == []  # no trial's first epoch is faster than what another one needed
    assert watch.wait(30 * FIRST_S, (1,)) == [1]


def test_a_given_limit_counts_for_all():
    watch = Watch(5.0)
    assert watch.wait(6, (1,)) == []  # the first look starts its time
    assert watch.wait(1, (1, 2)) == [1]
    assert watch.wait(6, (2,)) == [2]


def test_time_in_which_the_driver_slept_is_nobodys_silence():
    watch = Watch(60.0)
    watch.wait(50, (1,))
    watch.now += 3600.0
    assert watch.wait(5, (1,)) == []
    assert watch.wait(10 + BLINK_S, (1,)) == [1]
