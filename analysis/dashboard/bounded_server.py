"""An HTTP server that strangers can't fill: connections, the time of a request and the size of its head are bounded.

It is the standard library's, which bounds none of these. The bounds hold before a request is looked at, so also without its token.
"""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 16_384
READ_S, WRITE_S = 15.0, 60.0
"""Seconds for a whole request to arrive, and for its answer to be taken."""
ROOM_S = 1.0
"""Seconds to wait for an ended connection's thread, before a new connection is turned away."""


class BoundedServer(ThreadingHTTPServer):
    """Serves at most `MAX_CONNECTIONS` at once. Where all are taken, the one that has waited longest for its request is ended.

    Attributes:
        n_connections: Those that are served now.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BoundedHandler]) -> None:
        self._deadlines: dict[socket.socket, float] = {}
        self._waiting: dict[socket.socket, None] = {}
        self._lock, self._room = threading.Lock(), threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.n_connections = 0
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread, or end the connection where there is no room."""
        if not self._room.acquire(blocking=False):
            with self._lock:
                oldest = next(iter(self._waiting), None)
            if oldest is not None:
                self._end(oldest)
            if not self._room.acquire(timeout=ROOM_S):
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads: the machine's limit
            self._room.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        with self._lock:
            self.n_connections += 1
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.end_wait(request)
            with self._lock:
                self.n_connections -= 1
            self._room.release()

    def begin_wait(self, connection: socket.socket, seconds: float, *, for_request: bool = False) -> None:
        """End a connection that does not `end_wait` in time."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + seconds
            if for_request:
                self._waiting[connection] = None

    def end_wait(self, connection: socket.socket) -> None:
        """Forget a deadline: what was waited for has come."""
        with self._lock:
            self._deadlines.pop(connection, None)
            self._waiting.pop(connection, None)

    def service_actions(self) -> None:
        """End the connections whose time is over; `serve_forever` calls this twice a second or more often."""
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, deadline in self._deadlines.items() if deadline < now]
        for connection in late:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        """Wake the thread that reads or writes a connection; it closes it."""
        self.end_wait(connection)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side was faster
            return

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class BoundedHandler(BaseHTTPRequestHandler, ABC):
    """Reads a request's head as a whole, within its bounds, before it is parsed. Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ecg-tune", ""
    error_message_format, error_content_type = "%(code)d %(message)s\n", "text/plain; charset=utf-8"
    server: BoundedServer

    def handle_one_request(self) -> None:
        """Read one request, and answer it."""
        self.close_connection = True
        self.server.begin_wait(self.connection, READ_S, for_request=True)
        first, rest = self._read_head()
        self.server.end_wait(self.connection)
        if not first:
            return
        self.raw_requestline, stream, self.rfile = first, self.rfile, io.BytesIO(rest)
        self.requestline, self.request_version, self.command = "", "HTTP/1.1", ""  # an error's answer needs them
        try:
            if len(first) + len(rest) > MAX_HEAD_BYTES:
                self.send_error(431)
            elif self.parse_request():
                self._dispatch()
            self.wfile.flush()
        finally:
            self.rfile = stream
            self.server.end_wait(self.connection)

    def _read_head(self) -> tuple[bytes, bytes]:
        """Read a request's first line, and its other lines to the empty one; ("", "") where the other side has gone."""
        lines, size = [], 0
        while size <= MAX_HEAD_BYTES:
            line = self.rfile.readline(MAX_HEAD_BYTES + 1 - size)
            size += len(line)
            if not line:
                return b"", b""
            lines.append(line)
            if line in (b"\r\n", b"\n") or (len(lines) == 1 and len(line.split()) == 2):  # the latter: HTTP/0.9 has no headers
                break
        return lines[0], b"".join(lines[1:])

    def end_headers(self) -> None:
        """Begin to send the answer."""
        self.server.begin_wait(self.connection, WRITE_S)
        super().end_headers()

    def _dispatch(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body is not read: it must not be taken for the next request
        if self.command not in ("GET", "HEAD"):
            self.close_connection = True
            self.send_error(405)
            return
        self.answer_get()

    @abstractmethod
    def answer_get(self) -> None:
        """Answer a GET or a HEAD."""

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests, and so the token, out of the terminal."""
