"""Trials written whole: what a trial begins with, an epoch, and an end are one transaction each.

A killed driver leaves all of it or nothing, and a step that is repeated because its connection broke changes nothing. What is
written is what Optuna would write, through Optuna's own tables, since Optuna's calls do less and cost more:

- `add_trial(create_trial(state=RUNNING, …))` is one transaction, too. But when the answer to its commit is lost, nobody knows
  whether the trial is there, and adding it again leaves two.
- an epoch and an end are several of Optuna's calls, a transaction each: a driver that is killed between them leaves a trial
  that has ended without its end's facts.

Ours against Optuna's, in ms (`python benchmarks/writing.py`, 12 parameters, 30 trials): SQLite: add 3.2 / 37, epoch 1.9 / 24,
end 2.5 / 136; PostgreSQL: add 5.7 / 55, epoch 3.4 / 28, end 4.1 / 151.

A study in memory (previews) is written through Optuna's calls.
"""

from __future__ import annotations

import json
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


def add_trial(study: optuna.Study, trial: FrozenTrial, start: datetime | None = None) -> FrozenTrial:
    """Add a trial, which begins now or has ended; return it with its number.

    The choices of a parameter may be others than in earlier trials, which Optuna itself refuses: a study's space may change.

    Args:
        start: When it begins, local time; None means now.
    """
    trial = copy(trial)
    trial.datetime_start = start or datetime.now()
    trial.datetime_complete = trial.datetime_start if trial.state.is_finished() else None
    storage = database(study)
    if storage is None:
        study.add_trial(trial)
        return copy(study.get_trials(deepcopy=False)[-1])

    tries = 0

    def add() -> tuple[int, int]:
        nonlocal tries
        tries += 1
        with storage.engine.begin() as connection:  # the answer to the first try may be all that was lost
            return (_find(connection, study._study_id, trial) if tries > 1 else None) or _add(connection, study._study_id, trial)

    trial._trial_id, trial.number = again(add)
    return trial


def write_trial(
    study: optuna.Study,
    trial_id: int,
    attributes: Mapping[str, Any],
    *,
    epochs: Mapping[int, float] = {},
    state: TrialState | None = None,
    values: Sequence[float] = (),
    end: datetime | None = None,
) -> None:
    """Write what a trial gained, in one transaction. Doing it twice changes nothing.

    Args:
        attributes: As they are stored. A finished trial takes them too, which Optuna itself refuses; not in memory.
        epochs: Values of the metric by epoch, from 1.
        state: Its end; None leaves it open.
        values: Of the objectives.
        end: When it ended, local time.

    Raises:
        UpdateFinishedTrialError: It has another end already.
    """
    storage = database(study)
    if storage is None:
        _write_in_memory(study, trial_id, attributes, epochs, state, values)
        return

    def write() -> None:
        with storage.engine.begin() as connection:
            if state is not None:
                _close(connection, trial_id, state, values, end)
            _put(connection, ATTRIBUTES, "key", [_attribute(trial_id, *pair) for pair in attributes.items()])
            _put(connection, STEPS, "step", [_step(trial_id, *pair) for pair in epochs.items()])

    again(write)


def check_distributions(known: dict[str, BaseDistribution], distributions: Mapping[str, BaseDistribution]) -> None:
    """Take in a trial's distributions.

    Raises:
        StudyError: A parameter has other choices, or is of another kind, than in the study's other trials: no sampler could go on.
    """
    for name, distribution in distributions.items():
        try:
            check_distribution_compatibility(known.setdefault(name, distribution), distribution)
        except ValueError as error:
            raise StudyError(f"this study has sampled {name} from {known[name]}, now it is {distribution}: start another study") from error


def _find(connection: Connection, study_id: int, trial: FrozenTrial) -> tuple[int, int] | None:
    begun = (TRIALS.c.study_id == study_id) & (TRIALS.c.datetime_start == _utc(trial.datetime_start))
    found = connection.execute(select(TRIALS.c.trial_id, TRIALS.c.number).where(begun)).one_or_none()
    return None if found is None else (found.trial_id, found.number)


def _add(connection: Connection, study_id: int, trial: FrozenTrial) -> tuple[int, int]:
    connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update())  # one adds at a time
    number = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == study_id).scalar_subquery()
    times = {"datetime_start": _utc(trial.datetime_start), "datetime_complete": _utc(trial.datetime_complete)}
    begun = {"study_id": study_id, "state": trial.state, "number": number, **times}
    trial_id = connection.execute(insert(TRIALS).values(**begun)).inserted_primary_key[0]  # type: ignore[index]
    _insert(connection, PARAMS, [_param(trial_id, name, trial) for name in trial.params])
    _insert(connection, ATTRIBUTES, [_attribute(trial_id, *pair) for pair in trial.user_attrs.items()])
    _insert(connection, STEPS, [_step(trial_id, *pair) for pair in trial.intermediate_values.items()])
    _insert(connection, VALUES, [_value(trial_id, *pair) for pair in enumerate(trial.values or ())])
    return trial_id, connection.execute(select(TRIALS.c.number).where(TRIALS.c.trial_id == trial_id)).scalar_one()


def _close(connection: Connection, trial_id: int, state: TrialState, values: Sequence[float], end: datetime | None) -> None:
    """Close a RUNNING trial, or find that it has this end already."""
    this = TRIALS.c.trial_id == trial_id
    changes = {"state": state, "datetime_complete": _utc(end)}
    closed = connection.execute(update(TRIALS).where(this, TRIALS.c.state == TrialState.RUNNING).values(**changes)).rowcount
    if not closed and connection.execute(select(TRIALS.c.state).where(this)).scalar_one() != state:
        number = connection.execute(select(TRIALS.c.number).where(this)).scalar_one()
        raise UpdateFinishedTrialError(f"trial {number} has another end already")
    _put(connection, VALUES, "objective", [_value(trial_id, *pair) for pair in enumerate(values)])


def _put(connection: Connection, table: Table, key: str, entries: list[dict[str, Any]]) -> None:
    """Insert a trial's entries in the place of those with the same key."""
    if entries:
        same = (table.c.trial_id == bindparam("of_trial")) & (table.c[key] == bindparam("of_key"))
        connection.execute(delete(table).where(same), [{"of_trial": entry["trial_id"], "of_key": entry[key]} for entry in entries])
    _insert(connection, table, entries)


def _insert(connection: Connection, table: Table, entries: list[dict[str, Any]]) -> None:
    if entries:
        connection.execute(insert(table), entries)


def _param(trial_id: int, name: str, trial: FrozenTrial) -> dict[str, Any]:
    distribution = trial.distributions[name]
    value = distribution.to_internal_repr(trial.params[name])
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
    study: optuna.Study,
    trial_id: int,
    attributes: Mapping[str, Any],
    epochs: Mapping[int, float],
    state: TrialState | None,
    values: Sequence[float],
) -> None:
    storage = study._storage
    if storage.get_trial(trial_id).state.is_finished():
        return
    for name, value in attributes.items():
        storage.set_trial_user_attr(trial_id, name, value)
    for epoch, value in epochs.items():
        storage.set_trial_intermediate_value(trial_id, epoch, value)
    if state is not None:
        storage.set_trial_state_values(trial_id, state, values or None)


def _utc(local: datetime | None) -> datetime | None:
    """Convert a time to what Optuna's tables hold: naive, UTC."""
    return local and local.astimezone(UTC).replace(tzinfo=None)
