"""The live page's server, asked by strangers through raw sockets: each gets an answer or an end, and browsers get their page meanwhile."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from analysis.dashboard import bounded_server
from analysis.dashboard.live_server import LiveServer
from tests.analysis.dashboard.test_live import make

pytestmark = pytest.mark.slow
SHORT_S = 0.5
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_server, "READ_S", SHORT_S)
    monkeypatch.setattr(bounded_server, "WRITE_S", SHORT_S)


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def server(request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[LiveServer]:
    """Run a server on loopback, and one with a token. It must have said nothing, and its threads must end."""
    make(tmp_path / "study")
    before = threading.active_count()
    with LiveServer([tmp_path / "study"], host=request.param) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        assert page(running).startswith(b"HTTP/1.1 200 OK\r\n")
        assert wait_for(lambda: threading.active_count() <= before + 1)
        running.shutdown()
        thread.join()
    assert capfd.readouterr() == ("", "")


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def connect(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=PATIENCE_S)


def all_of(connection: socket.socket) -> bytes:
    """Read until the server ends the connection."""
    answer = b""
    with suppress(ConnectionResetError):  # it ended without reading all that was sent
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


def ask(server: LiveServer, request: bytes) -> bytes:
    with connect(server) as connection:
        with suppress(OSError):  # it has heard enough
            connection.sendall(request)
        return all_of(connection)


def page(server: LiveServer) -> bytes:
    query = f"?token={server.token}".encode() if server.token else b""
    return ask(server, b"GET /" + query + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")


HOST = b"Host: 127.0.0.1\r\n"
GARBAGE = {  # what is sent; what the answer may begin with: b"" for none
    "nothing": (b"", ()),
    "an empty line": (b"\r\n", (b"HTTP/1.1 400", b"")),
    "zeros": (bytes(1000), (b"HTTP/1.1 400", b"")),
    "all bytes": (bytes(range(256)) * 10, (b"HTTP/1.1 400", b"")),
    "random bytes": (os.urandom(5000), (b"HTTP/1.1 4", b"400", b"")),
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(509), (b"HTTP/1.1 400", b"")),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (b"HTTP/1.1 505", b"505")),
    "HTTP/0.9": (b"GET /\r\n", (b"Th",)),
    "HTTP/0.9 by another method": (b"POST /\r\n", (b"400",)),
    "no version": (b"GET / HTTP/\r\n" + HOST + b"\r\n", (b"HTTP/1.1 400", b"400")),
    "a huge version": (b"GET / HTTP/" + b"9" * 5000 + b".1\r\n\r\n", (b"HTTP/1.1 400", b"400")),
    "four words": (b"GET / b HTTP/1.1\r\n\r\n", (b"HTTP/1.1 400", b"400")),
    "a header without a colon": (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", (b"HTTP/1.1 ",)),
    "a header in binary": (b"GET / HTTP/1.1\r\n\xff\xfe: \x00\r\n\r\n", (b"HTTP/1.1 403",)),
    "a host that is none": (b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", (b"HTTP/1.1 403",)),
    "another host": (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", (b"HTTP/1.1 403",)),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + HOST + b"\r\n", (b"HTTP/1.1 403",)),
    "a wrong token": (b"GET /?token=wrong HTTP/1.1\r\nHost: evil.example\r\n\r\n", (b"HTTP/1.1 403",)),
    "a token in another script": ("GET /?token=\u00e9\u0661 HTTP/1.1\r\nHost: e.org\r\n\r\n".encode(), (b"HTTP/1.1 403",)),
    "a token that is half a character": (b"GET /?token=%ff%c3 HTTP/1.1\r\nHost: e.org\r\n\r\n", (b"HTTP/1.1 403",)),
    "POST": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nGET / HTT", (b"HTTP/1.1 405",)),
    "DELETE": (b"DELETE / HTTP/1.1\r\n" + HOST + b"\r\n", (b"HTTP/1.1 405",)),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", (b"HTTP/1.1 405",)),
    "a method of no one": (b"%n%n%s / HTTP/1.1\r\n\r\n", (b"HTTP/1.1 405",)),
    "a huge path": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", (b"HTTP/1.1 431", b"431", b"")),
    "a huge header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", (b"HTTP/1.1 431", b"")),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 100_000 + b"\r\n", (b"HTTP/1.1 431", b"")),
    "101 headers": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 101 + b"\r\n", (b"HTTP/1.1 431",)),
    "a body": (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\nx", (b"HTTP/1.1 200", b"HTTP/1.1 403")),
    "a body in chunks": (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nz\r\n", (b"HTTP/1.1 200", b"HTTP/1.1 403")),
    "asked to send a body": (b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n", (b"HTTP/1.1 100",)),
}
PATHS = [
    "/../../../etc/passwd",
    "/..%2f..%2f..%2fetc/passwd",
    "/%2e%2e/study.db",
    "/study.db",
    "//etc/passwd",
    "/1/",
    "/news/",
    "/\\..\\x",
    "/%00",
    "/\u2028",
    "//[",
    "http://[::1",
    "http://evil.example/x",
    "*",
    "/;a=b;c=d/x",
    "/x#y",
]
SINCE = ["", "x", "a.b.c", ".1", "\u00b2", "-1", "9" * 5000, "%00", "1e9"]


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_answered_quietly(case, server):
    sent, beginnings = GARBAGE[case]
    with connect(server) as connection:
        with suppress(OSError):  # it has heard enough
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        answer = all_of(connection)
    assert answer.startswith(beginnings) if answer else b"" in beginnings or not sent, answer[:200]
    assert b"Traceback" not in answer


@pytest.mark.parametrize("path", PATHS)
def test_there_is_no_page_but_the_study(path, server):
    query = f"?token={server.token}" if server.token else ""
    before, hash_, after = path.partition("#")
    answer = ask(server, f"GET {before}{query}{hash_}{after} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 403")), answer[:200]  # 403: the token stands where it does not count
    assert b"root:" not in answer


@pytest.mark.parametrize("since", SINCE)
def test_news_since_nonsense_is_all_the_news(since, server):
    token = f"&token={server.token}" if server.token else ""
    version = next(iter(server.studies.values())).version.partition(".")[0]
    for given in (since, f"{version}.{since}"):
        answer = ask(server, f"GET /news?since={given}{token} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]


def test_a_request_that_comes_byte_by_byte_is_ended(server):
    with connect(server) as connection:
        connection.settimeout(0.05)
        for _ in range(int(PATIENCE_S / 0.05)):
            with suppress(TimeoutError, OSError):
                connection.sendall(b"G")
                assert connection.recv(1) == b""
                break
        else:
            pytest.fail("it was still listened to")


def test_an_answer_that_nobody_takes_is_ended(server):
    query = f"/?token={server.token}" if server.token else "/"
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET {query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * 10)
        assert wait_for(lambda: server.n_connections == 0)


def test_a_thousand_connections_keep_no_browser_out(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with ExitStack() as stack:
            for number in range(1000):
                connection = stack.enter_context(connect(server))
                connection.sendall(b"GET / HT" if number % 2 else b"")
            assert page(server).startswith(b"HTTP/1.1 200")
            assert server.n_connections <= bounded_server.MAX_CONNECTIONS
            assert threading.active_count() <= bounded_server.MAX_CONNECTIONS + 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_browser_that_says_no_more_still_gets_its_answer(server):
    query = f"/?token={server.token}" if server.token else "/"
    with connect(server) as connection:
        connection.sendall(f"GET {query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        assert all_of(connection).startswith(b"HTTP/1.1 200")


def test_requests_after_each_other_on_one_connection_are_answered(server):
    query = f"/?token={server.token}" if server.token else "/"
    request = f"HEAD {query} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    answers = ask(server, (request + b"\r\n") * 3 + request + b"Connection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200 OK") == 4
