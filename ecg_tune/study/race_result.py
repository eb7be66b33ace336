"""How a race over seeds ended, as `ecg-tune retrain --race` wrote it into STUDY/models/manifest.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = Path("models") / "manifest.json"


@dataclass(frozen=True)
class Raced:
    """A racer.

    Attributes:
        seeds: Trainings that succeeded.
        mean: Validation macro AUC, mean over the seeds; None without any.
        interval: Its 95 % interval over seeds; None with fewer than two.
        search_value: The trial's value in the search; None where that went by another metric.
    """

    trial: int
    seeds: int
    mean: float | None
    interval: tuple[float, float] | None
    search_value: float | None

    def text(self) -> str:
        """Say how it came out, e.g. "validation macro AUC 0.8870 [0.8840, 0.8899] over 7 seeds; the search said 0.8887"."""
        if self.mean is None:
            return "every training failed"
        interval = "" if self.interval is None else " [{:.4f}, {:.4f}]".format(*self.interval)
        searched = "" if self.search_value is None else f"; the search said {self.search_value:.4f}"
        return f"validation macro AUC {self.mean:.4f}{interval} over {self.seeds} seed{'s' if self.seeds > 1 else ''}{searched}"


def read_race(folder: Path) -> list[Raced]:
    """Read the racers, the winner first; none where there was no race, or the file says nothing that can be read."""
    try:
        return raced_in(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []


def raced_in(manifest: Mapping[str, Any]) -> list[Raced]:
    """Return the racers of a manifest, the winner first."""
    return [_raced(row) for row in manifest.get("race") or ()]


def _raced(row: dict[str, Any]) -> Raced:
    mean, interval, value = row["validation_macro_auc_mean"], row["interval"], row["search_value"]
    return Raced(
        int(row["trial"]),
        int(row["seeds"]),
        None if mean is None else float(mean),
        None if interval is None else (float(interval[0]), float(interval[1])),
        None if value is None else float(value),
    )
