"""A study as one SQLite file, wherever it is: for taking it home, and for readers that know files only."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import Connection, Select, Table, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ecg_tune.config import ENCODERS
from ecg_tune.storage import Storage
from ecg_tune.study import schema
from ecg_tune.study.checkpoints import CHECKPOINTS
from ecg_tune.study.database import SQLITE_WAIT_S, open_database
from ecg_tune.study.database_faults import unreadable
from ecg_tune.study.study import Study
from ecg_tune.study.transactions import database

N_ROWS = 1000
"""Rows that are held in memory at a time."""


def copy_to_sqlite(study: Study, target: Path) -> None:
    """Write a study as it is at one moment, also while a search writes it, into a SQLite file of its own.

    All rows are equal to the bit: numbers, states, values, attributes, times. `target` appears when it is whole and replaces
    what was there.

    Raises:
        StudyError: Its database can't be read.
    """
    storage = database(study.optuna)
    assert storage is not None, "a study in memory has no rows to copy"
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.part")
    scratch.unlink(missing_ok=True)
    try:
        if storage.engine.name == "sqlite":
            _copy_file(Path(str(storage.engine.url.database)), scratch)
        else:
            _copy_rows(storage, study.optuna._study_id, scratch)
    except (SQLAlchemyError, sqlite3.DatabaseError) as error:
        raise unreadable(storage.engine.url, error) from error
    scratch.replace(target)


def _copy_file(source: Path, target: Path) -> None:
    """Copy all pages in one step, during which nobody writes."""
    with closing(sqlite3.connect(source, timeout=SQLITE_WAIT_S)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)


def _copy_rows(storage: RDBStorage, study_id: int, target: Path) -> None:
    copy = open_database(URL.create("sqlite", database=str(target)), create=True)
    with storage.engine.connect() as source, copy.engine.begin() as here:
        there = source.execution_options(isolation_level="REPEATABLE READ", stream_results=True)
        for table in BaseModel.metadata.sorted_tables:
            rows = _rows_of(table, study_id)
            if rows is not None:
                _insert(there, rows, here, table)
    copy.engine.dispose()


def _rows_of(table: Table, study_id: int) -> Select[Any] | None:
    """Return the query for a study's rows of one of Optuna's tables; None for a table that is not about studies."""
    trials = BaseModel.metadata.tables["trials"]
    if "study_id" in table.columns:
        return select(table).where(table.c.study_id == study_id)
    if "trial_id" in table.columns:
        return select(table).join(trials, table.c.trial_id == trials.c.trial_id).where(trials.c.study_id == study_id)
    return None


def _insert(there: Connection, rows: Select[Any], here: Connection, table: Table) -> None:
    """Copy what a query gives, in the order in which it was written: Optuna reads attributes and values in that order."""
    found = there.execute(rows.order_by(*table.primary_key.columns)).mappings()
    for some in found.partitions(N_ROWS):
        here.execute(table.insert(), [dict(row) for row in some])


def forget_checkpoints(copy: Path, name: str) -> None:
    """Let a study that was copied look for its checkpoints beside it, not where the original's lie."""
    schema.forget_checkpoints(optuna.load_study(study_name=name, storage=open_database(URL.create("sqlite", database=str(copy)))))


def copy_checkpoints(study: Study, target: Path) -> None:
    """Copy the checkpoints that are kept, from wherever they lie, below another folder under the same paths."""
    for trial in study.checkpoints.names(CHECKPOINTS):
        _copy_files(study.checkpoints, f"{CHECKPOINTS}/{trial}", target)


def copy_encoders(study: Study, target: Path) -> None:
    """Copy the models that fusions start from in the same way."""
    _copy_files(study.checkpoints, ENCODERS, target)


def _copy_files(storage: Storage, name: str, target: Path) -> None:
    for file in storage.names(name):
        copy = target / name / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        with storage.open(f"{name}/{file}") as source, copy.open("wb") as out:
            shutil.copyfileobj(source, out)
