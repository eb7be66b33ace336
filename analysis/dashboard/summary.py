"""What a study is about and how far it got: the facts that stand beside every number of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import optuna

from analysis.dashboard.frames import STATES, TrialRow, best_row
from ecg_tune.config import stored_settings
from ecg_tune.search.stopping.budget import Budget


class Spent(NamedTuple):
    """A limit of the search and what of it is used.

    Attributes:
        name: That of the setting: "trials", "total_epochs", "gpu_hours", "max_hours" or "target".
        used: None where the study does not record it.
    """

    name: str
    used: float | None
    limit: float


@dataclass(frozen=True)
class StudySummary:
    """The header of a report.

    Attributes:
        fingerprint: Content fingerprint of the prepared data; None when not recorded.
        counts: State → number of trials, every state that occurs.
        epochs: Epochs trained by all trials together.
        seconds: Training seconds of all trials together.
        rungs: Epochs at which trials are compared, ascending.
        objectives: What the study searches for: the metric, then what it minimises.
        imported: Trials taken over from other studies; `counts` and `epochs` hold them too.
        budgets: The limits that the search was last given.
    """

    name: str
    folder: str
    fingerprint: str | None
    data_path: str | None
    split: str | None
    leads: tuple[str, ...]
    class_names: tuple[str, ...]
    n_train: int | None
    n_validation: int | None
    synthetic: bool
    metric: str
    profile: str | None
    sampler: str | None
    scheduler: str | None
    seed: int | None
    max_epochs: int | None
    rungs: tuple[int, ...]
    counts: Mapping[str, int]
    best: TrialRow | None
    epochs: int
    seconds: float
    objectives: tuple[str, ...]
    imported: int
    budgets: tuple[Spent, ...]


def summarise(study: optuna.Study, rows: Sequence[TrialRow], folder: Path | None = None) -> StudySummary:
    """Return the header facts of a study whose rows are `rows`.

    Args:
        folder: Where the study is, for the commands that are shown; None takes its name.
    """
    attrs = study.user_attrs
    n_records = attrs.get("n_records") or {}
    seen = Counter(row.state for row in rows)
    metric, minimised = str(attrs.get("metric", "value")), list(attrs.get("minimise") or ())
    minimised += [f"objective {place}" for place in range(len(minimised) + 2, len(study.directions) + 1)]
    return StudySummary(
        name=study.study_name,
        folder=str(folder or study.study_name),
        fingerprint=attrs.get("data_fingerprint"),
        data_path=attrs.get("data_path"),
        split=attrs.get("split"),
        leads=tuple(attrs.get("leads") or ()),
        class_names=tuple(attrs.get("class_names") or ()),
        n_train=n_records.get("train"),
        n_validation=n_records.get("validation"),
        synthetic=bool(attrs.get("synthetic", False)),
        metric=metric,
        profile=attrs.get("profile"),
        sampler=attrs.get("sampler"),
        scheduler=attrs.get("scheduler"),
        seed=attrs.get("seed"),
        max_epochs=attrs.get("max_epochs"),
        rungs=tuple(sorted(attrs.get("rungs") or ())),
        counts={state: seen[state] for state in STATES if seen[state]},
        best=best_row(rows),
        epochs=sum(row.epochs for row in rows),
        seconds=sum(row.seconds or 0.0 for row in rows),
        objectives=(metric, *minimised),
        imported=sum(row.imported for row in rows),
        budgets=_budgets(study, rows),
    )


def _budgets(study: optuna.Study, rows: Sequence[TrialRow]) -> tuple[Spent, ...]:
    """Return the search's limits, counted as the search itself counts; none for a study that no search made."""
    told = study.user_attrs.get("settings") or {}
    names = ("trials", "total_epochs", "gpu_hours", "max_hours", "target", "gpus_per_trial")
    settings = stored_settings(told, names)
    on_gpu = any((row.device or "").startswith("cuda") for row in rows)
    share = float(on_gpu) if settings.gpus is None else settings.gpus
    spent = Budget(settings, study.get_trials(deepcopy=False), gpus=lambda family: share)
    used: dict[str, float | None] = {
        "trials": sum(not row.imported for row in rows),
        "total_epochs": spent.epochs,
        "gpu_hours": None if settings.measures_gpus else spent.gpu_s / 3600,
        "max_hours": None,
        "target": max((row.reached for row in rows if row.reached is not None), default=None),
    }
    limits = {name: told.get(name) for name in used}
    return tuple(Spent(name, used[name], limit) for name, limit in limits.items() if limit is not None)
