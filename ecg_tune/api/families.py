"""Say which installed packages bring a family that can't be used."""

from __future__ import annotations

import sys

from search_spaces import SPACES


def say_refused_families() -> None:
    """Print a line to standard error for each package whose family is refused; a command that uses other families runs on."""
    for reason in SPACES.refusals():
        print(f"ecg-tune: {reason}", file=sys.stderr, flush=True)
