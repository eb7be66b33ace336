"""Best trials: a table with their settings to copy, cost, and the AUC of every class."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from analysis.figures.style import ABSENT, duration, number
from analysis.frames import TrialRow, completed


class BestTrial(NamedTuple):
    """One line of the table; `class_auc` is () when not recorded, `config_yaml` parses back to the trial's config."""

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
    params: Mapping[str, Any]
    config_yaml: str


class Best(NamedTuple):
    """What `best_table` shows."""

    metric: str
    class_names: tuple[str, ...]
    trials: tuple[BestTrial, ...]
    n_complete: int


def best_data(rows: Sequence[TrialRow], *, metric: str, class_names: Sequence[str], top: int = 20) -> Best:
    """Return the `top` COMPLETE trials, highest value first (earlier trials first among equals)."""
    own = completed(rows)
    ranked = sorted(own, key=lambda row: (-(row.value or 0.0), row.number))[:top]
    return Best(metric, tuple(class_names), tuple(_best(rank, row) for rank, row in enumerate(ranked, 1)), len(own))


def best_table(data: Best) -> str:
    """Return the table as HTML, everything escaped; the button's script is the page's."""
    with_classes = any(trial.class_auc for trial in data.trials)
    classes = data.class_names if with_classes else ()
    heads = ["#", "Trial", "Family", data.metric, *(f"{name} AUC" for name in classes), "Epochs (best)", "Time", "Parameters", "Settings"]
    align = {"Family": "t", "Settings": "t"}
    head = "".join(f'<th class="{align.get(name, "n")}">{html.escape(name)}</th>' for name in heads)
    body = "".join(_line(trial, classes) for trial in data.trials)
    return f'<div class="scroll"><table class="best"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _best(rank: int, row: TrialRow) -> BestTrial:
    config = dict(row.config) or dict(row.params)
    return BestTrial(
        rank,
        row.number,
        row.family,
        row.value or 0.0,
        row.best_epoch,
        row.epochs,
        row.seconds,
        row.n_parameters,
        row.ended_by,
        row.is_default,
        row.per_class_auc or (),
        dict(row.params),
        yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
    )


def _line(trial: BestTrial, classes: Sequence[str]) -> str:
    aucs = [*trial.class_auc, *([math.nan] * len(classes))][: len(classes)]
    epochs = f"{trial.epochs}" + (f" ({trial.best_epoch})" if trial.best_epoch else "")
    numbers = [
        f"<strong>{trial.value:.4f}</strong>",
        *(ABSENT if math.isnan(auc) else f"{auc:.3f}" for auc in aucs),
        html.escape(epochs),
        ABSENT if trial.seconds is None else duration(trial.seconds),
        ABSENT if trial.n_parameters is None else f"{trial.n_parameters:,}",
    ]
    family = html.escape(trial.family) + (' <span class="tag">default</span>' if trial.is_default else "")
    cells = "".join(f'<td class="n">{cell}</td>' for cell in numbers)
    start = f'<td class="n">{trial.rank}</td><td class="n">{trial.number}</td><td class="name">{family}</td>'
    return f'<tr data-trial="{trial.number}">{start}{cells}<td>{_settings(trial)}</td></tr>'


def _settings(trial: BestTrial) -> str:
    searched = ", ".join(f"{name.removeprefix(trial.family + '.')} {number(value)}" for name, value in trial.params.items())
    return (
        f'<button type="button" class="copy" aria-label="Copy the settings of trial {trial.number} as YAML">Copy YAML</button>'
        f"<details><summary>show</summary><p>{html.escape(searched) or 'no searched parameter'}</p>"
        f'<pre class="yaml">{html.escape(trial.config_yaml)}</pre></details>'
    )
