"""The URL of a database: as users write it, as it is checked, as it is shown."""

from __future__ import annotations

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ecg_tune.errors import ConfigError

DRIVER = "postgresql+psycopg"
SECRETS = ("password", "sslpassword")


def server_url(given: str, *, where: str = "") -> URL:
    """Return a user's URL of a PostgreSQL database.

    Raises:
        ConfigError: Not such a URL, without a database, or with a password.
    """
    example = "give postgresql://USER@HOST:PORT/DATABASE"
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"{where}{_masked(given)!r} is not the URL of a database: {example}") from error
    if url.password is not None or not url.query.keys().isdisjoint(SECRETS):
        query = {name: value for name, value in url.query.items() if name not in SECRETS}
        bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query).render_as_string()
        raise ConfigError(f"{where}{bare} was given with a password: leave it out and set PGPASSWORD, or write it into ~/.pgpass")
    if url.drivername not in ("postgresql", DRIVER):
        raise ConfigError(
            f"{where}{_masked(given)!r} is not a PostgreSQL database: {example}; without --storage the study is a file in its folder"
        )
    if not url.database:
        raise ConfigError(f"{where}{_masked(given)!r} names no database: {example}")
    return url.set(drivername=DRIVER)


def shown(url: URL) -> str:
    """Return a database's URL as users write it, or the path of a file."""
    return str(url.database) if not on_server(url) else url.set(drivername="postgresql").render_as_string()


def on_server(url: URL) -> bool:
    """Return whether a database is on a PostgreSQL server."""
    return url.drivername == DRIVER


def _masked(given: str) -> str:
    """Leave out what may be a password, also where the text is no URL of a server."""
    return re.sub(r":[^:/@]*@", ":***@", given)
