"""What the engine hands to a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Assignment:
    """One trial for a worker.

    Attributes:
        path: Folder of its checkpoints, relative to where the study keeps them.
        reported: Epochs whose values the study already holds.
        micro_batch: Records at once; None: the whole batch, unless memory runs out.
    """

    number: int
    family: str
    config: dict[str, Any]
    seed: int
    path: str
    reported: int
    micro_batch: int | None = None
