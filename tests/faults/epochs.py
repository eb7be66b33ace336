"""What was trained how often, read from Tune's own logs: every step of a trainable is one epoch, and its result is a line.

A line tells its epoch and the seconds that training took up to and including it, measured when it was trained and kept in
the checkpoint. Two lines of one epoch with the same seconds are the same work reported again; with others it was done twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One line of a log.

    Attributes:
        seconds: Training time of the epochs 1..`epoch`.
        took_s: Of this step; less than its epoch when the result came from a checkpoint.
        worker: Process that made it.
    """

    number: int
    epoch: int
    seconds: float
    took_s: float
    worker: int


def steps_of(study: Path, scratch: Path | None) -> list[Step]:
    """Return the steps of all runs. Tune copies its logs to the study at a run's end; those of a killed driver stay with Ray.

    Args:
        scratch: Folder of a Ray that ran no other search; None where no driver was killed.
    """
    uncopied = scratch.glob("ray/session_2*/artifacts/*/run_*/**/result.json") if scratch else ()
    files = [*uncopied, *study.glob("ray/run_*/trial_*/result.json")]
    lines = dict.fromkeys(line for file in files for line in file.read_text().splitlines() if line.endswith("}"))
    results = [json.loads(line) for line in lines]
    return [
        Step(r["config"]["number"], r["epoch"], r["seconds"], r["time_this_iter_s"], r["pid"]) for r in results if not r.get("fail_reason")
    ]


def repeated_epochs(before: Collection[Step], after: Collection[Step], recorded: Collection[int]) -> int:
    """Return how many epochs of one trial were trained again after a fault, or may have been.

    Args:
        before: Steps of the processes that lived at the fault.
        after: Steps of later processes.
        recorded: Epochs that the study held at the fault: a driver may die before it writes the log.
    """
    both = [*before, *after]
    again = len({(s.epoch, s.seconds) for s in both}) - len({s.epoch for s in both})
    again += len({s.epoch for s in after} & set(recorded) - {s.epoch for s in before})
    last, spent = max(((s.epoch, s.seconds) for s in before), default=(0, 0.0))
    next_one = max(last, *recorded, 0) + 1
    # made anew, not taken from a checkpoint: the fault may have cut a first attempt at it
    cut = any(s.epoch == next_one and s.took_s >= (s.seconds - spent) / (next_one - last) for s in after)
    return again + cut
