"""`ecg-tune demo`: run every step on synthetic records."""

from __future__ import annotations

import shlex
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.errors import UsageError

EXAMPLE = "Example: ecg-tune demo --out demo"


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the demo; an earlier demo in it is replaced.")] = Path("demo"),
    records: Annotated[int, typer.Option(min=200, metavar="N", help="Synthetic records to make.")] = 600,
    trials: Annotated[int, typer.Option(min=3, metavar="N", help="Trials of the search.")] = 12,
    max_epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Epochs that a trial may run.")] = 6,
) -> None:
    """Run the whole path on synthetic records, in minutes.

    Synthetic data, search, dashboard, retraining, evaluation: minutes on two cores. Every number is marked SYNTHETIC.
    """
    started = time.monotonic()
    records_folder, prepared, study, results = (out / name for name in ("ptbxl_synthetic", "data", "study", "results"))
    if out.exists() and not (out / ".ecg-tune-demo").exists() and any(out.iterdir()):
        raise UsageError(f"{out} holds something that is not a demo: give another folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / ".ecg-tune-demo").touch()
    size = ["--families", "rnn,resnet,fusion", "--profile", "small", "--trials", trials, "--max-epochs", max_epochs]
    steps = (
        ["data", "synthesize", records_folder, "--records", records],
        ["data", "prepare", records_folder, prepared],
        ["search", study, "--data", prepared, *size],
        ["dashboard", study],
        ["retrain", study, "--top", 2, "--seeds", 1],
        ["evaluate", study, "--out", results],
    )
    for number, step in enumerate(steps, 1):
        arguments = [str(argument) for argument in step]
        print(f"\n[{number}/{len(steps)}] {shlex.join(['ecg-tune', *arguments])}", flush=True)
        if code := context.find_root().command.main(args=arguments, prog_name="ecg-tune", standalone_mode=False):
            raise typer.Exit(code)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} min. SYNTHETIC data: no number here says anything about patients.")
    print(f"Look at   {study / 'dashboard.html'}\n          {results / 'report.html'}\n          {results / 'EVALUATION_SUMMARY.txt'}")
