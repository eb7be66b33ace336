"""Whether a study has changed since somebody last looked, at the cost of a few system calls or one query."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ecg_tune.errors import StudyError
from ecg_tune.study.database import DATABASE, connection_settings, database_of
from ecg_tune.study.lock import search_runs
from ecg_tune.study.race_result import MODELS_FOLDER, RACE
from ecg_tune.study.server_url import on_server

SERVER_CHANGES = """
SELECT (SELECT max(trial_intermediate_value_id) FROM trial_intermediate_values),
  (SELECT max(trial_user_attribute_id) FROM trial_user_attributes), (SELECT max(study_user_attribute_id) FROM study_user_attributes),
  (SELECT max(trial_value_id) FROM trial_values), (SELECT max(trial_id) FROM trials),
  (SELECT count(*) FROM trials WHERE datetime_complete IS NOT NULL)
"""


def change_mark(folder: Path) -> Hashable:
    """Return something that is another as soon as the study, its race, or whether a search runs on it, has changed.

    It costs a few system calls, or one query to a server. What can't be looked at has a mark too.
    """
    try:
        url = database_of(folder)
        found = _server_mark(url) if on_server(url) else tuple(_file_mark(folder / name) for name in (DATABASE, f"{DATABASE}-wal"))
        return (*found, _file_mark(folder / MODELS_FOLDER / RACE), search_runs(folder))
    except (OSError, StudyError, SQLAlchemyError) as error:
        return str(error)


def _file_mark(path: Path) -> tuple[Hashable, ...]:
    """Return what the file system says of a file; opening it would, on closing, free the locks that this process has on it."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _server_mark(url: URL) -> tuple[Hashable, ...]:
    engine = create_engine(url, poolclass=NullPool, connect_args=connection_settings(url))
    with engine.connect() as connection:
        return tuple(connection.execute(text(SERVER_CHANGES)).one())
