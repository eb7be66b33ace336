"""How a race over seeds ended, as `ecg-tune retrain --race` wrote it into STUDY/models/race.json, and how far seeds scatter.

The file stays until a race is run again: other retrainings replace the models and their manifest, not what the race found.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_tune.file_sizes import read_whole
from ecg_tune.storage import LocalStorage

MODELS_FOLDER, RACE, EARLIER = "models", "race.json", "manifest.json"
"""The folder, the file, and the one that held the race in earlier versions."""


@dataclass(frozen=True)
class Raced:
    """A racer.

    Attributes:
        seeds: Trainings that succeeded.
        mean: Validation macro AUC, mean over the seeds; of a race over folds the macro AUC on them. None without any.
        interval: Its 95 % interval over seeds; None with fewer than two.
        search_value: The trial's value in the search; None where that went by another metric.
        family: "" where it is not known.
        values: Macro AUC of each seed or fold; () where they are not known.
        folds: Of the training split, over which the trials raced; 0 for a race over seeds.
    """

    trial: int
    seeds: int
    mean: float | None
    interval: tuple[float, float] | None
    search_value: float | None
    family: str = ""
    values: tuple[float, ...] = ()
    folds: int = 0

    @property
    def over(self) -> str:
        """Over what the trials raced: "seeds" or "folds"."""
        return "folds" if self.folds else "seeds"

    @property
    def gap(self) -> float | None:
        """By how much the search's value is above the mean over seeds (winner's curse); None where either is missing, and over folds.

        Folds are other records than those of the search: a difference says little.
        """
        return None if self.mean is None or self.search_value is None or self.folds else self.search_value - self.mean

    @property
    def mean_text(self) -> str:
        """The mean with its interval, e.g. "0.8870 [0.8840, 0.8899]"."""
        if self.mean is None:
            return "every training failed"
        return f"{self.mean:.4f}" + ("" if self.interval is None else " [{:.4f}, {:.4f}]".format(*self.interval))

    def text(self) -> str:
        """Say how it came out, e.g. "validation macro AUC 0.8870 [0.8840, 0.8899] over 7 seeds; the search said 0.8887"."""
        if self.mean is None:
            return self.mean_text
        searched = "" if self.search_value is None else f"; the search said {self.search_value:.4f}"
        if self.folds:
            searched += " on validation" if searched else ""
            return f"macro AUC {self.mean_text} over {self.seeds} of {self.folds} folds of the train split{searched}"
        return f"validation macro AUC {self.mean_text} over {_counted(self.seeds, 'seed')}{searched}"


def won_text(race: Sequence[Raced]) -> str:
    """Name a race of one or more trials and say how it was won, to follow "chosen by the"."""
    return f"race of {_counted(len(race), 'trial')} over {race[0].over} ({race[0].text()})"


@dataclass(frozen=True)
class SeedScatter:
    """What retraining showed of a family.

    Attributes:
        trials, trainings: That it rests on.
        sd: Standard deviation of the validation macro AUC over seeds, pooled over the trials with two or more; None without one.
        gap: Mean over the trials of search value − mean over seeds; None where no trial has both.
    """

    family: str
    trials: int
    trainings: int
    sd: float | None
    gap: float | None

    def text(self) -> str:
        """Say it in a line, e.g. "sd over seeds 0.0031, mean gap search - retrained +0.0052 (4 trials, 12 trainings)"."""
        sd = "" if self.sd is None else f"sd over seeds {self.sd:.4f}"
        gap = "" if self.gap is None else f"mean gap search - retrained {self.gap:+.4f}"
        return f"{', '.join(filter(None, (sd, gap))) or 'no sd'} ({_counted(self.trials, 'trial')}, {_counted(self.trainings, 'training')})"


def scatter_by_family(trials: Iterable[Raced]) -> list[SeedScatter]:
    """Sum up trials retrained with several seeds by family, in the order of their first trials."""
    families: dict[str, list[Raced]] = {}
    for trial in (trial for trial in trials if not trial.folds):
        families.setdefault(trial.family, []).append(trial)
    return [_scatter(family, raced) for family, raced in families.items() if family]


def write_race(models: Path, racers: Sequence[Mapping[str, Any]]) -> None:
    """Write how a race ended, in the place of an earlier one.

    Args:
        models: The folder of the retrained models, `STUDY/models`.
        racers: As plain data, the winner first.

    Raises:
        OSError: The folder can't be written to.
    """
    text = json.dumps({"race": list(racers)}, indent=1) + "\n"
    LocalStorage(models).write(RACE, lambda file: file.write(text.encode()))


def read_race(models: Path) -> list[Raced]:
    """Read the racers, the winner first; none where there was no race, or the file says nothing that can be read.

    Args:
        models: The folder of the retrained models, `STUDY/models`.
    """
    try:
        with LocalStorage(models).open(RACE if (models / RACE).exists() else EARLIER) as file:
            return raced_in(json.loads(read_whole(file, RACE)))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return []


def raced_in(content: Mapping[str, Any]) -> list[Raced]:
    """Return the racers under the key "race" of plain data, the winner first."""
    return [_raced(row) for row in content.get("race") or ()]


def _raced(row: dict[str, Any]) -> Raced:
    mean, interval, value = row["validation_macro_auc_mean"], row["interval"], row["search_value"]
    return Raced(
        int(row["trial"]),
        int(row["seeds"]),
        None if mean is None else float(mean),
        None if interval is None else (float(interval[0]), float(interval[1])),
        None if value is None else float(value),
        str(row.get("family", "")),
        tuple(map(float, row.get("values", ()))),
        int(row.get("folds", 0)),
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _scatter(family: str, trials: list[Raced]) -> SeedScatter:
    repeated = [trial.values for trial in trials if len(trial.values) > 1]
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in repeated)
    freedom = sum(len(values) - 1 for values in repeated)
    gaps = [trial.gap for trial in trials if trial.gap is not None]
    return SeedScatter(
        family,
        len(trials),
        sum(trial.seeds for trial in trials),
        math.sqrt(squares / freedom) if freedom else None,
        statistics.fmean(gaps) if gaps else None,
    )
