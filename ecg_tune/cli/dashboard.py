"""`ecg-tune dashboard`: the study as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.cli.options import StudyFolder
from ecg_tune.cli.there import Insecure, JobsAddress, fetch, outbox, run_there

EXAMPLE = "Example: ecg-tune dashboard STUDY"


def dashboard(
    context: typer.Context,
    study: StudyFolder,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the page goes; default STUDY/dashboard.html.")] = None,
    address: JobsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Write one self-contained HTML page of the study; it needs no network."""
    if address:
        home, there = out or Path(f"{study.name}.html"), outbox()
        run_there(context, address, insecure=insecure, changes={"out": f"{there}/{home.name}"})
        fetch(address, ["pack", there, "--remove"], home.parent, insecure=insecure)
        print(f"brought it home: {home}")
        return
    from analysis.dashboard import write_dashboard
    from ecg_tune.search.lock import search_runs
    from ecg_tune.search.study import open_study

    opened = open_study(study)
    target = write_dashboard(opened, out or study / "dashboard.html", search_running=search_runs(study), folder=study)
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB); open it in a browser")
