"""`ecg-tune doctor`: check a cluster before a search."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecg_tune.cli.remote import Insecure, is_jobs_address, run_remotely
from ecg_tune.cluster.doctor import Diagnosis, examine
from ecg_tune.cluster.session import ray_session
from ecg_tune.config import SearchSettings
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import WorkFailedError
from ecg_tune.search.resources import plan

EXAMPLE = "Example: ecg-tune doctor studies/a --data DATA --address http://127.0.0.1:8265"

SharedFolder = Annotated[
    Path | None,
    typer.Argument(
        metavar="FOLDER", help="Folder that every machine must be able to write and see: of the study, or of its --checkpoints."
    ),
]
PlannedData = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="Prepared data of the planned search: a folder, or s3://BUCKET/PREFIX."),
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT|URL",
        help="Ray cluster to check, or URL of its Ray Jobs.  [default: RAY_ADDRESS, else this machine]",
    ),
]
CpusPerTrial = Annotated[
    int, typer.Option("--cpus-per-trial", min=1, max=10_000, metavar="N", help="CPU threads that a trial of the planned search takes.")
]
GpusPerTrial = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-trial",
        min=0.0,
        max=1000.0,
        metavar="N",
        help="GPUs that a trial of the planned search takes.  [default: 1 if there is a GPU, else 0]",
    ),
]

WIDTH = 150
SHOWN = ("python", "ray", "torch", "ecg-tune")


def doctor(
    context: typer.Context,
    shared: SharedFolder = None,
    data: PlannedData = None,
    address: ClusterAddress = None,
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: GpusPerTrial = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    insecure: Insecure = False,
) -> None:
    """Check whether a cluster is fit for a search.

    Asks every machine, compares them, and prints each problem with its remedy. Exit code 1 if there is one.
    """
    if address and is_jobs_address(address):
        run_remotely(context, address, insecure=insecure, changes={"address": "auto"})
        return

    settings = SearchSettings(cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial)
    prepared = open_prepared(data) if data else None
    with ray_session(address, insecure=True):  # an open door is one of the findings
        if shared:
            shared.mkdir(parents=True, exist_ok=True)
        found = examine(
            folders=[shared] if shared else [],
            data=prepared.location if prepared else None,
            fingerprint=prepared.fingerprint if prepared else "",
            data_needed=prepared is not None and prepared.reads_images_here,
            check_resources=lambda nodes: plan(settings, nodes) and None,
        )
    print(json.dumps(asdict(found), indent=1)) if as_json else _show(found)
    if found.complaints:
        raise WorkFailedError(f"{len(found.complaints)} finding{'s' if len(found.complaints) > 1 else ''}, see above")


def _show(found: Diagnosis) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.width = max(console.width, WIDTH)
    console.print(_table(found), crop=False, no_wrap=True, overflow="ignore")
    for complaint in found.complaints:
        console.print(f"[red]✗ {complaint.what}[/red]\n  → {complaint.remedy}", markup=True)
    for note in found.notes:
        console.print(f"· {note}", markup=False)
    if not found.complaints:
        console.print(f"[green]✓ {len(found.machines)} machines, nothing found wrong[/green]")


def _table(found: Diagnosis) -> Table:
    counted = {node["NodeID"]: node["Resources"] for node in found.nodes}
    with_plugins = any(machine.plugins for machine in found.machines)
    titles = ["machine", "CPUs", "GPUs", *SHOWN, "/dev/shm", "data", "writes", *(["plug-ins"] if with_plugins else [])]
    table = Table(*titles, box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.no_wrap, column.min_width = True, 4
    for machine in found.machines:
        resources = counted[machine.node]
        gpus = "; ".join(machine.gpus) or f"{resources.get('GPU', 0):g}"
        wrote = "-" if not machine.wrote else "no" if any(machine.wrote.values()) else "yes"
        facts = [
            f"{resources.get('CPU', 0):g}",
            gpus,
            *(machine.versions[name] for name in SHOWN),
            f"{machine.shm_gb:.1f} GB",
            machine.data[:12] or "-",
            wrote,
        ]
        if with_plugins:
            facts.append(", ".join(f"{package} {plugin.version}" for package, plugin in machine.plugins.items()) or "-")
        table.add_row(*map(Text, [f"{machine.host} {machine.address}", *facts]))
    return table
