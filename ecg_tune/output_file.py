"""Which files a command may write: never in the place of anything but a file, nor over what it reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecg_tune.errors import ConfigError


def check_output(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse a path that no file should be written to. Call it before any work is done.

    Args:
        path: A file that is there will be replaced.
        inputs: What the command reads.

    Raises:
        ConfigError: A folder, a pipe, a device, or one of the inputs.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: give the name of a file")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is a pipe or a device: give the name of a file")
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise ConfigError(f"{path} is read by this command, which would replace it: give another name")
