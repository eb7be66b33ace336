"""`ecg-tune evaluate`: write the report on the test split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.evaluation.report.page import REPORT
from ecg_tune.api.evaluate import evaluate as evaluate_models
from ecg_tune.cli.options import Device, StudyData
from ecg_tune.cli.remote import Insecure, JobsAddress, fetch, new_remote_folder, run_remotely
from ecg_tune.errors import UsageError

EXAMPLE = "Example: ecg-tune evaluate STUDY --out results/   or   ecg-tune evaluate checkpoints/ --data DATA --out results/"


On = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Prepared data of another source, with the models' leads and rate: evaluate on them instead, on the classes that both have.",
    ),
]
OnSplit = Annotated[str | None, typer.Option(metavar="NAME", help="Records of --on to use: `all`, or its `test` split.  [default: all]")]

Sensitivity = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1.0,
        metavar="X",
        help="Sensitivity that the thresholds of the ..._at_sensitivity_target tables reach on the validation split.",
    ),
]


def evaluate(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="STUDY|CHECKPOINTS", help="A study with retrained models, or a folder of *_best.pth.")],
    data: StudyData = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the report.")] = Path("results"),
    on: On = None,
    on_split: OnSplit = None,
    bootstrap: Annotated[
        int, typer.Option(min=100, max=1_000_000, metavar="N", help="Bootstrap samples (of patients) for the confidence intervals.")
    ] = 1000,
    sensitivity: Sensitivity = 0.9,
    device: Device = "auto",
    address: JobsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Open the sealed test split once and write the evaluation report.

    Writes tables, figures and reports. Nothing is chosen on the test split. With --on, models, thresholds and calibration of the
    study are evaluated on other data (external validation), and the study's own test split stays sealed.
    """
    if on_split and not on:
        raise UsageError(f"--on-split {on_split} is about the data of --on: name them with --on DIR, or leave --on-split out")
    if address:
        remote = new_remote_folder()
        run_remotely(context, address, insecure=insecure, changes={"out": remote})
        fetch(address, ["pack", remote, "--remove"], out, insecure=insecure)
        print(f"copied it from the cluster: {out}")
        return

    result = evaluate_models(source, out, data=data, on=on, on_split=on_split, bootstrap=bootstrap, sensitivity=sensitivity, device=device)
    print((out / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8"))
    print(f"best by validation: {result.best}; open {out / REPORT} in a browser")
