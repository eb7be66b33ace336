"""`ecg-tune dashboard`: studies as pages, written once or served while their searches run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.dashboard.dashboard import write_dashboard
from analysis.dashboard.live_server import serve as serve_pages
from ecg_tune.cli.remote import Insecure, JobsAddress, fetch, new_remote_folder, run_remotely
from ecg_tune.errors import StudyError, UsageError
from ecg_tune.study.study import Study

EXAMPLE = "Example: ecg-tune dashboard STUDY --serve"

Studies = Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Folders of studies.")]


def dashboard(
    context: typer.Context,
    studies: Studies,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write.  [default: STUDY/dashboard.html]")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show live pages that follow the searches, until Ctrl-C.")] = False,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to serve on. On any other than this machine's own, the link holds a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to serve on; 0 takes a free one.")] = 8123,
    address: JobsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Write a study as one HTML page, or serve live pages.

    Each page is one file that needs no network.
    """
    if len(studies) > 1 and (out or address):
        raise UsageError(f"{'--out' if out else '--address'} is for one STUDY, but got {len(studies)}: give one")
    if serve and (out or address):
        raise UsageError(
            "--serve writes no file: leave --out out"
            if out
            else "--serve shows studies of this machine: run it on the head through `ssh -L`, or leave --serve out"
        )
    if address:
        target, remote = out or Path(f"{studies[0].name}.html"), new_remote_folder()
        run_remotely(context, address, insecure=insecure, changes={"out": f"{remote}/{target.name}", "host": None, "port": None})
        fetch(address, ["pack", remote, "--remove"], target.parent, insecure=insecure)
        print(f"copied it from the cluster: {target}")
    elif serve:
        _serve(studies, host, port)
    else:
        for study in studies:
            _write(study, out)


def _write(study: Path, out: Path | None) -> None:

    with Study.open(study) as opened:
        target = write_dashboard(opened, out or study / "dashboard.html")
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB); open it in a browser")


def _serve(studies: list[Path], host: str, port: int) -> None:

    for study in studies:
        if study.exists() and not study.is_dir():
            raise StudyError(f"{study} is a file: give the folder of a study")
        if not study.absolute().parent.is_dir():
            raise StudyError(f"{study} can't become a study: there is no folder {study.parent}")
        if not Study.exists(study):
            print(f"{study} holds no study yet: its page waits for its search", flush=True)
    serve_pages(studies, host=host, port=port, message=lambda text: print(text, flush=True))
