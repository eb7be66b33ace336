"""Commands with `--address http://…`: they run on the cluster as a Ray job, and what they write comes home."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.cluster.archive import ArchiveReader
from ecg_tune.cluster.jobs import SubmittedJob, follow_job, jobs_client, submit_job

JobsAddress = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="URL", help="Run on the cluster at this Jobs address (http://127.0.0.1:8265); paths are paths there."
    ),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Talk to a cluster that asks for no token.")]
OUTBOX = ".ecg-tune"
"""Folder in the home folder on the cluster for what is sent home and removed."""


def is_there(address: str | None) -> bool:
    """Return whether an address is one of Ray Jobs, not of a cluster to join."""
    return address is not None and "://" in address and not address.startswith("ray://")


def run_remotely(context: typer.Context, address: str, *, insecure: bool, changes: Mapping[str, Any] | None = None) -> None:
    """Run the command that was given on the cluster, pass on what it prints, and end as it ends.

    Args:
        changes: Parameter → another value there; None leaves it out.

    Raises:
        typer.Exit: With the job's exit code, when it is not 0.
    """
    code = follow_job(_sent(address, arguments_of(context, {"address": None, "insecure": None, **(changes or {})}), insecure=insecure))
    if code:
        raise typer.Exit(code)


def fetch(address: str, arguments: Sequence[str], target: Path, *, insecure: bool) -> None:
    """Run a command on the cluster that prints an archive, and unpack it here.

    Raises:
        WorkFailedError: It did not arrive whole.
    """
    job, terminal = _sent(address, arguments, insecure=insecure), sys.stderr.isatty()
    reader = ArchiveReader(sys.stderr.write, lambda size: terminal and sys.stderr.write(f"\r{size / 1e6:.1f} MB ") and None)
    code = follow_job(job, reader.feed)
    if terminal:
        sys.stderr.write("\r")
    if code:
        raise typer.Exit(code)
    reader.unpack(target)


def _sent(address: str, arguments: Sequence[str], *, insecure: bool) -> SubmittedJob:

    return submit_job(jobs_client(address, insecure=insecure), address, arguments, command=shlex.join(["ecg-tune", *sys.argv[1:]]))


def arguments_of(context: typer.Context, changes: Mapping[str, Any]) -> list[str]:
    """Return a command's arguments as they were given, with some changed."""
    command, values = context.command, {**context.params, **changes}
    words = [str(command.name)]
    for parameter in command.params:
        value = values.get(str(parameter.name))
        if value is None or value is False:
            continue
        if parameter.param_type_name == "argument":
            words += map(str, value) if isinstance(value, (list, tuple)) else [str(value)]
        else:
            option = max(parameter.opts, key=len)
            repeated = value if isinstance(value, (list, tuple)) else [value]
            words += [option] if value is True else [word for one in repeated for word in (option, str(one))]
    return words


def outbox() -> str:
    """Return a new folder there, relative to the home folder."""
    return f"{OUTBOX}/{secrets.token_hex(6)}"
