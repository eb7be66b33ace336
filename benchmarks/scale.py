"""Measure how costs grow, as trials grow from 100 to 10,000 and records from 500 to 21,799.

    python benchmarks/scale.py [--trials 100,1000,10000] [--records 500,3300,21799] [--only status,prepare] [--json]

Seconds of the processor, in this process, so that other work on the machine disturbs least. A study is MADE UP: four families in SQLite,
27 epochs, of ten trials six stopped early. Records are SYNTHETIC, in files as PTB-XL has them. Each size is measured once, after all
commands have run at a tiny size.

The exponent is the slope of the logarithm of the cost over that of the size: 0 where the cost does not grow, 1 where it grows as the size
does, 2 where it grows with its square. "At the end" it is that between the two largest sizes, where fixed costs weigh least.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_line import names_of, numbers, run_script
from live_update import live_cost
from made_up_study import FAMILIES, make_study
from sampling_cost import trial_costs
from toy_trials import Quiet, quiet

from ecg_tune.cli.main import run
from ecg_tune.config import SearchSettings
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.search.engine import SearchEngine
from ecg_tune.study.study import Study
from search_spaces import SpaceContext, search_space

TRIALS, RECORDS = (100, 1_000, 10_000), (500, 3_300, 21_799)
EPOCHS, STOPPED, FEW, FEW_RECORDS = 27, 0.6, 20, 100
TRIAL = {"suggest": "suggest a trial", "record": "record an epoch", "close": "close a trial"}
STUDY = {
    "start": "start: open the study, rebuild the search",
    **TRIAL,
    "status": "`status`",
    "dashboard": "`dashboard`",
    "live": "live page: one more epoch",
    "preview": f"`preview` of {FEW} more trials",
}
DATA = {"prepare": "`data prepare`", "export": "`data export --images none`", "import": "`data import`"}
WHAT = STUDY | DATA
"""Key → what is measured. A search's first step, and each of a trial's, is the same code as in `ecg-tune search`, without Ray."""


def cpu_s(work: Callable[[], object]) -> float:
    """Count the processor's seconds of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def command_s(*words: object) -> float:
    """Count the processor's seconds of an `ecg-tune` command, which must succeed."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        code = 0

        def command() -> None:
            nonlocal code
            code = run([str(word) for word in words])

        seconds = cpu_s(command)
    if code:
        raise RuntimeError(f"ecg-tune {' '.join(map(str, words))}: {said.getvalue().strip()}")
    return seconds


def study_costs(n_trials: int, folder: Path, data: PreparedData, only: Sequence[str]) -> dict[str, float]:
    """Measure what concerns a study of `n_trials` trials."""
    make_study(folder, n_trials=n_trials, epochs=EPOCHS, stopped=STOPPED, data=data)
    preview = ("preview", folder, "--trials", n_trials + FEW, "--costs-from", folder, "--simulations", 1, "--slots", 8)
    commands = {"status": ("status", folder), "dashboard": ("dashboard", folder), "preview": preview}
    costs = {name: command_s(*words) for name, words in commands.items() if name in only}
    if {"start", *TRIAL} & set(only):
        costs |= search_costs(folder, n_trials)
    if "live" in only:  # last: it adds a trial
        costs["live"] = live_cost(folder, polls=1).update_s
    return costs


def search_costs(folder: Path, n_trials: int) -> dict[str, float]:
    """Measure what a search does of its own on a study of `n_trials` trials."""
    settings = SearchSettings(families=FAMILIES, profile="full", trials=10 * n_trials, max_epochs=EPOCHS)
    space = search_space(FAMILIES, SpaceContext("full", EPOCHS))
    started = time.process_time()
    with Study.open(folder) as study:
        engine = SearchEngine(study, space, settings, Quiet())
        seconds = time.process_time() - started
        return {"start": seconds, **trial_costs(engine)}


def data_costs(n_records: int, folder: Path) -> dict[str, float]:
    """Measure what concerns `n_records` records: each command works on what the one before it wrote."""
    source, prepared, tree, imported = (folder / name for name in ("ptbxl", "prepared", "tree", "imported"))
    synthesize(source, n_records=n_records, seed=0)
    return {
        "prepare": command_s("data", "prepare", source, prepared, "--split", "official"),
        "export": command_s("data", "export", prepared, tree, "--images", "none"),
        "import": command_s("data", "import", tree, imported),
    }


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float | None:
    """Fit the slope of the logarithm of the cost over that of the size; None where there is one size only."""
    known = [(math.log(size), math.log(cost)) for size, cost in zip(sizes, costs, strict=True) if cost > 0]
    return float(np.polyfit(*zip(*known, strict=True), 1)[0]) if len(known) > 1 else None


def rows_of(measured: Mapping[int, Mapping[str, float]], unit: str) -> list[dict[str, Any]]:
    """Turn costs by size into one row for each thing that was measured."""
    rows, sizes = [], list(measured)
    for name in next(iter(measured.values()), {}):
        costs = [measured[size][name] for size in sizes]
        slopes = {"exponent": exponent(sizes, costs), "exponent_at_end": exponent(sizes[-2:], costs[-2:])}
        rows.append({"name": name, "unit": unit, "cpu_s": dict(zip(sizes, costs, strict=True)), **slopes})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows of one unit as a Markdown table, in milliseconds."""
    unit, sizes = rows[0]["unit"], list(rows[0]["cpu_s"])
    lines = [f"| CPU ms | {' | '.join(f'{size:,} {unit}' for size in sizes)} | exponent | at the end |", "|---" * (len(sizes) + 3) + "|"]
    for row in rows:
        slopes = ["–" if row[name] is None else f"{row[name]:.2f}" for name in ("exponent", "exponent_at_end")]
        costs = [f"{1000 * seconds:,.3g}" if seconds < 1 else f"{1000 * seconds:,.0f}" for seconds in row["cpu_s"].values()]
        what = WHAT.get(row["name"], f"… of a trial the {row['name']}'s share")
        lines.append(f"| {what} | {' | '.join([*costs, *slopes])} |")
    return "\n".join(lines)


