"""What went wrong with a study's database, in one line: the machine is at fault, or the server, or what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ecg_tune.errors import EcgTuneError, StudyError, UsageError, WorkFailedError
from ecg_tune.study.server_url import on_server, shown

FAULTS = {
    "database is locked": "another program holds it (an open sqlite3, a copy or backup that runs): let it end",
    "disk is full": "make room on its disk",
    "readonly database": "make it and its folder writable",
    "disk I/O error": "look at its disk, or at the network folder that it lies on",
    "unable to open database file": "its folder must be there, and writable",
}
"""What SQLite says of a fault of the machine, and what to do."""
CHECK_SERVER = "check that its server runs, that the database exists (`createdb`), and that PGPASSWORD or ~/.pgpass let this user in"
REMEDIES = {
    'invalid connection option "require_auth"': "libpq is older than 16: pip install 'psycopg[binary]'",
    "authentication method requirement": "no password is sent in a form that others can read or use: let the server ask by "
    "scram-sha-256 (pg_hba.conf), or add ?sslmode=verify-full to the address where it has a certificate",
}
"""Part of what the driver says → what to do; for all else `CHECK_SERVER`."""

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, AssertionError)
"""What Optuna raises when its tables hold what it has not written."""


@contextmanager
def damage_said(url: URL) -> Iterator[None]:
    """Say in one line that a database could not be read.

    Raises:
        StudyError: Instead of what SQL or Optuna raises, also when the tables hold what Optuna has not written.
    """
    try:
        yield
    except UsageError:
        raise
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise unreadable(url, error) from error
    except UNREADABLE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StudyError(f"{shown(url)} is damaged ({reason}): take a copy that is whole") from error


@contextmanager
def work_failure_said(url: URL) -> Iterator[None]:
    """Say in one line why the work on a study could not go on: its database, or a disk.

    Raises:
        WorkFailedError: Instead of what SQL, Optuna or the system raises.
    """
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise WorkFailedError(f"{shown(url)}: {_fault(url, error)}; the same command resumes the search") from error
    except OSError as error:
        thing = error.filename or "the disk"
        raise WorkFailedError(f"{thing}: {error.strerror}: put that right; the same command resumes the search") from error


def _fault(url: URL, error: BaseException) -> str:
    """Say why a database did not work while it was in use, and what to do."""
    reason = _reason(error)
    if not on_server(url) and not Path(str(url.database)).exists():
        return "it was moved or deleted while it was in use: put it back"
    return f"{reason}: {next((remedy for text, remedy in FAULTS.items() if text in reason), 'put that right')}"


def unreadable(url: URL, error: BaseException) -> EcgTuneError:
    """Return what to tell of a database that did not work: the machine is at fault, or what is there."""
    reason = _reason(error)
    if not on_server(url) and any(text in reason for text in FAULTS):
        return WorkFailedError(f"{url.database}: {_fault(url, error)}, then try again")
    if not on_server(url):
        return StudyError(f"{url.database} can't be read: {reason}")
    remedy = next((remedy for sign, remedy in REMEDIES.items() if sign in reason), CHECK_SERVER)
    return StudyError(f"{shown(url)} can't be used: {reason}: {remedy}")


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost reason: what the database or its driver said."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
