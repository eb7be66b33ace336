"""A real HTTP server on loopback that serves a folder, misbehaves on demand, and remembers what it was asked for."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers GET from the server's folder, or as the path's next fault says. A proxy's requests, with a host, are answered alike."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: FileServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        with self.server.guard:
            self.server.asked.append(path)
            self.server.heard.append(dict(self.headers))
            fault = next(self.server.faults.get(path, iter(())), None)
        if self.server.delay_s:
            self.server.ended.wait(self.server.delay_s)
        content = self.server.content.get(path)
        if content is None and (self.server.folder / path).is_file():
            content = (self.server.folder / path).read_bytes()
        if fault is not None:
            fault(self, content or b"")
        elif content is None:
            self.answer(404)
        else:
            self.answer(200, content)

    def do_CONNECT(self) -> None:
        """Be a proxy that tunnels, as for https: any host is this machine."""
        self.server.asked.append(f"CONNECT {self.path}")
        port = self.path.rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(port))) as goal:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            back = threading.Thread(target=relay, args=(goal, self.connection), daemon=True)
            back.start()
            relay(self.connection, goal)
            back.join()
        self.close_connection = True

    def answer(self, status: int, content: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


def relay(source: socket.socket, goal: socket.socket) -> None:
    """Copy what comes until it ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            goal.sendall(data)
        goal.shutdown(socket.SHUT_WR)


Fault = Callable[[Handler, bytes], None]


def status(code: int, **headers: str) -> Fault:
    return lambda handler, content: handler.answer(code, b"no", **headers)


def redirect(location: str) -> Fault:
    return lambda handler, content: handler.answer(302, Location=location)


def wrong_bytes(handler: Handler, content: bytes) -> None:
    handler.answer(200, bytes(byte ^ 1 for byte in content))


def drop(handler: Handler, content: bytes) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def babble(handler: Handler, content: bytes) -> None:
    """Answer with what is no HTTP, and would clear a terminal."""
    handler.wfile.write(b"\x1b[2J\x07\xff hello\r\n\r\n")
    handler.close_connection = True


def truncate(handler: Handler, content: bytes) -> None:
    """Promise the whole file, send half of it and close."""
    handler.answer(200, content[: len(content) // 2], length=len(content))
    handler.close_connection = True


def truncate_without_length(handler: Handler, content: bytes) -> None:
    """Send half of the file as if it were all."""
    handler.answer(200, content[: len(content) // 2])


def stall(handler: Handler, content: bytes) -> None:
    """Accept the request and never answer."""
    handler.server.ended.wait()
    handler.close_connection = True


def stall_half_way(handler: Handler, content: bytes) -> None:
    handler.answer(200, content[: len(content) // 2], length=len(content))
    handler.wfile.flush()
    stall(handler, content)


def trickle(handler: Handler, content: bytes) -> None:
    """Send a byte now and then, so that no single read waits long."""
    handler.answer(200, length=len(content))
    for byte in content:
        handler.wfile.write(bytes([byte]))
        try:
            handler.wfile.flush()
        except OSError:
            break
        if handler.server.ended.wait(0.02):
            break
    handler.close_connection = True


class FileServer(ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        faults: Path → faults of its next requests, in turn.
        content: Path → bytes that are served instead of the folder's.
        asked: Paths in the order of the requests; `heard` has their headers.
        busiest: The most connections that were open at a time.
        delay_s: Pause before every answer.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, Iterator[Fault]] = {}
        self.content: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.heard: list[dict[str, str]] = []
        self.open = self.busiest = 0
        self.delay_s = 0.0
        self.guard, self.ended = threading.Lock(), threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self.guard:
            self.open += 1
            self.busiest = max(self.busiest, self.open)
        super().process_request_thread(request, client_address)
        with self.guard:
            self.open -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away; that is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@contextmanager
def serving(folder: Path, *, certificate: Path | None = None) -> Iterator[FileServer]:
    """Serve a folder while the block runs; with a file of key and certificate, over TLS."""
    server = FileServer(folder)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(condition: Callable[[], bool], *, at_most_s: float = 30.0) -> None:
    end = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
