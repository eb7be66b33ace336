"""`ecg-tune evaluate`: write the report on the test split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.evaluation.evaluate import evaluate as evaluate_models
from ecg_tune.cli.device import Device, pick_device
from ecg_tune.cli.options import StudyData
from ecg_tune.cli.remote import Insecure, JobsAddress, fetch, new_remote_folder, run_remotely
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.study.study import Study

EXAMPLE = "Example: ecg-tune evaluate STUDY --out results/   or   ecg-tune evaluate checkpoints/ --data DATA --out results/"


On = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Prepared data of another source, with the models' leads, rate and classes (by name): evaluate on them instead.",
    ),
]
OnSplit = Annotated[str, typer.Option(metavar="NAME", help="Records of --on to use: `all`, or its `test` split.")]

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
    on_split: OnSplit = "all",
    bootstrap: Annotated[
        int, typer.Option(min=100, metavar="N", help="Bootstrap samples (of patients) for the confidence intervals.")
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
    if address:
        remote = new_remote_folder()
        run_remotely(context, address, insecure=insecure, changes={"out": remote})
        fetch(address, ["pack", remote, "--remove"], out, insecure=insecure)
        print(f"copied it from the cluster: {out}")
        return

    is_study = Study.exists(source)
    if data is None and not is_study:
        raise UsageError(f"{source} is not a study: give the prepared data of its checkpoints with --data DIR")
    prepared = open_prepared(data or Study.open(source).data_path)
    other = open_prepared(on) if on else None
    result = evaluate_models(
        source / "models" if is_study else source, prepared, out, study=str(source), ledger_folder=source if is_study else None,
        on=other, part=on_split, n_bootstrap=bootstrap, sensitivity_target=sensitivity, device=pick_device(device), progress=print,
    )  # fmt: skip
    print((out / "EVALUATION_SUMMARY.txt").read_text(encoding="utf-8"))
    print(f"best by validation: {result.best}; everything is in {out}")