def measure(trials: Sequence[int], records: Sequence[int], only: Sequence[str]) -> list[dict[str, Any]]:
    """Measure all sizes, the smallest first."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data_costs(FEW_RECORDS, folder / "warm")  # what is imported and compiled once is not counted
        data = open_prepared(folder / "warm" / "prepared")
        study_costs(FEW, folder / "warm_study", data, only)
        gc.collect()
        gc.freeze()  # else looking through torch's million objects falls on whichever command comes next
        by_trials, by_records = dict[int, dict[str, float]](), dict[int, dict[str, float]]()
        for size in sorted(trials) if set(STUDY) & set(only) else ():
            print(f"{size:,} trials …", file=sys.stderr, flush=True)
            by_trials[size] = study_costs(size, folder / f"study_{size}", data, only)
        for size in sorted(records) if set(DATA) & set(only) else ():
            print(f"{size:,} records …", file=sys.stderr, flush=True)
            by_records[size] = data_costs(size, folder / f"records_{size}")
    return rows_of(by_trials, "trials") + rows_of(by_records, "records")


def main() -> None:
    """Print a table for trials and one for records, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=numbers, default=list(TRIALS), help="sizes of studies  [default: 100,1000,10000]")
    parser.add_argument("--records", type=numbers, default=list(RECORDS), help="sizes of data sets  [default: 500,3300,21799]")
    parser.add_argument("--only", type=names_of(WHAT), default=list(WHAT), help=f"comma-separated, of {', '.join(WHAT)}")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    rows = measure(arguments.trials, arguments.records, arguments.only)
    if arguments.json:
        print(json.dumps({"machine": platform.machine(), "source": "MADE-UP studies, SYNTHETIC records", "rows": rows}))
        return
    for unit in ("trials", "records"):
        if own := [row for row in rows if row["unit"] == unit]:
            print(f"{table(own)}\n")


if __name__ == "__main__":
    run_script(main)
