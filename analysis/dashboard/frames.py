"""A study as one tidy list of frozen rows: what every figure, table and report reads.

Rows that a lengthened trial has replaced (``superseded_by``) are left out, so that no training is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.errors import StudyError
from ecg_tune.search.stopping.rungs import rungs_of
from ecg_tune.search.stopping.schedulers import rule_of
from ecg_tune.study.study import newest_trials, objective, pareto_front

STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")


@dataclass(frozen=True)
class TrialRow:
    """One trial, as it stands in the study.

    Attributes:
        state: One of `STATES`.
        value: The trial's own value of the metric; None unless it is COMPLETE.
        values: Of every objective, the metric first; () unless it is COMPLETE.
        on_front: COMPLETE, and no other trial is at least as good in every objective and better in one; False with one objective.
        best_so_far: Highest value of the COMPLETE trials up to this number (as Optuna's history counts); None before the first.
        epochs: Epochs that reported a value.
        rungs: The rungs at which early stopping compares it, in epochs, ascending.
        seconds: Training seconds; None when not recorded.
        end: None while the trial has not ended.
        intermediate: Epoch (1-based) → metric at that epoch, in order of epochs; values that are not finite are left out.
        per_class_auc: (n_classes,) validation AUC at the best epoch; NaN for a class without positives.
        config: The full resolved settings, plain data.
    """

    number: int
    state: str
    family: str
    value: float | None
    values: tuple[float, ...]
    on_front: bool
    best_so_far: float | None
    epochs: int
    rungs: tuple[int, ...]
    seconds: float | None
    ended_by: str | None
    fail_reason: str | None
    failure: str | None
    worker: str | None
    node: str | None
    device: str | None
    start: datetime | None
    end: datetime | None
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    intermediate: Mapping[int, float]
    n_parameters: int | None
    per_class_auc: tuple[float, ...] | None
    best_epoch: int | None
    seed: int | None
    is_default: bool
    continued_from: int | None
    imported: bool
    config: Mapping[str, Any]

    @property
    def reached(self) -> float | None:
        """The value, or for a trial without one the best metric of any epoch; None when there is neither."""
        if self.value is not None:
            return self.value
        return max(self.intermediate.values(), default=None)


def trial_rows(study: optuna.Study) -> list[TrialRow]:
    """Return the study's newest trials as rows, by number.

    Raises:
        StudyError: The first objective is minimised; these figures show it as a metric, higher is better. Or a value is infinite.
    """
    if study.directions[0] != optuna.study.StudyDirection.MAXIMIZE:
        raise StudyError(f"study {study.study_name!r} minimises, and the dashboard shows a maximised metric: open it in optuna-dashboard")
    families = study.user_attrs.get("families") or []
    otherwise = families[0] if len(families) == 1 else "model"
    trials = newest_trials(study)
    standing = _standing(trials, study.user_attrs)
    front = {trial.number for trial in pareto_front(study)} if len(study.directions) > 1 else set()
    rows: list[TrialRow] = []
    best: float | None = None
    for trial in sorted(trials, key=lambda t: t.number):
        value = objective(trial) if trial.state == TrialState.COMPLETE else None
        if value is not None:
            if not math.isfinite(value):
                raise StudyError(
                    f"trial {trial.number} of study {study.study_name!r} is COMPLETE with the value {value}: nothing can draw it"
                )
            best = value if best is None else max(best, value)
        place = _Place(_family(trial, otherwise), value, best, trial.number in front, tuple(sorted(standing.get(trial.number, ()))))
        rows.append(_row(trial, place))
    return rows


def families_of(rows: Iterable[TrialRow]) -> list[str]:
    """Return the families that occur, in order of their first trial."""
    return list(dict.fromkeys(row.family for row in rows))


def completed(rows: Iterable[TrialRow], family: str | None = None) -> list[TrialRow]:
    """Return the COMPLETE rows, of one family or of all."""
    return [row for row in rows if row.value is not None and family in (None, row.family)]


def best_row(rows: Iterable[TrialRow]) -> TrialRow | None:
    """Return the COMPLETE row with the highest value (the earliest of equals, as Optuna), or None."""
    return max(completed(rows), key=lambda row: (row.value, -row.number), default=None)


def parameters_of(rows: Iterable[TrialRow], family: str | None = None) -> list[str]:
    """Return the names of the searched parameters in order of first use; within one family without the choice of the family itself."""
    names = dict.fromkeys(name for row in rows if family in (None, row.family) for name in row.params)
    return [name for name in names if family is None or name != "family"]


class _Place(NamedTuple):
    """What of a row depends on the whole study."""

    family: str
    value: float | None
    best_so_far: float | None
    on_front: bool
    rungs: tuple[int, ...]


def _standing(trials: Sequence[FrozenTrial], attributes: Mapping[str, Any]) -> dict[int, set[int]]:
    """Return the rungs at which each trial stands, by its number: those that the search itself and `ecg-tune status` count."""
    rule = rule_of(attributes)
    found: dict[int, set[int]] = {}
    for (_, epoch), values in rungs_of(trials if rule.marks else (), rule).values.items():
        for number in values if epoch in rule.marks else ():
            found.setdefault(number, set()).add(epoch)
    return found


def _row(trial: FrozenTrial, place: _Place) -> TrialRow:
    attrs = trial.user_attrs
    curve = {epoch: metric for epoch, metric in sorted(trial.intermediate_values.items()) if math.isfinite(metric)}
    return TrialRow(
        number=trial.number,
        state=trial.state.name,
        **place._asdict(),
        values=tuple(trial.values) if trial.state == TrialState.COMPLETE else (),
        epochs=len(trial.intermediate_values),
        seconds=attrs.get("seconds"),
        ended_by=attrs.get("ended_by"),
        fail_reason=attrs.get("fail_reason"),
        failure=attrs.get("failure"),
        worker=attrs.get("worker"),
        node=attrs.get("node"),
        device=attrs.get("device"),
        start=trial.datetime_start,
        end=trial.datetime_complete,
        params=dict(trial.params),
        distributions=dict(trial.distributions),
        intermediate=curve,
        n_parameters=attrs.get("n_parameters"),
        per_class_auc=_class_values(attrs.get("per_class_auc")),
        best_epoch=attrs.get("best_epoch"),
        seed=attrs.get("seed"),
        is_default=bool(attrs.get("is_default", False)),
        continued_from=attrs.get("continued_from"),
        imported="imported_from" in attrs,
        config=attrs.get("config") or {},
    )


def _class_values(values: list[float | None] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float("nan") if v is None else float(v) for v in values)


def _family(trial: FrozenTrial, otherwise: str) -> str:
    """Return the trial's family: recorded, sampled, enqueued, or read off the parameters' prefix ("rnn.hidden_size")."""
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    recorded = trial.user_attrs.get("family") or params.get("family")
    if recorded:
        return str(recorded)
    return next((name.split(".")[0] for name in params if "." in name), otherwise)
