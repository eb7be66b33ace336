"""`ecg-tune templates`: the cluster files and examples of this project, as files to edit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

import ecg_tune
from ecg_tune.errors import UsageError

EXAMPLE = "Example: ecg-tune templates my-cluster/"

NAMES = ("cluster.yaml", "deploy", "examples")
"""What is written: files and folders, which lie at the top of the repository."""
LEFT_OUT = ("__pycache__", "build")


def templates(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to. It is made if it does not exist.")],
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite files that exist.")] = False,
) -> None:
    """Write cluster files and example settings to edit.

    Writes cluster.yaml (a cluster on AWS), deploy/ (ssh machines, KubeRay, SLURM, Dockerfile) and examples/ into OUT.
    """
    root = template_root()
    files = template_files(root)
    if not files:
        raise UsageError("this installation holds no templates: install ecg-tune as a package, or run from a checkout")
    existing = [out / name for name in files if (out / name).exists()]
    if existing and not replace:
        raise UsageError(f"{existing[0]} exists: give --replace to overwrite {len(existing)} of {len(files)} files, or another OUT")
    for name in files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, out / name)
    print(f"wrote {len(files)} files to {out}: {', '.join(NAMES)}")


def template_root() -> Path:
    """Find the folder with the templates: inside an installed package, else the top of the repository."""
    package = Path(ecg_tune.__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent


def template_files(root: Path) -> list[Path]:
    """List the templates, relative to `root`."""
    found = [path for name in NAMES for path in (root / name, *(root / name).rglob("*")) if path.is_file()]
    names = sorted(path.relative_to(root) for path in found)
    return [name for name in names if not any(part in LEFT_OUT or part.endswith(".egg-info") for part in name.parts)]
