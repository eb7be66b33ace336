"""Where a study's database is, and how it is opened.

SQLite in the study's folder, `STUDY/study.db`, or a PostgreSQL database whose URL stands in `STUDY/study.url`, never with a
password: that is PGPASSWORD's or ~/.pgpass's. A PostgreSQL database holds any number of studies, each named as its folder.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
from optuna.storages import RDBStorage
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ecg_tune.config.known_servers import is_known_server, name_server
from ecg_tune.errors import StudyError, UnknownServerError, UsageError
from ecg_tune.folder_kinds import STUDY_ADDRESS, STUDY_DATABASE, instead_of_study, is_study
from ecg_tune.storage import LocalStorage
from ecg_tune.study.bulk_reading import BulkReadingStorage
from ecg_tune.study.database_faults import damage_said, unreadable
from ecg_tune.study.database_file import check_file
from ecg_tune.study.postgresql import ServerStorage, advisory_key
from ecg_tune.study.server_url import on_server, server_url, shown

DATABASE, ADDRESS = STUDY_DATABASE, STUDY_ADDRESS
SQLITE_WAIT_S = 60
READING_WAIT_S = 2
"""How long somebody who only looks waits for a search that writes."""

ALIVE = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""So that either side notices a cut network within a minute or so; the system's own time is hours."""
LONGEST_URL = 500
PROVES_ITSELF = ("verify-ca", "verify-full")
"""`sslmode` with which a server must prove who it is, before it gets a password."""
NO_PLAIN_PASSWORD = "scram-sha-256,gss,sspi,none"
"""How else one may log in: by what sends no password that could be read or used again."""
SERVER_ALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


class EmptyDatabaseError(StudyError):
    """A server's database in which nobody has made a study yet."""


def open_study(folder: Path, *, read_only: bool = False) -> optuna.Study:
    """Open the Optuna study of a folder.

    Args:
        read_only: Make nothing, and don't wait long for who writes.

    Raises:
        StudyError: There is none, or its database can't be read.
    """
    if not is_study(folder):
        raise StudyError(f"{folder} is not a study ({DATABASE} is missing): {instead_of_study(folder)}")
    url = database_of(folder)
    study = find_study(folder, url, read_only=read_only)
    if study is None and on_server(url):
        raise StudyError(f"{shown(url)} holds no study named {folder.resolve().name!r}: give the folder the name that its study has there")
    if study is None:
        raise StudyError(f"{folder / DATABASE} is still empty: its search has just begun, or died in its first second; run it (again)")
    return study


def find_study(folder: Path, url: URL, *, read_only: bool = False) -> optuna.Study | None:
    """Open the Optuna study of a folder if its database holds it: a file's only one, or the one of the folder's name on a server.

    Raises:
        StudyError: The database can't be read, or its file holds several.
    """
    if not on_server(url) and not Path(str(url.database)).is_file():
        return None
    try:
        storage = open_database(url, read_only=read_only)
        with damage_said(url):
            names = optuna.get_all_study_names(storage)
    except EmptyDatabaseError:
        return None
    if on_server(url):
        names = [name for name in names if name == folder.resolve().name]
    if len(names) > 1:
        raise StudyError(f"{folder / DATABASE} holds {len(names)} studies ({', '.join(names)}), one was expected")
    with damage_said(url):
        return optuna.load_study(study_name=names[0], storage=storage) if names else None


def database_of(folder: Path, given: str | None = None) -> URL:
    """Return the URL of the database of a study that is there, else the one that was given, else `study.db` in the folder.

    Args:
        given: What the user gave with `--storage`; a server that is named so is known from then on.

    Raises:
        ConfigError: Not a URL of a PostgreSQL database, or one with a password.
        StudyError: The study that is there has another database.
        UnknownServerError: The folder names a server that the user has not named yet: who sent the folder may have put it there.
    """
    wanted, address = server_url(given) if given else None, folder / ADDRESS
    there = _found_url(address) if address.is_file() else None
    if wanted and there and wanted != there:
        raise StudyError(
            f"{folder}'s database is {shown(there)}, --storage says {shown(wanted)}: leave --storage out; if that is the same "
            f"database under a new address, write it into {address}"
        )
    if wanted and not there and (folder / DATABASE).is_file():
        raise StudyError(f"{folder}'s database is its {DATABASE}: leave --storage {shown(wanted)} out, or give another STUDY")
    if there:
        _check_known(there, folder, named=wanted is not None)
    return there or wanted or URL.create("sqlite", database=str(folder / DATABASE))


