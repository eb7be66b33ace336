"""Rows of the study, written whole: what a trial begins with, an epoch, and an end are one transaction each.

A killed driver leaves all of it or nothing. What is written is what Optuna would write, through Optuna's own tables; its calls
would make a transaction of every attribute, look at the row before each and read it back after, ten times the cost. A study in
memory (previews) is written through Optuna's calls.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update

from ecg_tune.errors import StudyError
from ecg_tune.study.postgresql import again

STUDIES, TRIALS, PARAMS, ATTRIBUTES, STEPS, VALUES = (
    getattr(models, f"{name}Model").__table__
    for name in ("Study", "Trial", "TrialParam", "TrialUserAttribute", "TrialIntermediateValue", "TrialValue")
)


def database(study: optuna.Study) -> RDBStorage | None:
    """Return the database of a study; None for one in memory."""
    storage = getattr(study._storage, "_backend", study._storage)
    return storage if isinstance(storage, RDBStorage) else None


def add_row(study: optuna.Study, row: FrozenTrial) -> FrozenTrial:
    """Add a RUNNING row that begins now; return it with its number."""
    row = _changed(row, datetime_start=datetime.now())
    storage = database(study)
    if storage is None:
        study.add_trial(row)
        return copy(study.get_trials(deepcopy=False)[-1])

    tries = 0

    def add() -> tuple[int, int]:
        nonlocal tries
        tries += 1
        with storage.engine.begin() as connection:  # the answer to the first try may be all that was lost
            return (_find(connection, study._study_id, row) if tries > 1 else None) or _add(connection, study._study_id, row)

    trial_id, number = again(add)
    return _changed(row, _trial_id=trial_id, number=number)


def write_row(
    study: optuna.Study,
    row: FrozenTrial,
    attributes: Mapping[str, Any],
    *,
    epochs: Mapping[int, float] = {},
    state: TrialState | None = None,
    values: Sequence[float] | None = None,
) -> FrozenTrial:
    """Write what a row gained, and return the row as it is then. Doing it twice changes nothing.

    Args:
        attributes: NaN and infinities become null. A finished row takes them too, which Optuna itself refuses; not in memory.
        epochs: Values of the metric by epoch, from 1.
        state: The row's end; None leaves it open.
        values: Of the objectives, with the state COMPLETE. A PRUNED row's is its last epoch's, as Optuna's `tell` has it.

    Raises:
        UpdateFinishedTrialError: The row has another end already.
    """
    attributes = {name: _plain(value) for name, value in attributes.items()}
    steps = {**row.intermediate_values, **epochs}
    if state == TrialState.PRUNED and steps and len(study.directions) == 1:
        values = [steps[max(steps)]]
    closed = {} if state is None else {"state": state, "values": values, "datetime_complete": datetime.now()}
    new = _changed(row, user_attrs={**row.user_attrs, **attributes}, intermediate_values=steps, **closed)
    storage = database(study)
    if storage is None:
        _write_in_memory(study, new, attributes, epochs, closed=state is not None)
        return new

    def write() -> None:
        with storage.engine.begin() as connection:
            if state is not None:
                _close(connection, new)
            _put(connection, ATTRIBUTES, "key", [_attribute(new._trial_id, *pair) for pair in attributes.items()])
            _put(connection, STEPS, "step", [_step(new._trial_id, *pair) for pair in epochs.items()])

    again(write)
    return new


def set_attrs(study: optuna.Study, number: int, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a row, all in one transaction, finished rows' too."""
    write_row(study, get_row(study, number), attributes)


def get_row(study: optuna.Study, number: int) -> FrozenTrial:
    """Return a row as it stands."""
    return study._storage.get_trial(study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number))


def check_distributions(known: dict[str, BaseDistribution], row: FrozenTrial) -> None:
    """Take in a row's distributions.

    Raises:
        StudyError: A parameter has other choices, or is of another kind, than in the study's other rows: no sampler could go on.
    """
    for name, distribution in row.distributions.items():
        try:
            check_distribution_compatibility(known.setdefault(name, distribution), distribution)
        except ValueError as error:
            raise StudyError(f"this study has drawn {name} from {known[name]}, now it is {distribution}: start another study") from error


