"""`ecg-tune pull`: copy a study from a cluster to this machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from ecg_tune.cli.remote import Insecure, fetch
from ecg_tune.cli.status import summary
from ecg_tune.cluster.archive import write_archive
from ecg_tune.errors import StudyError
from ecg_tune.scratch import scratch_folder
from ecg_tune.study.database import DATABASE
from ecg_tune.study.export import copy_checkpoints, copy_encoders, copy_to_sqlite, forget_checkpoints
from ecg_tune.study.study import Study

EXAMPLE = "Example: ecg-tune pull studies/a --address http://127.0.0.1:8265 --out a"
SOURCE = "PULLED_FROM.txt"
"""File in a study that was copied from a cluster; the next pull may replace such a study, and no other."""
STAYS = ("ray", "checkpoints", "study.url")


def pull(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Folder of the study on the cluster.")],
    address: Annotated[str, typer.Option(metavar="URL", help="Address of Ray Jobs, mostly the end of a tunnel.")] = "http://127.0.0.1:8265",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write to.  [default: the study's name]")] = None,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Copy the kept checkpoints too, so that the search can resume on this machine.")
    ] = False,
    insecure: Insecure = False,
) -> None:
    """Copy a study from a cluster to this machine.

    Works while the search runs. Brings the database (as SQLite), models, dashboard and the encoders of fusions.
    """
    target, source = out or Path(PurePosixPath(study).name), f"{address} {study}\n"
    if target.exists() and (not (target / SOURCE).is_file() or (target / SOURCE).read_text(encoding="utf-8") != source):
        raise StudyError(f"{target} exists and was not pulled from {study} at {address}: give another --out")
    with scratch_folder(target.parent, f"{target.name}.") as scratch:
        fetch(address, ["pack", study, *(["--checkpoints"] if checkpoints else [])], scratch, insecure=insecure)
        (scratch / SOURCE).write_text(source, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        scratch.replace(target)
    print(f"{summary(Study.open(target))}\nwrote {target}")


def pack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study, or any folder.")],
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="A study's kept checkpoints too.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it when it is printed.")] = False,
) -> None:
    """Print a folder as text, for commands that copy files from a cluster."""
    if Study.exists(folder):
        with tempfile.TemporaryDirectory() as scratch:
            write_archive(_study_entries(folder, Path(scratch), checkpoints=checkpoints), sys.stdout)
    elif folder.is_dir():
        write_archive({path.name: path for path in sorted(folder.iterdir())}, sys.stdout)
    else:
        raise StudyError(f"{folder.absolute()} does not exist: give its path on the cluster, relative to the home folder or absolute")
    if remove:
        shutil.rmtree(folder)


def _study_entries(folder: Path, scratch: Path, *, checkpoints: bool) -> dict[str, Path]:
    """Collect the files of a study's archive; copy its database, encoders and checkpoints into `scratch` first."""
    study = Study.open(folder)
    copy_to_sqlite(study, scratch / DATABASE)
    forget_checkpoints(scratch / DATABASE, study.name)
    left_out = (*STAYS, DATABASE, SOURCE)
    entries = {
        path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith((".", DATABASE)) and path.name not in left_out
    }
    copy_encoders(study, scratch)
    if checkpoints:
        copy_checkpoints(study, scratch)
    entries |= {path.name: path for path in scratch.iterdir() if path.is_dir()}
    return {**entries, DATABASE: scratch / DATABASE}
