"""A database address in a study's folder may come from elsewhere: nobody is asked for anything before the user has named it."""

from __future__ import annotations

import os
import pty
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ecg_tune.config.known_servers import is_known_server, known_servers_file, name_server
from ecg_tune.study.database import ADDRESS, connection_settings
from ecg_tune.study.server_url import server_url
from ecg_tune.study.study import Study
from tests.commands import ROOT, ecg_tune
from tests.faults.test_settings import check
from tests.servers import PostgreSQL, postgresql_running
from tests.study.test_study import ATTRIBUTES

PASSWORD = "TOPSECRET"
FLAGS = ("--families", "cnn1d", "--profile", "small", "--trials", "1", "--max-epochs", "1", "--address", "127.0.0.1:1")
TLS_ASKED = b"\x04\xd2\x16\x2f"
PLAIN, MD5 = b"R\x00\x00\x00\x08\x00\x00\x00\x03", b"R\x00\x00\x00\x0c\x00\x00\x00\x05salt"


@pytest.fixture(autouse=True)
def no_server_is_known(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setattr("ecg_tune.config.known_servers._named", set())
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


class Listener:
    """A server on loopback that asks for a password in a way of its own, and keeps all that it gets."""

    def __init__(self, question: bytes = PLAIN) -> None:
        self.question, self.got = question, b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, query: str = "") -> str:
        return f"postgresql://mallory@127.0.0.1:{self.port}/d{query}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with closing(connection):
                data = connection.recv(4096)
                if data[4:8] == TLS_ASKED:
                    connection.sendall(b"N")
                    data = connection.recv(4096)
                self.got += data
                connection.sendall(self.question)
                self.got += connection.recv(4096)


@contextmanager
def listening(question: bytes = PLAIN) -> Iterator[Listener]:
    listener = Listener(question)
    with closing(listener.socket):
        yield listener


def sent(folder: Path, url: str | bytes) -> Path:
    """Make a study's folder as somebody else might send it."""
    folder.mkdir()
    (folder / ADDRESS).write_bytes(url if isinstance(url, bytes) else url.encode())
    return folder


