"""`ecg-tune demo`: the whole path on synthetic records."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: ecg-tune demo --out demo"


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the demo; an earlier demo in it is replaced.")] = Path("demo"),
    records: Annotated[int, typer.Option(min=200, help="Synthetic records.")] = 600,
    trials: Annotated[int, typer.Option(min=3, help="Trials of the search.")] = 12,
    max_epochs: Annotated[int, typer.Option(min=1, help="Epochs a trial may run.")] = 6,
) -> None:
    """Synthetic data, search, dashboard, retraining, evaluation: minutes on two cores. Every number says SYNTHETIC."""
    from ecg_tune.cli import dashboard, data, evaluate, retrain, search
    from ecg_tune.errors import UsageError

    started = time.monotonic()
    records_folder, prepared, study, results = (out / name for name in ("ptbxl_synthetic", "data", "study", "results"))
    if out.exists() and not (out / ".ecg-tune-demo").exists() and any(out.iterdir()):
        raise UsageError(f"{out} holds something that is not a demo: give another folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / ".ecg-tune-demo").touch()
    _title(1, f"ecg-tune data synthesize {records_folder} --records {records}")
    data.synthesize(records_folder, records=records)
    _title(2, f"ecg-tune data prepare {records_folder} {prepared}")
    data.prepare(records_folder, prepared)
    families = "rnn,resnet,fusion"
    _title(
        3, f"ecg-tune search {study} --data {prepared} --families {families} --profile small --trials {trials} --max-epochs {max_epochs}"
    )
    search.search(study, prepared, families=families, profile="small", trials=trials, max_epochs=max_epochs)
    _title(4, f"ecg-tune dashboard {study}")
    dashboard.dashboard(study)
    _title(5, f"ecg-tune retrain {study} --top 2 --seeds 1")
    retrain.retrain(study, top=2, seeds=1)
    _title(6, f"ecg-tune evaluate {study} --out {results}")
    evaluate.evaluate(study, out=results)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} min. SYNTHETIC data: no number here says anything about patients.")
    print(f"Look at   {study / 'dashboard.html'}\n          {results / 'EVALUATION_SUMMARY.txt'}\n          {results / 'visualizations'}")


def _title(number: int, command: str) -> None:
    print(f"\n[{number}/6] {command}", flush=True)
