"""Best trials: a table with their cost, the AUC of every class, and what to copy: their config, the command that retrains them.

A `button.copy` copies the text of the `pre` beside it.
"""

from __future__ import annotations

import html
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from analysis.dashboard.figures.style import ABSENT, duration, trial_link
from analysis.dashboard.frames import TrialRow, completed


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


def best_data(trials: Sequence[TrialRow], *, metric: str, class_names: Sequence[str], folder: str, top: int = 20) -> Best:
    """Return the `top` COMPLETE trials, highest value first (earlier trials first among equals).

    Args:
        folder: The study's, for the commands.
    """
    own = completed(trials)
    ranked = sorted(own, key=lambda trial: (-(trial.value or 0.0), trial.number))[:top]
    return Best(metric, tuple(class_names), tuple(_best(rank, trial, folder) for rank, trial in enumerate(ranked, 1)), len(own))


def best_table(data: Best) -> str:
    """Return the table as HTML, everything escaped; the buttons' script is the page's."""
    classes = data.class_names if any(trial.class_auc for trial in data.trials) else ()
    numbers = [data.metric, *(f"{name} AUC" for name in classes), "Epochs (best)", "Time", "Parameters"]
    heads = [("n", "#"), ("n", "Trial"), ("t", "Family"), *(("n", name) for name in numbers), ("t", "Copy")]
    head = "".join(f'<th class="{kind}">{html.escape(name)}</th>' for kind, name in heads)
    body = "".join(_line(trial, classes) for trial in data.trials)
    return f'<div class="scroll"><table class="best"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _best(rank: int, trial: TrialRow, folder: str) -> BestTrial:
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
    start = f'<td class="n">{trial.rank}</td><td class="n">{trial_link(trial.number)}</td><td class="name">{family}</td>'
    return f'<tr data-trial="{trial.number}">{start}{cells}<td>{_config(trial)}{_command(trial)}</td></tr>'


def _config(trial: BestTrial) -> str:
    settings = f"<p>All settings</p><pre>{html.escape(trial.config_yaml)}</pre>" if trial.config_yaml else ""
    if not trial.params_yaml:
        shown = f"<details><summary>show</summary>{settings}</details>" if settings else ""
        return f'<div class="copied">no searched parameter{shown}</div>'
    told = "<p>For <code>ecg-tune search --enqueue FILE</code></p>"
    return _copied("YAML", f"Copy the config of trial {trial.number} as YAML", trial.params_yaml, told, settings)


def _command(trial: BestTrial) -> str:
    return _copied("command", f"Copy the command that retrains trial {trial.number}", trial.command)


def _copied(label: str, spoken: str, content: str, before: str = "", after: str = "") -> str:
    return (
        f'<div class="copied"><button type="button" class="copy" aria-label="{html.escape(spoken)}">{label}</button>'
        f'<details><summary>show</summary>{before}<pre class="yaml">{html.escape(content)}</pre>{after}</details></div>'
    )


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True) if values else ""
