"""Find and read the .npy files of a tree in the exchange layout."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ecg_tune.data.array_files import read_array
from ecg_tune.errors import DataError

Progress = Callable[[int, int], None]
BATCH_FILE = re.compile(r"batch_(\d+)\.npy")


def check_links(tree: Path) -> None:
    """Refuse a tree in which a symbolic link leads out of it: what is read is what lies in the folder that was named."""
    root = tree.resolve()
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            try:
                inside = not path.is_symlink() or path.resolve().is_relative_to(root)
            except (OSError, RuntimeError):  # a link that leads to itself
                inside = False
            if not inside:
                raise DataError(f"{path} is a link out of {tree}, to {os.readlink(path)}: copy the file, or name the folder it lies in")


def count_batches(tree: Path, kind: str | None, progress: Progress | None) -> Callable[[], None]:
    """Make a function to call after each batch that was read, so that `progress` learns (files done, files in all).

    Args:
        kind: Folder of the images that are read; None without images.
    """
    folders = [*tree.glob("signals/*"), *(tree.glob(f"images/*/{kind}") if kind else ())]
    done, total = count(1), sum(1 for folder in folders for _ in folder.glob("batch_*.npy"))

    def one_done() -> None:
        if progress is not None:
            progress(next(done), total)

    return one_done


def batch_files(folder: Path) -> Iterator[Path]:
    """List a folder's batches by number; none may be missing."""
    named = [(int(match[1]), path) for path in sorted(folder.glob("batch_*.npy")) if (match := BATCH_FILE.fullmatch(path.name))]
    found = dict(named)
    if len(found) < len(named):
        raise DataError(f"{folder} holds two files of one number, {min(n for n, p in named if found[n] != p)}: keep the right one")
    first = min(found, default=0)
    for number in range(first, first + len(found)):
        if number not in found or first > 1:
            raise DataError(f"{folder}: batch {number if first <= 1 else 0} of {max(found)} is missing: copy it again")
    yield from (found[number] for number in sorted(found))


def load_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Read one plain array of numbers.

    Args:
        mapped: Map the file instead of loading it.

    Raises:
        DataError: It is no plain array, or holds something else than numbers.
    """
    try:
        return read_array(path, mapped=mapped)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read as a plain array ({' '.join(str(error).split())}): write it with numpy.save") from error
