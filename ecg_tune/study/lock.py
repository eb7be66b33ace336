"""One search at a time holds a study; the operating system, or the database's server, frees it when the process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import optuna
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ecg_tune.errors import StudyError
from ecg_tune.study.database import connection_settings, database_of, on_server, unreadable
from ecg_tune.study.postgresql import SearchLock, ServerStorage
from ecg_tune.study.transactions import database

LOCK = ".search.lock"

Guard = Callable[[optuna.Study], optuna.Study]


def search_runs(folder: Path) -> bool:
    """Return whether a search holds the study right now, on any machine; a killed one holds nothing."""
    path = folder / LOCK
    if path.exists():
        with path.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    url = database_of(folder)
    with _said_of(url):
        return on_server(url) and _server_lock(url, folder).held()


@contextmanager
def lock_study(folder: Path, url: URL) -> Iterator[Guard]:
    """Keep other searches off the study while the block runs.

    Args:
        url: Of its database.

    Returns:
        A function that makes the opened study wait for its server, and refuse to work once another search has it: on a server
        the lock goes with its connection.

    Raises:
        StudyError: Another search holds it, or has taken it after the connection to its server had been lost.
        WorkFailedError: The server did not come back.
    """
    with ExitStack() as held:
        guard: Guard = lambda study: study  # noqa: E731
        if on_server(url):
            lock = _server_lock(url, folder)
            held.callback(lock.release)
            with _said_of(url):
                lock.hold()
            guard = _guard(lock)
            held.enter_context(_failure_of(lock))
        folder.mkdir(parents=True, exist_ok=True)
        handle = held.enter_context((folder / LOCK).open("w"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(f"another search is running on {folder}: wait for it, or stop it first") from error
        yield guard


@contextmanager
def _said_of(url: URL) -> Iterator[None]:
    """Say what went wrong with a database as one line."""
    try:
        yield
    except SQLAlchemyError as error:
        raise unreadable(url, error) from error


def _server_lock(url: URL, folder: Path) -> SearchLock:
    return SearchLock(url, folder.resolve().name, connection_settings(url))


@contextmanager
def _failure_of(lock: SearchLock) -> Iterator[None]:
    """Say why the lock could not be held, instead of what came of it."""
    try:
        yield
    except Exception as error:
        if lock.failure is None:
            raise
        raise lock.failure from error


def _guard(lock: SearchLock) -> Guard:
    def guard(study: optuna.Study) -> optuna.Study:
        storage = database(study)
        assert isinstance(storage, ServerStorage), "its database is on a server"
        storage.be_patient(lock)
        return study

    return guard
