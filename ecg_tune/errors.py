"""The project's errors: one small tree.

::

    EcgTuneError
    ├── UsageError (ValueError)            the user's input can't be used: exit code 2
    │   ├── DataError                      a data folder, table, record or label can't be used
    │   │   └── DamagedRecordError         one record's files are missing, cut, changed or mislabelled
    │   ├── ConfigError                    a setting has an unknown name or a value out of range
    │   └── StudyError                     a study doesn't exist, doesn't fit, or is in use
    │       └── UnknownServerError         a study's folder names a database that the user has not named
    ├── SealedTestError (PermissionError)  code asked for the test split without ``open_test``
    ├── NonFiniteLossError (ArithmeticError)  a loss or score is NaN or infinite
    ├── StoppedError                       the user interrupted the work: exit code 130
    └── WorkFailedError (RuntimeError)     valid work failed while it ran: exit code 1
"""

from __future__ import annotations


class EcgTuneError(Exception):
    """Base of every error this project raises on purpose."""


class UsageError(EcgTuneError, ValueError):
    """The user's input can't be used; the message names the value and the remedy."""


class DataError(UsageError):
    """A data folder, table, record or label can't be used."""


class DamagedRecordError(DataError):
    """One record's files are missing, cut, changed or mislabelled."""


class ConfigError(UsageError):
    """A setting has an unknown name or a value out of range."""


class StudyError(UsageError):
    """A study does not exist, does not fit the command, or is in use by another process."""


class UnknownServerError(StudyError):
    """A study's folder names the address of a database that the user has not named yet.

    Attributes:
        address: The URL, without a password.
    """

    def __init__(self, message: str, address: str) -> None:
        super().__init__(message)
        self.address = address


class SealedTestError(EcgTuneError, PermissionError):
    """Code asked for the test split without ``open_test``, which is the only way to it."""


class NonFiniteLossError(EcgTuneError, ArithmeticError):
    """A training loss, validation loss or score is NaN or infinite."""


class StoppedError(EcgTuneError):
    """The user interrupted the work; the message says how to resume it."""


class WorkFailedError(EcgTuneError, RuntimeError):
    """The input was valid, but the work failed while it ran: a full disk, a lost machine, a cluster that refuses."""