def _found_url(address: Path) -> URL:
    """Read the URL that a folder holds. It may come from elsewhere: it is one short line of plain characters, or refused."""
    with address.open("rb") as file:
        text = file.read(LONGEST_URL + 1).decode("utf-8", errors="replace").strip()
    if len(text) > LONGEST_URL or not text.isprintable() or " " in text:
        raise StudyError(f"{address} holds no URL of a database: write one line there, postgresql://USER@HOST:PORT/DATABASE")
    return server_url(text, where=f"{address}: ")


def _check_known(url: URL, folder: Path, *, named: bool) -> None:
    if named:
        name_server(shown(url))
    elif not is_known_server(shown(url)):
        raise UnknownServerError(
            f"{folder / ADDRESS} names a database that is new here, {shown(url)}: if you trust it, "
            f"`ecg-tune status {folder} --storage '{shown(url)}'` accepts it, once",
            shown(url),
        )


def remember(folder: Path, url: URL) -> None:
    """Write where a study's database is into its folder, whole or not at all; the user has named it."""
    LocalStorage(folder).write(ADDRESS, lambda file: file.write(f"{shown(url)}\n".encode()))
    name_server(shown(url))


def connection_settings(url: URL) -> dict[str, Any]:
    """Return how to connect to a server, but for what the URL itself says. A password is only sent by SCRAM, or to a verified server."""
    settings = {**ALIVE, "application_name": f"ecg-tune on {socket.gethostname()}"[:63], "options": SERVER_ALIVE}
    settings = {name: value for name, value in settings.items() if name not in url.query}
    verified = url.query.get("sslmode", os.environ.get("PGSSLMODE")) in PROVES_ITSELF
    if not verified or not url.host or "host" in url.query:  # on a Unix socket nothing is verified
        settings["require_auth"] = NO_PLAIN_PASSWORD  # whatever the URL says
    return settings


def open_database(url: URL, *, create: bool = False, read_only: bool = False) -> RDBStorage:
    """Open a database.

    Args:
        create: Make the tables where there are none. Several may do so at once.
        read_only: Make nothing, and don't wait long for who writes.

    Raises:
        UsageError: The driver is not installed.
        StudyError: The server can't be reached, doesn't let us in, has no such database, or what is there can't be read.
    """
    try:
        if not on_server(url):
            check_file(Path(str(url.database)), wait_s=READING_WAIT_S if read_only else SQLITE_WAIT_S)
        if not on_server(url) and read_only:
            there = url.set(database=f"file:{quote(str(url.database))}", query={"mode": "rw", "uri": "true"})  # never makes a file
            return BulkReadingStorage(
                _template(there), engine_kwargs={"connect_args": {"timeout": READING_WAIT_S}}, skip_table_creation=True
            )
        if not on_server(url):
            return BulkReadingStorage(
                _template(url), engine_kwargs={"connect_args": {"timeout": SQLITE_WAIT_S}}, skip_table_creation=not create
            )
        return _on_server(url, create=create)
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError, RuntimeError, sqlite3.DatabaseError) as error:
        raise unreadable(url, error) from error


def _on_server(url: URL, *, create: bool) -> RDBStorage:
    if find_spec("psycopg") is None:
        raise UsageError(f"{shown(url)} needs a driver that is not installed: pip install 'psycopg[binary]'")
    kwargs = {"pool_pre_ping": True, "connect_args": connection_settings(url)}
    engine = create_engine(url, **kwargs)
    try:
        with engine.begin() as connection:
            if create:  # one process at a time: two that both found no tables would collide
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key("tables")})
                RDBStorage(_template(url), engine_kwargs=kwargs).engine.dispose()
            elif not inspect(connection).has_table("version_info"):
                raise EmptyDatabaseError(f"{shown(url)} holds no studies: is it the right database?")
    finally:
        engine.dispose()
    storage = ServerStorage(_template(url), engine_kwargs=kwargs, skip_table_creation=True)
    weakref.finalize(storage, storage.engine.dispose)  # connections are closed, not dropped
    return storage


def _template(url: URL) -> str:
    """Return a URL as Optuna takes it, which looks for placeholders in braces."""
    return url.render_as_string().replace("{", "{{").replace("}", "}}")
