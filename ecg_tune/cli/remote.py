"""Run a command on a cluster (`--address http://…`) as a Ray job, and copy what it writes to this machine."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.cluster.archive import ArchiveReader

JobsAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="Run on the cluster at this address of Ray Jobs, e.g. http://127.0.0.1:8265. Paths are then paths on the cluster.",
    ),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Use a cluster that asks for no token.")]
SCRATCH = ".ecg-tune"
"""Folder in the home folder on the cluster, for files that are copied to this machine and then removed."""


def is_jobs_address(address: str | None) -> bool:
    """Tell an address of Ray Jobs (http://…) from that of a cluster to join (auto, HOST:PORT, ray://…)."""
    return address is not None and "://" in address and not address.startswith("ray://")


def run_remotely(context: typer.Context, address: str, *, insecure: bool, changes: Mapping[str, Any] | None = None) -> None:
    """Run the user's command on the cluster, print what it prints, and end as it ends.

    Args:
        context: The command as the user gave it.
        address: Address of Ray Jobs.
        insecure: Use a cluster that asks for no token.
        changes: Parameter → its value on the cluster, where it differs; None leaves the parameter out.

    Raises:
        typer.Exit: The job ended with an exit code other than 0; this command ends with the same.
    """
    arguments = command_arguments(context, {"address": None, "insecure": None, **(changes or {})})
    code = _run_job(address, arguments, insecure=insecure)
    if code:
        raise typer.Exit(code)


def fetch(address: str, arguments: Sequence[str], target: Path, *, insecure: bool, names: Collection[str] = ()) -> None:
    """Run a command on the cluster that prints an archive, and unpack the archive on this machine.

    Args:
        address: Address of Ray Jobs.
        arguments: The command, without the program's name.
        target: Folder to unpack into.
        insecure: Use a cluster that asks for no token.
        names: The files and folders that are expected; none takes all.

    Raises:
        typer.Exit: The job failed.
        WorkFailedError: The archive did not arrive whole.
        UsageError: It holds something else.
    """
    terminal = sys.stderr.isatty()
    reader = ArchiveReader(sys.stderr.write, lambda size: terminal and sys.stderr.write(f"\r{size / 1e6:.1f} MB ") and None)
    with closing(reader.packed):
        code = _run_job(address, arguments, insecure=insecure, on_line=reader.feed)
        if terminal:
            sys.stderr.write("\r")
        if code:
            raise typer.Exit(code)
        reader.unpack(target, names=names)


def command_arguments(context: typer.Context, changes: Mapping[str, Any]) -> list[str]:
    """Write a command as the arguments of a command line, without the program's name.

    Args:
        context: The command with the values of its parameters.
        changes: Parameter → another value; None or False leaves it out.
    """
    values = {**context.params, **changes}
    arguments = [str(context.command.name)]
    for parameter in context.command.params:
        value = values.get(str(parameter.name))
        if value is None or value is False:
            continue
        repeated = value if isinstance(value, (list, tuple)) else [value]
        option = max(parameter.opts, key=len)
        if parameter.param_type_name == "argument":
            arguments += map(str, repeated)
        elif value is True:
            arguments.append(option)
        else:
            arguments += [text for item in repeated for text in (option, str(item))]
    return arguments


def new_remote_folder() -> str:
    """Name a new folder on the cluster, relative to the home folder there."""
    return f"{SCRATCH}/{secrets.token_hex(6)}"


def _run_job(address: str, arguments: Sequence[str], *, insecure: bool, on_line: Callable[[str], object] | None = None) -> int:
    """Run a command on the cluster, print its lines or pass them to `on_line`, and return its exit code."""
    # loads Ray, which takes a second; most commands run on this machine and don't need it
    from ecg_tune.cluster.jobs import follow_job, jobs_client, submit_job

    command = shlex.join(["ecg-tune", *sys.argv[1:]])
    job = submit_job(jobs_client(address, insecure=insecure), address, arguments, command=command)
    return follow_job(job, on_line) if on_line else follow_job(job)
