"""What a study is about and how far it got: the facts that stand beside every number of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna

from analysis.frames import STATES, TrialRow, best_row


@dataclass(frozen=True)
class StudySummary:
    """The header of a report.

    Attributes:
        fingerprint: Content fingerprint of the prepared data; None when not recorded.
        counts: State → number of trials, every state that occurs.
        epochs: Epochs trained by all trials together.
        seconds: Training seconds of all trials together.
        rungs: Epochs at which trials are compared, ascending.
    """

    name: str
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


def summarise(study: optuna.Study, rows: Sequence[TrialRow]) -> StudySummary:
    """Return the header facts of a study whose rows are `rows`."""
    attrs = study.user_attrs
    n_records = attrs.get("n_records") or {}
    seen = Counter(row.state for row in rows)
    return StudySummary(
        name=study.study_name,
        fingerprint=attrs.get("data_fingerprint"),
        data_path=attrs.get("data_path"),
        split=attrs.get("split"),
        leads=tuple(attrs.get("leads") or ()),
        class_names=tuple(attrs.get("class_names") or ()),
        n_train=n_records.get("train"),
        n_validation=n_records.get("validation"),
        synthetic=bool(attrs.get("synthetic", False)),
        metric=str(attrs.get("metric", "value")),
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
    )
