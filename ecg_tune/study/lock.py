"""One search, and one retraining, at a time hold a study; the system, or the database's server, frees it when the process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import optuna
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ecg_tune.errors import EcgTuneError, StudyError, UsageError
from ecg_tune.study.database import connection_settings, database_of
from ecg_tune.study.database_faults import unreadable
from ecg_tune.study.postgresql import SearchLock, ServerStorage
from ecg_tune.study.server_url import on_server
from ecg_tune.study.transactions import database

LOCK, RETRAINING_LOCK = ".search.lock", ".retrain.lock"


class Held:
    """A lock on a study that a search holds.

    Args:
        server: The lock on the study's server too, when its database is there: it goes with its connection.
    """

    def __init__(self, server: SearchLock | None) -> None:
        self._server = server

    def still(self) -> bool:
        """Return whether it is held. Only a server can lose it."""
        if self._server is None:
            return True
        with suppress(EcgTuneError, SQLAlchemyError):
            self._server.hold()
        return self._server.failure is None and self._server.connection is not None

    def guard(self, study: optuna.Study) -> optuna.Study:
        """Make an opened study wait for its server, and refuse to work once another search has it."""
        if self._server is not None:
            storage = database(study)
            assert isinstance(storage, ServerStorage), "its database is on a server"
            storage.be_patient(self._server)
        return study


def search_runs(folder: Path) -> bool:
    """Return whether a search holds the study right now, on any machine; a killed one holds nothing."""
    path = folder / LOCK
    if os.path.lexists(path):
        handle = _opened(path, os.O_RDONLY)
        try:
            if not _taken(handle, fcntl.LOCK_SH):
                return True
        finally:
            os.close(handle)
    url = database_of(folder)
    with _said_of(url):
        return on_server(url) and _server_lock(url, folder).held()


@contextmanager
def lock_study(folder: Path, url: URL) -> Iterator[Held]:
    """Keep other searches off the study while the block runs.

    Args:
        url: Of its database.

    Raises:
        StudyError: Another search holds it, or has taken it after the connection to its server had been lost.
        WorkFailedError: The server did not come back.
    """
    with ExitStack() as held:
        lock = _server_lock(url, folder) if on_server(url) else None
        if lock is not None:
            held.callback(lock.release)
            with _said_of(url):
                lock.hold()
            held.enter_context(_failure_of(lock))
        folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(_file_lock(folder, LOCK, "search"))
        yield Held(lock)


@contextmanager
def lock_retraining(folder: Path) -> Iterator[None]:
    """Keep other retrainings off a study's models while the block runs; a search may run meanwhile.

    Raises:
        StudyError: Another retraining holds them.
    """
    with _file_lock(folder, RETRAINING_LOCK, "retraining"):
        yield


@contextmanager
def _file_lock(folder: Path, name: str, work: str) -> Iterator[None]:
    """Hold a lock file of a folder.

    Args:
        work: What holds it, for the message to who comes second.

    Raises:
        StudyError: Another one holds it, or it is no plain file.
    """
    path, is_new = folder / name, not os.path.lexists(folder / name)
    handle = _opened(path, os.O_RDWR | os.O_CREAT)
    try:
        # work that was refused takes its lock away, a search its new study too
        if not _taken(handle, fcntl.LOCK_EX) or not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):
            raise StudyError(f"another {work} is running on {folder}: wait for it, or stop it first")
        try:
            yield
        except UsageError:
            if is_new:
                path.unlink(missing_ok=True)  # what is refused leaves nothing
            raise
    finally:
        with suppress(OSError):  # a network folder that went away: what was said in the block says more
            os.close(handle)


def _opened(path: Path, flags: int) -> int:
    """Open a lock file. A study may come from elsewhere: it is not emptied, links are not followed, pipes not waited for.

    Raises:
        StudyError: It is no plain file.
    """
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
    raise StudyError(f"{path} must be a plain file, and is none: remove it")


def _taken(handle: int, kind: int) -> bool:
    """Try to lock an open file."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
