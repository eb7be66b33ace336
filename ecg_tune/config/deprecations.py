"""Old names of settings: files, flags and studies that use them are still read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ecg_tune.config.parsing import from_dict
from ecg_tune.config.search import SearchSettings
from ecg_tune.errors import ConfigError

RENAMED: Mapping[str, str] = {
    "gpu_share": "gpus_per_trial",  # its only value was "auto"
    "silence_s": "stall_timeout_s",
}
"""Old name of a setting of a search → its name now."""


def rename_settings(data: Mapping[str, Any], message: Callable[[str, str], None] = lambda old, new: None) -> dict[str, Any]:
    """Give settings their names of today.

    Args:
        data: Settings by name, old names among them; those without a value (None) are dropped.
        message: Is told each old name that was used, and the new one.

    Raises:
        ConfigError: A setting is given by its old and its new name.
    """
    renamed = {name: value for name, value in data.items() if name not in RENAMED}
    for old, new in RENAMED.items():
        if (value := data.get(old)) is None:
            continue
        if renamed.get(new) is not None:
            raise ConfigError(f"{old}={value!r} and {new}={renamed[new]!r} are the same setting: give {new} only")
        message(old, new)
        renamed[new] = value
    return renamed


def warn_deprecated(old: str, new: str) -> None:
    """Tell the user what to use instead of an old name."""
    print(f"ecg-tune: {old} is deprecated, use {new}", file=sys.stderr)


def stored_settings(data: Mapping[str, Any], names: Iterable[str] | None = None) -> SearchSettings:
    """Build settings from what a study stores, also under the names of older versions.

    Args:
        data: Setting → value.
        names: Settings to take, in their names of today; None takes all.

    Raises:
        ConfigError: They were changed by hand, or a newer version wrote them.
    """
    renamed = {"space_version": 1, **rename_settings(data)}  # before it was a setting there was one
    return from_dict(SearchSettings, renamed if names is None else {name: renamed[name] for name in names if name in renamed})
