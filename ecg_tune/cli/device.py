"""The `--device` option. Apart from the other options because it needs torch, which takes seconds to import."""

from __future__ import annotations

from typing import Annotated

import torch
import typer

from ecg_tune.errors import UsageError

Device = Annotated[str, typer.Option(help="auto, cpu, or a CUDA device such as cuda:0.")]


def pick_device(name: str) -> str:
    """Return a torch device's name; "auto" takes the GPU if there is one.

    Raises:
        UsageError: Not a device of this machine.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not on this machine: use cpu, auto or cuda:N") from error
    return name
