"""Standard output and error that never end the work: what can't be written is said once and dropped."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class PatientStream:
    """Writes to a stream until that fails: a full disk, a closed pipe, a terminal that is gone. Then it drops what it gets.

    A character that the stream's encoding lacks is replaced.

    Attributes:
        failure: Why it failed; None while it works.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failure: str | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        if self.failure is None:
            try:
                self.stream.write(text)
            except (OSError, ValueError) as error:  # ValueError: it was closed
                self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        if self.failure is None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self._drop(error)

    def _drop(self, error: Exception) -> None:
        self.failure = getattr(error, "strerror", None) or str(error)
        with suppress(OSError, ValueError):  # what is still buffered would fail again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def patient_streams() -> list[PatientStream]:
    """Put such streams in the place of standard output and error; those that are closed from the start stay so."""
    patient = []
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is not None:
            patient.append(PatientStream(stream))
            setattr(sys, name, cast(TextIO, patient[-1]))
    return patient


def exit_code(code: int, streams: list[PatientStream]) -> int:
    """Turn success into failure when something could not be printed, and say so where that is possible."""
    for stream in streams:
        stream.flush()
    failures = [stream.failure for stream in streams if stream.failure]
    if failures and code == 0:
        print(f"ecg-tune: done, but not everything could be printed ({failures[0]})", file=sys.stderr)
        return 1
    return code
