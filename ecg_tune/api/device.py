"""The torch device that a user names."""

from __future__ import annotations

import torch

from ecg_tune.errors import UsageError


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
