"""Best trials: a table with their cost and the AUC of every class, and their config and retrain command to copy.

A `button.copy` copies the text of the `pre` beside it.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from analysis.dashboard.figures.style import ABSENT, duration
from analysis.dashboard.trials import RankedTrial, completed
from analysis.templating import Markup, render


class BestTrial(NamedTuple):
    """One line of the table.

    Attributes:
        class_auc: () when not recorded.
        params_yaml: The searched parameters, as `ecg-tune search --enqueue` takes them.
        config_yaml: All settings; "" when not recorded.
        command: Retrains this trial.
    """

    rank: int
    number: int
    family: str
    value: float
    best_epoch: int | None
    epochs: int
    seconds: float | None
    n_parameters: int | None
    ended_by: str | None
    is_default: bool
    class_auc: tuple[float, ...]
    params_yaml: str
    config_yaml: str
    command: str


class Best(NamedTuple):
    """What `best_table` shows."""

    metric: str
    class_names: tuple[str, ...]
    trials: tuple[BestTrial, ...]
    n_complete: int


class _Line(NamedTuple):
    """A trial's line as text."""

    trial: BestTrial
    value: str
    class_auc: list[str]
    epochs: str
    time: str
    parameters: str


def best_data(trials: Sequence[RankedTrial], *, metric: str, class_names: Sequence[str], folder: str, top: int = 20) -> Best:
    """Rank the `top` COMPLETE trials, highest value first (earlier trials first among equals).

    Args:
        folder: Of the study, for the commands.
    """
    own = completed(trials)
    ranked = sorted(own, key=lambda trial: (-(trial.value or 0.0), trial.number))[:top]
    return Best(metric, tuple(class_names), tuple(_best(rank, trial, folder) for rank, trial in enumerate(ranked, 1)), len(own))


def best_table(data: Best) -> Markup:
    """Render the table with its buttons; the page's script copies the text."""
    class_names = data.class_names if any(trial.class_auc for trial in data.trials) else ()
    lines = [_line(trial, len(class_names)) for trial in data.trials]
    return render("analysis.dashboard", "best_trials.html", metric=data.metric, class_names=class_names, lines=lines)


def _best(rank: int, trial: RankedTrial, folder: str) -> BestTrial:
    return BestTrial(
        rank,
        trial.number,
        trial.family,
        trial.value or 0.0,
        trial.best_epoch,
        trial.epochs,
        trial.seconds,
        trial.n_parameters,
        trial.ended_by,
        trial.is_default,
        trial.per_class_auc or (),
        _yaml(trial.params),
        _yaml(trial.config),
        f"ecg-tune retrain {shlex.quote(folder)} --trial {trial.number} --seeds 3",
    )


def _line(trial: BestTrial, n_classes: int) -> _Line:
    known = [ABSENT if math.isnan(auc) else f"{auc:.3f}" for auc in trial.class_auc[:n_classes]]
    return _Line(
        trial,
        value=f"{trial.value:.4f}",
        class_auc=known + [ABSENT] * (n_classes - len(known)),
        epochs=f"{trial.epochs}" + (f" ({trial.best_epoch})" if trial.best_epoch else ""),
        time=ABSENT if trial.seconds is None else duration(trial.seconds),
        parameters=ABSENT if trial.n_parameters is None else f"{trial.n_parameters:,}",
    )


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True) if values else ""
