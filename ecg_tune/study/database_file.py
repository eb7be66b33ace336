"""What a study's database file may be. It may come from elsewhere: SQLite itself acts on what lies in it and beside it.

A journal that was left beside a database may name another file, a "super-journal", which SQLite deletes when it has rolled back
(`pager_delsuper`): so any file of the user's. Files beside it may be links, through which it would write. A view in the place of a
table never has to end, and a trigger runs with each write. A search leaves none of these.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from ecg_tune.errors import StudyError

BESIDE = ("-journal", "-wal", "-shm")
SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""What a journal ends with that names another file."""
REMEDY = "the study was changed by hand, or comes from elsewhere: take a copy that is whole"


def check_file(path: Path, *, wait_s: float) -> None:
    """Refuse a database file that SQLite must not open. Nothing is changed, unless a search was killed in the middle of writing.

    Args:
        path: It need not exist.
        wait_s: How long to wait for who writes.

    Raises:
        StudyError: Says what is wrong.
        sqlite3.DatabaseError: It is no database, or can't be read.
    """
    for beside in (path.with_name(path.name + ending) for ending in BESIDE):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(beside.lstat().st_mode):
                raise StudyError(f"{beside} is no plain file: {REMEDY}")
            if beside.name.endswith("-journal") and _end_of(beside) == SUPER_JOURNAL:
                raise StudyError(f"{beside} names another file, which SQLite would delete: {REMEDY}")
    if path.is_file() and path.stat().st_size:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=wait_s)) as database:
            _check_schema(path, database)


def _check_schema(path: Path, database: sqlite3.Connection) -> None:
    """Refuse all but plain tables and indexes."""
    database.execute("PRAGMA trusted_schema = OFF")
    for kind, name, sql in database.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
        if kind not in ("table", "index") or "VIRTUAL" in str(sql).upper().split():
            raise StudyError(f"{path} holds a {kind} {str(name)[:60]!r}, which no search makes: {REMEDY}")
        if kind == "table" and any(hidden for *_, hidden in _columns(database, name)):
            raise StudyError(f"{path} holds computed values in the table {str(name)[:60]!r}, which no search makes: {REMEDY}")


def _columns(database: sqlite3.Connection, table: str) -> Iterable[tuple[object, ...]]:
    return database.execute("SELECT * FROM pragma_table_xinfo(?)", (table,))


def _end_of(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(SUPER_JOURNAL)))
        return file.read()
