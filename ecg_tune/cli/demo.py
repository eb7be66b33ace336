"""`ecg-tune demo`: run every step on synthetic records."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.config import MOST_TRIALS
from ecg_tune.errors import StoppedError, UsageError
from ecg_tune.storage import LocalStorage

EXAMPLE = "Example: ecg-tune demo --out demo"
FAMILIES = "cnn1d,resnet,fusion"
"""A quick one of each kind: signal, image, both."""
MARK = ".ecg-tune-demo"
"""File in a demo's folder: its commands, and how many of them are finished."""
MADE_ANEW = ("ptbxl_synthetic", "data")
"""Folders of the first steps, which begin anew when they were interrupted; the later ones go on by themselves."""


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder. An interrupted demo in it goes on; a finished one is replaced.")] = Path(
        "demo"
    ),
    records: Annotated[int, typer.Option(min=200, max=1_000_000, metavar="N", help="Synthetic records to make.")] = 600,
    trials: Annotated[int, typer.Option(min=3, max=MOST_TRIALS, metavar="N", help="Trials of the search.")] = 12,
    max_epochs: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Epochs that a trial may run.")] = 6,
) -> None:
    """Run the whole path on synthetic records, in minutes.

    Synthetic data, search, dashboard, retraining, evaluation: minutes on two cores. Every number is marked SYNTHETIC.
    """
    started = time.monotonic()
    records_folder, prepared, study, results = (out / name for name in (*MADE_ANEW, "study", "results"))
    size = ["--families", FAMILIES, "--profile", "small", "--trials", trials, "--max-epochs", max_epochs]
    steps = (
        ["data", "synthesize", records_folder, "--records", records],
        ["data", "prepare", records_folder, prepared],
        ["search", study, "--data", prepared, *size],
        ["dashboard", study],
        ["retrain", study, "--top", 2, "--seeds", 1],
        ["evaluate", study, "--out", results],
    )
    commands = [[str(argument) for argument in step] for step in steps]
    n_done = _open_folder(out, commands)
    for number, arguments in enumerate(commands, 1):
        print(f"\n[{number}/{len(steps)}] {shlex.join(['ecg-tune', *arguments])}", flush=True)
        if number <= n_done:
            print("done before", flush=True)
            continue
        if number <= len(MADE_ANEW):
            shutil.rmtree(out / MADE_ANEW[number - 1], ignore_errors=True)
        _run(context, arguments)
        _note(out, commands, number)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} min. SYNTHETIC data: no number here says anything about patients.")
    print(f"Look at   {study / 'dashboard.html'}\n          {results / 'report.html'}\n          {results / 'EVALUATION_SUMMARY.txt'}")


def _run(context: typer.Context, arguments: list[str]) -> None:
    """Run a step; what is said of an interruption is said of the demo."""
    try:
        code = context.find_root().command.main(args=arguments, prog_name="ecg-tune", standalone_mode=False)
    except StoppedError as error:
        raise KeyboardInterrupt from error
    if code:
        raise typer.Exit(code)


def _open_folder(out: Path, commands: Sequence[Sequence[str]]) -> int:
    """Return how many steps of an interrupted demo of the same commands are finished; make the folder anew for any other.

    Raises:
        UsageError: It holds something else.
    """
    if out.exists() and (not out.is_dir() or (not (out / MARK).exists() and any(out.iterdir()))):
        raise UsageError(f"{out} holds something that is not a demo: give another folder with --out")
    try:
        mark = json.loads((out / MARK).read_text(encoding="utf-8"))
        if mark["commands"] == list(commands) and 0 < int(mark["done"]) < len(commands):
            return int(mark["done"])
    except (OSError, ValueError, TypeError, KeyError):
        pass  # there is none, or it is of an older version: the demo begins anew
    shutil.rmtree(out, ignore_errors=True)
    _note(out, commands, 0)
    return 0


def _note(out: Path, commands: Sequence[Sequence[str]], n_done: int) -> None:
    text = json.dumps({"commands": list(commands), "done": n_done})
    LocalStorage(out).write(MARK, lambda file: file.write(text.encode()))