COMMANDS = (
    ("status", "{study}"),
    ("status", "{study}", "--json"),
    ("dashboard", "{study}", "--out", "{tmp}/page.html"),
    ("dashboard", "{study}", "--serve", "--port", "0"),
    ("retrain", "{study}", "--data", "{data}"),
    ("retrain", "{study}"),
    ("evaluate", "{study}", "--out", "{tmp}/results"),
    ("preview", "{study}", "--data", "{data}", "--families", "cnn1d", "--profile", "small"),
    ("preview", "{tmp}/new", "--data", "{data}", "--families", "cnn1d", "--profile", "small", "--costs-from", "{study}"),
    ("search", "{study}", "--data", "{data}", *FLAGS),
    ("search", "{tmp}/new", "--data", "{data}", *FLAGS, "--import-study", "{study}"),
    ("pack", "{study}"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_database_that_is_new_here_is_named_and_not_connected_to(words, tmp_path, toy_data):
    with listening() as listener:
        study = sent(tmp_path / "study", listener.url())
        said = ecg_tune(*[word.format(study=study, tmp=tmp_path, data=toy_data.folder) for word in words])
        check(said, longest=640)
        assert f"new here, {listener.url()}: if you trust it" in said.err
        assert f"--storage '{listener.url()}'" in said.err
        assert listener.got == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"], "refused means untouched"
    assert not known_servers_file().exists()


ADDRESSES = [
    "postgresql://me@db.example.org/d",
    "postgresql://me@db.example.org:5433/d?sslmode=disable",
    "postgresql://db.example.org/d",
    "postgresql://me@[::1]:5432/d",
    "postgresql://me@/d?host=/tmp",
    "postgresql://me@/d?host=a&host=b",
    "postgresql://me@/d?service=theirs",
    "postgresql+psycopg://me@db.example.org/d",
    "postgresql://me@host/d?require_auth=password",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_of_any_form_is_asked_about(url, tmp_path):
    said = ecg_tune("status", sent(tmp_path / "study", url))
    check(said, longest=640)
    assert "names a database that is new here" in said.err


NONE = [
    b"",
    b"\n",
    b"\xff\xfe\x00",
    b"text",
    b"postgresql://me@host/d\npostgresql://me@other/d",
    b"postgresql://me@host/d\x1b[2J",
    b"postgresql://me@host/" + b"d" * 10_000,
    b"postgresql://me@host:99999999999999999999/d",
    b"postgresql://me:TOPSECRET@host/d",
    b"postgresql://me@host/d?sslpassword=TOPSECRET",
    b"sqlite:////etc/passwd",
    b"mysql://me@host/d",
    b"file:///etc/passwd",
]


@pytest.mark.parametrize("text", NONE, ids=[str(text[:60]) for text in NONE])
def test_what_is_no_address_is_one_line(text, tmp_path, toy_data):
    study = sent(tmp_path / "study", text)
    for words in (("status", study), ("search", study, "--data", toy_data.folder, *FLAGS)):
        said = ecg_tune(*words)
        check(said, longest=640)
        assert ADDRESS in said.err
        assert PASSWORD not in said.err


@pytest.mark.parametrize("question", [PLAIN, MD5], ids=["plain", "md5"])
@pytest.mark.parametrize("query", ["", "?require_auth=password", "?sslmode=disable", "?sslmode=require&require_auth=md5"])
def test_no_server_gets_a_password_in_clear_text(question, query, tmp_path):
    with listening(question) as listener:
        study = sent(tmp_path / "study", listener.url(query))
        said = ecg_tune("status", study, "--storage", listener.url(query))
        check(said, longest=640)
        assert PASSWORD.encode() not in listener.got
        assert b"md5" not in listener.got
        if "sslmode=require" not in query:  # else it was refused for its lack of TLS before
            assert b"mallory" in listener.got, "it was asked"
            assert "let the server ask by scram-sha-256" in said.err


@pytest.mark.parametrize(
    ("query", "variable", "guarded"),
    [
        ("", None, True),
        ("?sslmode=require", None, True),
        ("?sslmode=verify-ca", None, False),
        ("?sslmode=verify-full", None, False),
        ("?sslmode=verify-full&host=/tmp", None, True),
        ("", "verify-full", False),
        ("?sslmode=prefer", "verify-full", True),
    ],
)
def test_a_password_needs_scram_or_a_server_that_proves_itself(query, variable, guarded, monkeypatch):
    if variable:
        monkeypatch.setenv("PGSSLMODE", variable)
    settings = connection_settings(server_url(f"postgresql://me@host/d{query}"))
    assert ("require_auth" in settings) == guarded
    assert "password" not in settings.get("require_auth", "")


def test_an_address_that_the_user_names_is_known_from_then_on(tmp_path):
    with listening() as listener:
        study = sent(tmp_path / "study", listener.url())
        other = "postgresql://me@other/d"
        assert "--storage says" in ecg_tune("status", study, "--storage", other).err
        assert not is_known_server(listener.url())
        ecg_tune("status", study, "--storage", listener.url())
        assert known_servers_file().read_text() == f"{listener.url()}\n"
        assert stat.S_IMODE(known_servers_file().stat().st_mode) == 0o600
        assert stat.S_IMODE(known_servers_file().parent.stat().st_mode) == 0o700
        assert "new here" not in ecg_tune("status", study).err
        (study / ADDRESS).write_text(listener.url("?sslmode=disable"))
        assert "new here" in ecg_tune("status", study).err, "another address is another server"


@pytest.mark.parametrize("kind", ["a file in the folder's place", "a pipe", "a folder", "garbage"])
def test_a_config_folder_that_can_not_be_used_is_no_obstacle(kind, tmp_path, monkeypatch, caplog):
    config = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    if kind == "a file in the folder's place":
        config.write_text("")
    else:
        known_servers_file().parent.mkdir(parents=True)
        if kind == "a pipe":
            os.mkfifo(known_servers_file())
        elif kind == "a folder":
            known_servers_file().mkdir()
        else:
            known_servers_file().write_bytes(b"\xff\x00" * 1000)
    name_server("postgresql://me@host/d")
    assert is_known_server("postgresql://me@host/d")
    assert ("is known to this command only" in caplog.text) == (kind != "garbage")


@pytest.mark.parametrize(("answer", "asked_again"), [("n\n", True), ("\n", True), ("y\n", False), ("YES\n", False)])
def test_in_a_terminal_it_is_asked_about_once(answer, asked_again, tmp_path):
    with listening() as listener:
        study = sent(tmp_path / "study", listener.url())
        out = in_terminal(["status", str(study)], answer)
        assert f"names a database that is new here:\r\n  {listener.url()}" in out
        assert "Use it, and remember it? [y/N]" in out
        assert ("can't be used" in out) == (not asked_again)
        assert bool(listener.got) == (not asked_again)
        assert PASSWORD.encode() not in listener.got
        assert is_known_server(listener.url()) == (not asked_again)


def in_terminal(words: list[str], answer: str) -> str:
    """Run a command in a terminal of its own, type an answer, and return all that it shows; it must end with code 2."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ecg_tune", *words]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        while chunk := _read(ours):
            if b"[y/N]" in chunk and b"[y/N]" not in shown:
                os.write(ours, answer.encode())
            shown += chunk
        assert process.wait(60) == 2
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with postgresql_running() as running:
        yield running


@pytest.mark.slow
def test_who_makes_a_study_knows_its_server(postgresql, tmp_path):
    url = postgresql.new_database("own")
    Study.create(tmp_path / "study", ATTRIBUTES, storage=url).close()
    said = ecg_tune("status", tmp_path / "study")
    assert (said.code, said.err) == (0, "")
    assert known_servers_file().read_text() == f"{url}\n"


@pytest.mark.slow
@pytest.mark.parametrize(("method", "works"), [("trust", True), ("scram-sha-256", True), ("md5", False), ("password", False)])
def test_real_servers_get_passwords_by_scram_only(method, works, postgresql, tmp_path):
    database, user = f"asked_by_{method[:3]}", f"user_{method[:3]}"
    encryption = "md5" if method == "md5" else "scram-sha-256"
    postgresql.sql(f"SET password_encryption = '{encryption}'; CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    postgresql.new_database(database)
    rules = postgresql.folder / "data" / "pg_hba.conf"
    rules.write_text(f"host {database} {user} 127.0.0.1/32 {method}\nhost all postgres 127.0.0.1/32 trust\n")
    postgresql.sql("SELECT pg_reload_conf()")
    url = postgresql.url(database).replace("postgres@", f"{user}@")
    if works:
        Study.create(tmp_path / "study", ATTRIBUTES, storage=url).close()
        assert ecg_tune("status", tmp_path / "study").code == 0
    else:
        said = ecg_tune("status", sent(tmp_path / "study", url), "--storage", url)
        check(said, longest=640)
        assert "let the server ask by scram-sha-256" in said.err
