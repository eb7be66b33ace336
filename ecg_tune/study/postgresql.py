"""A study on a PostgreSQL server: the connection may break, and searches on several machines must not meet.

The server may be restarted, or not be reached, for `PATIENCE_S` while a search runs: it waits, connects anew and repeats what
was cut off. After that the search ends with an error; nothing that was recorded is lost, and the same command goes on.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.pool import NullPool

from ecg_tune.errors import EcgTuneError, StudyError, WorkFailedError
from ecg_tune.study.bulk_reading import BulkReadingStorage

PATIENCE_S = 600.0
"""How long a running search waits for its database."""
PAUSE_S = 2.0
TRIES = 5
HOLDER = """
SELECT l.pid, a.backend_start, a.application_name FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = (CAST(:key AS bigint) >> 32) & 4294967295 AND l.objid::bigint = CAST(:key AS bigint) & 4294967295
"""

SELF = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])

_log = logging.getLogger(__name__)


def again(do: Callable[[], T]) -> T:
    """Return what `do` gives, which is done again if its connection broke under it; doing it twice must not matter."""
    for _ in range(TRIES):
        try:
            return do()
        except (StorageInternalError, DBAPIError) as error:
            if not _broken(error):
                raise
    return do()


def _broken(error: BaseException | None) -> bool:
    """Return whether a connection broke, and not what was asked of it is at fault."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, PendingRollbackError) or (isinstance(error, StorageInternalError) and _broken(error.__cause__))


def _again(method: Method) -> Method:
    @wraps(method)
    def repeated(*args: Any, **kwargs: Any) -> Any:
        return again(lambda: method(*args, **kwargs))

    return repeated  # type: ignore[return-value]


class ServerStorage(BulkReadingStorage):
    """Optuna's storage that repeats what a broken connection cut off. Adding rows Optuna repeats itself."""

    get_trial = _again(RDBStorage.get_trial)
    _get_trials = _again(BulkReadingStorage._get_trials)
    get_trial_id_from_study_id_trial_number = _again(RDBStorage.get_trial_id_from_study_id_trial_number)
    get_study_directions = _again(RDBStorage.get_study_directions)
    get_study_user_attrs = _again(RDBStorage.get_study_user_attrs)
    set_study_user_attr = _again(RDBStorage.set_study_user_attr)
    set_trial_intermediate_value = _again(RDBStorage.set_trial_intermediate_value)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Close a row; one that the cut-off call has closed stays so."""
        try:
            return again(lambda: RDBStorage.set_trial_state_values(self, trial_id, state, values))
        except UpdateFinishedTrialError:
            row = self.get_trial(trial_id)
            if (row.state, row.values) == (state, list(values) if values is not None else None):
                return True
            raise

    def be_patient(self, lock: SearchLock) -> None:
        """Wait for the server from now on, and read and write nothing without the lock."""
        be_patient(self.engine, lock.gave_up)
        event.listen(self.engine, "checkout", lambda *_: lock.hold())


def be_patient(engine: Engine, gave_up: Callable[[str], None]) -> None:
    """Let an engine wait for its server up to `PATIENCE_S` whenever it connects from now on.

    Args:
        gave_up: Is told why it could not connect after all.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, args: Any, kwargs: Any) -> Any:
        end, message = time.monotonic() + PATIENCE_S, False
        while True:
            try:
                return dialect.connect(*args, **kwargs)
            except dialect.loaded_dbapi.OperationalError as error:
                reason = str(error).splitlines()[0]
                if time.monotonic() > end:
                    gave_up(reason)
                    raise
                if not message:
                    _log.warning("the study's database does not answer, waiting for it: %s", reason)
                message = True
                time.sleep(PAUSE_S)


class SearchLock:
    """A lock of the server on one study. It lasts as long as its connection, and is taken again if that breaks.

    The server frees it when the process dies, and within about a minute when its machine is cut off.

    Attributes:
        failure: Why it can't be held any more.
    """

    def __init__(self, url: URL, study: str, settings: dict[str, Any]) -> None:
        self.study, self.key = study, advisory_key(f"search {study}")
        self.engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=settings)
        self.connection: Connection | None = None
        self.session: tuple[Any, ...] = ()
        self.failure: EcgTuneError | None = None

    def hold(self) -> None:
        """Take the lock, or make sure that it is still held.

        Raises:
            StudyError: Another search holds it.
        """
        if self.connection is not None:
            with suppress(DBAPIError):
                self.connection.execute(text("SELECT 1"))
                return
            self.release()
        connection = self.engine.connect()
        if not self._taken(connection):
            name = next((str(name) for *_, name in self._holders(connection) if name), "another machine")
            connection.close()
            self.failure = StudyError(f"another search is running on study {self.study!r} ({name}): wait for it, or stop it first")
            raise self.failure
        if not self.session:
            be_patient(self.engine, self.gave_up)
        self.connection, self.session = connection, tuple(connection.execute(text(SELF)).one())

    def gave_up(self, reason: str) -> None:
        """Take in that the server did not come back."""
        self.failure = WorkFailedError(f"the study's database did not answer for {PATIENCE_S:.0f} s: {reason}; the same command goes on")

    def held(self) -> bool:
        """Return whether any search holds the lock."""
        with self.engine.connect() as connection:
            return bool(self._holders(connection))

    def release(self) -> None:
        """Let go of the lock."""
        if self.connection is not None:
            with suppress(DBAPIError):
                self.connection.close()
            self.connection = None

    def _taken(self, connection: Connection) -> bool:
        """Try to take the lock; from our own earlier connection too, if only the server believes in that."""
        for _ in range(TRIES):
            if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self.key}).scalar():
                return True
            if not any(tuple(session) == self.session for *session, _ in self._holders(connection)):
                return False
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": self.session[0]})
            time.sleep(PAUSE_S)
        return False

    def _holders(self, connection: Connection) -> Sequence[Any]:
        return connection.execute(text(HOLDER), {"key": self.key}).all()


def advisory_key(name: str) -> int:
    """Return PostgreSQL's number for a lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(f"ecg-tune {name}".encode()).digest()[:8], signed=True)
