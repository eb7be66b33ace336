"""What the command lines of the scripts share: lists in one argument, and one line where what was given can't be used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ecg_tune.errors import UsageError


def run_script(main: Callable[[], None]) -> None:
    """Run a script; data, studies and settings that can't be used, and files that are not there, end it with one line and exit code 2."""
    try:
        main()
    except (UsageError, FileNotFoundError) as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(2)


def numbers(text: str) -> list[int]:
    """Read comma-separated whole numbers above 0, e.g. of `--sizes 200,2000`."""
    words = text.split(",")
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers above 0, separated by commas")
    return [int(word) for word in words]


def names_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Make a function that reads comma-separated names, e.g. of `--families cnn1d,resnet`, each of which must be known."""
    all_known = tuple(known)

    def names(text: str) -> list[str]:
        words = text.split(",")
        if unknown := [word for word in words if word not in all_known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(all_known)}")
        return words

    return names
