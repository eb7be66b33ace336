"""`ecg-tune dashboard`: studies as pages, written once or served while their searches run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from analysis.dashboard.dashboard import write_comparison, write_comparison_figures, write_dashboard, write_dashboard_figures
from analysis.dashboard.live_server import serve as serve_pages
from ecg_tune.cli.remote import Insecure, JobsAddress, fetch, new_remote_folder, run_remotely
from ecg_tune.errors import StudyError, UsageError
from ecg_tune.output_file import check_output
from ecg_tune.study.database import database_of
from ecg_tune.study.study import Study

EXAMPLE = "Example: ecg-tune dashboard STUDY --serve"
PAGES = (".html", ".htm")

Studies = Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Folders of studies.")]


def dashboard(
    context: typer.Context,
    studies: Studies,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write.  [default: STUDY/dashboard.html; of several studies: studies.html]")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each figure into this folder: data as CSV, JSON for plotly, SVG and PNG."),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show live pages that follow the searches, until Ctrl-C.")] = False,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to serve on. On any other than this machine's own, the link holds a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to serve on; 0 takes a free one.")] = 8123,
    address: JobsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Write a study as one HTML page, or serve live pages.

    Each page is one file that needs no network. Several studies of one metric share a page, which compares them.
    """
    _check(studies, {"--out": out, "--figures": figures, "--address": address}, serve=serve)
    if address:
        target, remote = out or Path(f"{studies[0].name}.html"), new_remote_folder()
        run_remotely(context, address, insecure=insecure, changes={"out": f"{remote}/{target.name}", "host": None, "port": None})
        fetch(address, ["pack", remote, "--remove"], target.parent, insecure=insecure, names=[target.name])
        print(f"copied it from the cluster: {target}")
    elif serve:
        _serve(studies, host, port)
    elif figures:
        _write_figures(studies, figures)
    else:
        _write(studies, out)


def _check(studies: list[Path], given: Mapping[str, object], *, serve: bool) -> None:
    """Refuse options that do not go together.

    Args:
        given: Option → its value; None where it was left out.
    """
    out = given["--out"]
    if isinstance(out, Path):
        if out.suffix.lower() not in PAGES:
            raise UsageError(f"--out is a page, which ends in .html, but got {out}: call it {out.stem}.html")
        check_output(out)
    first = next((name for name, value in given.items() if value), "")
    if len(studies) > 1 and given["--address"]:
        raise UsageError(f"--address is for one STUDY, but got {len(studies)}: give one")
    if len({study.resolve() for study in studies}) < len(studies):
        raise UsageError(f"{_twice(studies)} is given twice: give each STUDY once")
    if given["--figures"] and given["--address"]:
        raise UsageError("--figures writes on this machine: get the study by `ecg-tune pull`, or leave --address out")
    if serve and first:
        raise UsageError(
            f"--serve writes no file: leave {first} out"
            if first != "--address"
            else "--serve shows studies of this machine: run it on the head through `ssh -L`, or leave --serve out"
        )


def _twice(studies: list[Path]) -> Path:
    places = [study.resolve() for study in studies]
    return next(study for study, place in zip(studies, places, strict=True) if places.count(place) > 1)


def _write(studies: list[Path], out: Path | None) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(Study.open(study)) for study in studies]
        if len(opened) == 1:
            target = write_dashboard(opened[0], out or studies[0] / "dashboard.html")
        else:
            target = write_comparison(opened, out or Path("studies.html"))
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB); open it in a browser")


def _write_figures(studies: list[Path], out: Path) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(Study.open(study)) for study in studies]
        written = write_dashboard_figures(opened[0], out) if len(opened) == 1 else write_comparison_figures(opened, out)
    kinds = "CSV and JSON" if written.no_pictures else "CSV, JSON, SVG and PNG"
    missing = f"; not as SVG and PNG: {written.no_pictures}" if written.no_pictures else ""
    print(f"wrote {written.n_figures} figures into {out} as {kinds}{missing}")


def _serve(studies: list[Path], host: str, port: int) -> None:

    for study in studies:
        if study.exists() and not study.is_dir():
            raise StudyError(f"{study} is a file: give the folder of a study")
        if not study.absolute().parent.is_dir():
            raise StudyError(f"{study} can't become a study: there is no folder {study.parent}")
        database_of(study)  # a database that is new here is asked about before the pages are served
        if not Study.exists(study):
            print(f"{study} holds no study yet: its page waits for its search", flush=True)
    serve_pages(studies, host=host, port=port, message=lambda text: print(text, flush=True))
