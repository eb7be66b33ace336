"""Real servers on loopback for the time of a block: PostgreSQL, and S3 as moto speaks it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

UNPRIVILEGED = ("postgres", "nobody")
START_S = 60.0
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[Any], *, at_most_s: float = START_S) -> None:
    end = time.monotonic() + at_most_s
    while not condition():
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        assert time.monotonic() < end, f"{process.args} does not answer"
        time.sleep(0.05)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


class PostgreSQL:
    """A server in a scratch folder; anyone on this machine may connect as `postgres`."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.port = binaries, folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user: dict[str, Any] = {}
        if os.getuid() == 0:  # the server refuses to run as root
            name = next(user.pw_name for user in pwd.getpwall() if user.pw_name in UNPRIVILEGED)
            shutil.chown(folder, name)
            self.user = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
        command = [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **self.user)

    def start(self) -> None:
        settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command = [self.binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port), *settings]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self.user)
        wait_until(self.ready, self.process)

    def stop(self) -> None:
        """Stop as an administrator does: sessions are cut off, transactions rolled back."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        self.process.wait(START_S)

    def ready(self) -> bool:
        command = [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """Return what a statement gives, as bare text."""
        command = [
            self.binaries / "psql",
            "-XAtq",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "postgres",
            "-d",
            database,
            "-c",
            statement,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)


def postgresql_binaries() -> Path | None:
    """Return the folder of the server's programs: Debian's newest, else what the PATH has."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4].partition(".")[0]))
    found = shutil.which("initdb")
    return debian[-1].parent if debian else Path(found).resolve().parent if found else None


@contextmanager
def postgresql_running() -> Iterator[PostgreSQL]:
    """Hold a server, or skip the test saying why."""
    binaries = postgresql_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # pytest's own folders are closed to the server's user
    server = PostgreSQL(binaries, folder)
    try:
        server.start()
        yield server
    finally:
        if server.process and server.process.poll() is None:
            server.stop()
        shutil.rmtree(folder)


@dataclass(frozen=True)
class S3:
    """A server with one bucket, `bucket`."""

    port: int

    def uri(self, prefix: str) -> str:
        return f"s3://bucket/{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    def files(self, prefix: str = "") -> dict[str, int]:
        """Return the objects below a prefix and their sizes in bytes."""
        from pyarrow import fs

        files = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{self.port}", scheme="http")
        found = files.get_file_info(fs.FileSelector(f"bucket/{prefix}".rstrip("/"), recursive=True, allow_not_found=True))
        return {info.path.removeprefix("bucket/"): info.size for info in found if info.is_file}


@contextmanager
def s3_running() -> Iterator[S3]:
    """Hold a server; the environment has keys for it."""
    from pyarrow import fs

    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(port), process)
            fs.S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True).create_dir("bucket")
            yield S3(port)
        finally:
            process.kill()
            process.wait()
