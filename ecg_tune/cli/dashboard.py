"""`ecg-tune dashboard`: the study as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.cli.options import StudyFolder

EXAMPLE = "Example: ecg-tune dashboard STUDY"


def dashboard(
    study: StudyFolder,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the page goes; default STUDY/dashboard.html.")] = None,
) -> None:
    """Write one self-contained HTML page of the study; it needs no network."""
    from analysis.dashboard import write_dashboard
    from ecg_tune.search.lock import search_runs
    from ecg_tune.search.study import open_study

    opened = open_study(study)
    target = write_dashboard(opened, out or study / "dashboard.html", search_running=search_runs(study))
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB); open it in a browser")
