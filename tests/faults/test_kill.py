"""A search is hit at a random moment by SIGKILL to its driver, a worker or a node, and nothing is lost. FAULTS=20: so often each."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest
from optuna.trial import FrozenTrial

from .checks import changed_rows, wrong_decisions, wrong_pauses, wrong_rows
from .epochs import repeated_epochs, steps_of
from .outcomes import Outcome
from .processes import idle, parent_of, processes_of, wait_for, workers_of
from .searches import PATIENCE_S, TRIALS, Cluster, Search, unfinished, wait_for_the_moment

pytestmark = [pytest.mark.ray, pytest.mark.kill]

CASES = range(int(os.environ.get("FAULTS", "1")))
MOST_RUNS = 3


@pytest.mark.parametrize("scheduler", ["forecast", "asha"])
@pytest.mark.parametrize("case", CASES)
def test_a_killed_driver_loses_nothing(search: Search, cluster: Cluster, outcomes: list[Outcome], case: int, scheduler: str) -> None:
    search = dataclasses.replace(search, scheduler=scheduler)
    with search.started() as process:
        wait_for_the_moment(search, process, case)
        workers = workers_of(search.scratch)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    rows = search.rows()
    go_on(elsewhere(search, cluster), process.returncode)
    check(search, f"driver ({scheduler})", rows, outcomes, alive=workers, victims=workers)


@pytest.mark.parametrize("case", CASES)
def test_a_killed_worker_loses_nothing(joined: Search, outcomes: list[Outcome], case: int) -> None:
    with joined.started() as process:
        wait_for_the_moment(joined, process, case)
        assert wait_for(lambda: workers_of(joined.scratch), at_most_s=60), joined.message()
        rows, workers = joined.rows(), workers_of(joined.scratch)
        victim = random.Random(case).choice(sorted(workers))
        os.kill(victim, signal.SIGKILL)
        go_on(joined, process.wait(PATIENCE_S))
    check(joined, "worker", rows, outcomes, alive=workers, victims={victim})


@pytest.mark.parametrize("case", CASES)
def test_a_killed_node_loses_nothing(joined: Search, cluster: Cluster, outcomes: list[Outcome], case: int) -> None:
    with joined.started() as process:
        wait_for_the_moment(joined, process, case)
        node = random.Random(case).randrange(len(cluster.raylets))
        rows, workers = joined.rows(), workers_of(joined.scratch)
        victims = {worker for worker in workers if parent_of(worker) == cluster.raylets[node]}
        cluster.kill(node)
        try:
            go_on(joined, process.wait(PATIENCE_S))
        finally:
            cluster.start(node)
    check(joined, "node", rows, outcomes, alive=workers, victims=victims)


def test_a_worker_killed_between_two_trials_loses_nothing(joined: Search, outcomes: list[Outcome]) -> None:
    """Tune itself gives up a trial that it was just handing to a warm worker when that one died, whatever the retries."""
    with joined.started() as process:
        assert wait_for(lambda: joined.share_done() > 0.1 or process.poll() is not None, at_most_s=PATIENCE_S)
        workers, victims, ended = workers_of(joined.scratch), set[int](), 0
        while not victims and process.poll() is None:
            now = sum(joined.message().count(word) for word in ("[max_epochs]", "PRUNED ", " waits at "))
            victims, ended = (idle(workers) if now > ended else set()), now
            time.sleep(0.002)
        for victim in victims:  # at once: the moment is short
            os.kill(victim, signal.SIGKILL)
        rows = joined.rows()
        go_on(joined, process.wait(PATIENCE_S))
    assert victims, joined.message()
    check(joined, "idle worker", rows, outcomes, alive=workers, victims=victims)


def test_a_worker_that_hangs_is_given_up(joined: Search, outcomes: list[Outcome]) -> None:
    """Ray believes in it: the process is there and its host answers."""
    search = dataclasses.replace(joined, flags=("--stall-timeout", "8", "--retries", "20"))
    with search.started() as process:
        wait_for_the_moment(search, process, 0)
        assert wait_for(lambda: workers_of(search.scratch) - idle(workers_of(search.scratch)), at_most_s=60), search.message()
        rows, workers = search.rows(), workers_of(search.scratch)
        victim = min(workers - idle(workers), default=min(workers))
        os.kill(victim, signal.SIGSTOP)
        go_on(search, process.wait(PATIENCE_S))
    assert any("nothing was heard of" in log.read_text() for log in search.logs), search.message()
    check(search, "hung worker", rows, outcomes, alive=workers, victims={victim})


def test_a_search_ended_with_all_its_processes_says_so_and_goes_on(search: Search, cluster: Cluster, outcomes: list[Outcome]) -> None:
    """As job systems end a job: SIGTERM to Ray's processes too, which the driver then waits for in vain."""
    with search.started() as process:
        wait_for_the_moment(search, process, 0)
        rows, workers = search.rows(), workers_of(search.scratch)
        for one in processes_of(search.scratch):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 130, search.message()
    assert "interrupted" in search.message()
    joined = elsewhere(search, cluster)
    go_on(joined, joined.run())
    check(search, "SIGTERM to all", rows, outcomes, alive=workers, victims=workers)


def elsewhere(search: Search, cluster: Cluster) -> Search:
    """Return the same search on the three nodes: its own Ray has ended with it."""
    return dataclasses.replace(search, scratch=cluster.scratch, address=cluster.address)


def go_on(search: Search, code: int) -> None:
    """Run the same command until it says that the search is done."""
    for _ in range(MOST_RUNS):
        if code == 0:
            return
        code = search.run()
    assert code == 0, search.message()


def check(search: Search, kind: str, before: Sequence[FrozenTrial], outcomes: list[Outcome], *, alive: set[int], victims: set[int]) -> None:
    """Compare the study as it is now with its rows at the fault, and the logs of the killed workers with those of later ones.

    Hit are the open trials of which a victim made a step, or none of the workers that were alive at the fault. A trial that waits may
    change its worker: what a survivor made and the study held at the fault is no repetition.
    """
    steps, rows, repeated = steps_of(search.study, None if search.address else search.scratch), search.rows(), {}
    for row in (row for row in before if row.number in unfinished(before)):
        own = [step for step in steps if step.number == row.number]
        earlier = [s for s in own if s.worker in victims or (s.worker in alive and s.epoch in row.intermediate_values)]
        later = [s for s in own if s not in earlier]
        if any(step.worker in victims for step in own) or not any(step.worker in alive for step in own):
            repeated[row.number] = repeated_epochs(earlier, later, row.intermediate_values)
    changed = changed_rows(before, rows)
    outcomes.append(Outcome(kind, len(repeated), tuple(repeated.values()), len(changed) + abs(TRIALS - len(rows))))
    decided = wrong_decisions if search.scheduler == "asha" else wrong_pauses
    wrong = [*changed, *wrong_rows(rows, scheduler=search.scheduler), *decided(rows, search.arrivals(before))]
    wrong += [f"trial {number}: {n} epochs trained again" for number, n in repeated.items() if n > 1]
    assert not wrong, "\n".join([*wrong, search.message()])
