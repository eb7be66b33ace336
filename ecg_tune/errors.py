"""The project's errors: one small tree.

::

    EcgTuneError
    ├── UsageError (ValueError)            what the user gave can't be used: exit code 2
    │   ├── DataError                      a data folder, table, record or label that can't be used
    │   │   └── DamagedRecordError         one record's files are missing, cut, changed or mislabelled
    │   ├── ConfigError                    a setting with an unknown name or a value out of range
    │   └── StudyError                     a study that doesn't exist, doesn't fit, or is in use
    ├── SealedTestError (PermissionError)  somebody reached for the test part without ``open_test``
    ├── NonFiniteLossError (ArithmeticError)  training met a loss or score that is not a number
    ├── StoppedError                       the user interrupted the work: exit code 130
    └── WorkFailedError (RuntimeError)     the work itself failed: exit code 1
"""

from __future__ import annotations


class EcgTuneError(Exception):
    """Base of every error this project raises on purpose."""


class UsageError(EcgTuneError, ValueError):
    """What the user gave can't be used; the message names the value and the remedy."""


class DataError(UsageError):
    """A data folder, table, record or label can't be used."""


class DamagedRecordError(DataError):
    """One record's files are missing, cut, changed or mislabelled."""


class ConfigError(UsageError):
    """A setting has an unknown name or a value out of range."""


class StudyError(UsageError):
    """A study does not exist, does not fit what is asked of it, or is in use."""


class SealedTestError(EcgTuneError, PermissionError):
    """The test part was reached for without ``open_test``."""


class NonFiniteLossError(EcgTuneError, ArithmeticError):
    """Training met a loss or score that is not a finite number."""


class StoppedError(EcgTuneError):
    """The user interrupted the work; the message says how to go on."""


class WorkFailedError(EcgTuneError, RuntimeError):
    """The work was well asked for and failed all the same."""
