"""The database addresses that this user has named. A study's folder may come from elsewhere, and name any server.

They stand in `known_databases` in the user's config folder (XDG_CONFIG_HOME, else ~/.config), one a line, as in ssh's
known_hosts. Who can't write there is asked once a process.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

FILE = "known_databases"
LARGEST_BYTES = 2**20

_named: set[str] = set()
"""Those named in this process."""
_log = logging.getLogger(__name__)


def is_known_server(address: str) -> bool:
    """Return whether the user has named this address before.

    Args:
        address: URL of a database, without a password.
    """
    return address in _named or address in _remembered()


def name_server(address: str) -> None:
    """Remember an address as named by the user. Where it can't be written down it is known to this process only, and a warning says so.

    Args:
        address: URL of a database, without a password.
    """
    if is_known_server(address):
        return
    _named.add(address)
    try:
        path = known_servers_file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(address + "\n")
    except (OSError, RuntimeError) as error:
        _log.warning("%s is known to this command only: %s", address, error)


def known_servers_file() -> Path:
    """Return the file of the addresses; it need not exist.

    Raises:
        RuntimeError: There is neither XDG_CONFIG_HOME nor a home folder.
    """
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (folder if folder.is_absolute() else Path.home() / ".config") / "ecg-tune" / FILE


def _remembered() -> set[str]:
    with suppress(OSError, RuntimeError):
        path = known_servers_file()
        if path.is_file() and path.stat().st_size <= LARGEST_BYTES:
            return set(path.read_text(encoding="utf-8", errors="replace").splitlines())
    return set()