def _find(connection: Connection, study_id: int, row: FrozenTrial) -> tuple[int, int] | None:
    begun = (TRIALS.c.study_id == study_id) & (TRIALS.c.datetime_start == _utc(row.datetime_start))
    found = connection.execute(select(TRIALS.c.trial_id, TRIALS.c.number).where(begun)).one_or_none()
    return None if found is None else (found.trial_id, found.number)


def _add(connection: Connection, study_id: int, row: FrozenTrial) -> tuple[int, int]:
    connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update())  # one adds at a time
    number = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == study_id).scalar_subquery()
    begun = {"study_id": study_id, "state": row.state, "datetime_start": _utc(row.datetime_start), "number": number}
    trial_id = connection.execute(insert(TRIALS).values(**begun)).inserted_primary_key[0]  # type: ignore[index]
    _insert(connection, PARAMS, [_param(trial_id, name, row) for name in row.params])
    _insert(connection, ATTRIBUTES, [_attribute(trial_id, *pair) for pair in row.user_attrs.items()])
    _insert(connection, STEPS, [_step(trial_id, *pair) for pair in row.intermediate_values.items()])
    return trial_id, connection.execute(select(TRIALS.c.number).where(TRIALS.c.trial_id == trial_id)).scalar_one()


def _close(connection: Connection, row: FrozenTrial) -> None:
    """Close a RUNNING row, or find that it has this end already."""
    this = TRIALS.c.trial_id == row._trial_id
    end = {"state": row.state, "datetime_complete": _utc(row.datetime_complete)}
    closed = connection.execute(update(TRIALS).where(this, TRIALS.c.state == TrialState.RUNNING).values(**end)).rowcount
    if not closed and connection.execute(select(TRIALS.c.state).where(this)).scalar_one() != row.state:
        raise UpdateFinishedTrialError(f"trial {row.number} has another end already")
    _put(connection, VALUES, "objective", [_value(row._trial_id, *pair) for pair in enumerate(row.values or ())])


def _put(connection: Connection, table: Table, key: str, rows: list[dict[str, Any]]) -> None:
    """Insert a trial's entries in the place of those with the same key."""
    if rows:
        same = (table.c.trial_id == bindparam("of_trial")) & (table.c[key] == bindparam("of_key"))
        connection.execute(delete(table).where(same), [{"of_trial": row["trial_id"], "of_key": row[key]} for row in rows])
    _insert(connection, table, rows)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _param(trial_id: int, name: str, row: FrozenTrial) -> dict[str, Any]:
    distribution = row.distributions[name]
    value = distribution.to_internal_repr(row.params[name])
    return {"trial_id": trial_id, "param_name": name, "param_value": value, "distribution_json": distribution_to_json(distribution)}


def _attribute(trial_id: int, key: str, value: Any) -> dict[str, Any]:
    return {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}


def _step(trial_id: int, step: int, value: float) -> dict[str, Any]:
    stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
    return {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def _value(trial_id: int, objective: int, value: float) -> dict[str, Any]:
    stored, kind = models.TrialValueModel.value_to_stored_repr(value)
    return {"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind}


def _write_in_memory(
    study: optuna.Study, row: FrozenTrial, attributes: Mapping[str, Any], epochs: Mapping[int, float], *, closed: bool
) -> None:
    storage = study._storage
    if storage.get_trial(row._trial_id).state.is_finished():
        return
    for name, value in attributes.items():
        storage.set_trial_user_attr(row._trial_id, name, value)
    for epoch, value in epochs.items():
        storage.set_trial_intermediate_value(row._trial_id, epoch, value)
    if closed:
        storage.set_trial_state_values(row._trial_id, row.state, row.values)


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it: without NaN and infinities."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _changed(row: FrozenTrial, **changes: Any) -> FrozenTrial:
    new = copy(row)
    for name, value in changes.items():
        setattr(new, name, value)
    return new


def _utc(local: datetime | None) -> datetime | None:
    """Return a time as Optuna's tables hold it: naive, UTC."""
    return local and local.astimezone(UTC).replace(tzinfo=None)
