"""Read many trials at once: one query a table, and no object of SQLAlchemy for every value, which is what Optuna's reading costs.

A study of 10,000 trials has 400,000 values. What is read is what Optuna would read (a test compares the two).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Table, or_, select
from sqlalchemy.orm import Session

MOST_NAMED = 500
"""Trials that a query names one by one; databases have a limit."""

TRIALS: Table = models.TrialModel.__table__
CHILDREN: dict[str, tuple[Table, tuple[str, ...]]] = {
    "params": (models.TrialParamModel.__table__, ("param_name", "param_value", "distribution_json")),
    "values": (models.TrialValueModel.__table__, ("objective", "value", "value_type")),
    "user_attrs": (models.TrialUserAttributeModel.__table__, ("key", "value_json")),
    "system_attrs": (models.TrialSystemAttributeModel.__table__, ("key", "value_json")),
    "steps": (models.TrialIntermediateValueModel.__table__, ("step", "intermediate_value", "intermediate_value_type")),
}
"""Part of a trial → its table and columns."""
to_value = models.TrialValueModel.stored_repr_to_value
to_step_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value


class BulkReadingStorage(RDBStorage):
    """Optuna's storage, whose reading of all trials, or of those that are new, costs a tenth."""

    def _get_trials(
        self, study_id: int, states: Container[TrialState] | None, included_trial_ids: set[int], trial_id_greater_than: int
    ) -> list[FrozenTrial]:
        named = {trial_id for trial_id in included_trial_ids if trial_id <= trial_id_greater_than}
        if len(named) > MOST_NAMED or (states is not None and not isinstance(states, Iterable)):
            return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        conditions: list[ColumnElement[bool]] = [TRIALS.c.study_id == study_id]
        if trial_id_greater_than > -1:
            conditions.append(or_(TRIALS.c.trial_id.in_(named), TRIALS.c.trial_id > trial_id_greater_than))
        if states is not None:
            conditions.append(TRIALS.c.state.in_(list(states)))
        with _create_scoped_session(self.scoped_session) as session:
            models.StudyModel.find_or_raise_by_id(study_id, session)
            return _read(session, conditions)


def _read(session: Session, conditions: list[ColumnElement[bool]]) -> list[FrozenTrial]:
    """Read the trials that meet all conditions, by their ids."""
    names = ("trial_id", "number", "state", "datetime_start", "datetime_complete")
    trials = session.execute(select(*(TRIALS.c[name] for name in names)).where(*conditions).order_by(TRIALS.c.trial_id)).all()
    if not trials:
        return []
    chosen = select(TRIALS.c.trial_id).where(*conditions)
    found: dict[str, defaultdict[int, list[Any]]] = {}
    for part, (table, columns) in CHILDREN.items():
        found[part] = defaultdict(list)
        order = table.c.param_id if part == "params" else table.c[columns[0]]
        query = select(table.c.trial_id, *(table.c[name] for name in columns)).where(table.c.trial_id.in_(chosen)).order_by(order)
        for trial_id, *row in session.execute(query):
            found[part][trial_id].append(row)
    return [
        _frozen_trial(trial_id, number, state, (start, end), {part: rows.get(trial_id, []) for part, rows in found.items()})
        for trial_id, number, state, start, end in trials
    ]


def _frozen_trial(
    trial_id: int, number: int, state: TrialState, times: tuple[datetime | None, datetime | None], rows: dict[str, list[Any]]
) -> FrozenTrial:
    """Put one trial together from its rows, as `RDBStorage._build_frozen_trial_from_trial_model` does."""
    distributions = {name: _distribution(text) for name, _, text in rows["params"]}
    values = [0.0] * len(rows["values"])
    for objective, value, kind in rows["values"]:
        values[objective] = to_value(value, kind)
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=values or None,
        datetime_start=_local(times[0]),
        datetime_complete=_local(times[1]),
        params={name: distributions[name].to_external_repr(value) for name, value, _ in rows["params"]},
        distributions=distributions,
        user_attrs={key: json.loads(text) for key, text in rows["user_attrs"]},
        system_attrs={key: json.loads(text) for key, text in rows["system_attrs"]},
        intermediate_values={step: to_step_value(value, kind) for step, value, kind in rows["steps"]},
        trial_id=trial_id,
    )


@lru_cache(maxsize=10_000)
def _distribution(text: str) -> BaseDistribution:
    """Read a distribution; all trials of a study share a few dozens of them, and nobody changes one."""
    return json_to_distribution(text)


def _local(stored: datetime | None) -> datetime | None:
    """Turn the UTC of the database into the local time of Optuna's trials."""
    return None if stored is None else stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
