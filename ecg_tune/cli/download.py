"""`ecg-tune data download`: fetch PTB-XL."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.cli.flags import option_of
from ecg_tune.cli.progress_bar import transfer_bar
from ecg_tune.config import DataConfig
from ecg_tune.data.download.download import MOST_CONNECTIONS, VERSIONS, DownloadReport, address_of, download
from ecg_tune.errors import UsageError

EXAMPLE = "Example: ecg-tune data download ptb-xl-1.0.3/"
RATE_HZ = DataConfig().sampling_rate_hz
SHOWN_FILES = 3


def download_command(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to write to, or one with an interrupted download.")],
    rate: Annotated[int, option_of(DataConfig, "sampling_rate_hz")] = RATE_HZ,
    version: Annotated[
        str | None, typer.Option(metavar="V", help=f"Version at PhysioNet: {', '.join(VERSIONS)}.  [default: {VERSIONS[-1]}]")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Folder on another server with the same files, http or https.  [default: PhysioNet's]")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=MOST_CONNECTIONS, metavar="N", help="Files to fetch at a time.")] = 8,
) -> None:
    """Download PTB-XL from PhysioNet.

    Fetches the tables and the records of one sampling rate, and verifies every file by its SHA-256. The same command again
    fetches only what is missing. At 100 Hz that is 44,000 files with 0.6 GB, at 500 Hz as many with 2.6 GB.
    """
    if version and base_url:
        raise UsageError(f"--base-url {base_url} is the folder of one version already: leave --version {version} out")
    rate_hz = DataConfig(sampling_rate_hz=rate).sampling_rate_hz
    url = base_url or address_of(version or VERSIONS[-1])
    with transfer_bar() as progress:
        report = download(out, base_url=url, rate_hz=rate_hz, connections=jobs, progress=progress)
    print(report_text(out, report, rate_hz))


def report_text(out: Path, report: DownloadReport, rate_hz: int) -> str:
    """Write the lines that end a download: what is there, what was fetched, what comes next."""
    retried = f", {report.retries} tries repeated" if report.retries else ""
    lines = [
        f"{out}: PTB-XL {report.version}, {report.n_records:,} records at {rate_hz} Hz, every file verified",
        f"  fetched        {_files(report.n_fetched)}, {report.n_bytes / 1e6:,.1f} MB in {report.seconds:,.1f} s "
        f"({report.n_bytes / 1e6 / max(report.seconds, 1e-9):,.1f} MB/s){retried}",
        f"  there already  {_files(report.n_present)}",
    ]
    if report.replaced:
        shown = ", ".join(report.replaced[:SHOWN_FILES]) + (", …" if len(report.replaced) > SHOWN_FILES else "")
        lines.append(f"  replaced       {_files(len(report.replaced))} with a wrong SHA-256: {shown}")
    if report.n_unpublished:
        lines.append(f"  not published  {report.n_unpublished:,} records of the table at {rate_hz} Hz: --damaged drop leaves them out")
    flags = ("" if rate_hz == RATE_HZ else f" --rate {rate_hz}") + (" --damaged drop" if report.n_unpublished else "")
    return "\n".join([*lines, f"next: ecg-tune data prepare {shlex.quote(str(out))} DATA{flags}"])


def _files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"
