"""The `--device` option. Apart from the other options because it needs torch, which takes seconds to import."""

from __future__ import annotations

from typing import Annotated

import torch
import typer

from ecg_tune.errors import UsageError

Device = Annotated[
    str, typer.Option(metavar="NAME", help="Device to use: auto (the GPU if there is one), cpu, or a CUDA device such as cuda:0.")
]


def pick_device(name: str) -> str:
    """Choose a torch device; "auto" takes the GPU if there is one.

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
