"""The live pages' server: the standard library's, for a handful of browsers on this machine, or elsewhere with a token.

On loopback it answers only requests that name this machine: a page from the web whose own name was made to point here (DNS
rebinding) names another. Elsewhere it answers only those that bring the token.
"""

from __future__ import annotations

import errno
import gzip
import hmac
import html
import ipaddress
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from analysis.dashboard.figures.style import ABSENT, STATE_NAMES
from analysis.dashboard.live import LiveStudy
from analysis.dashboard.page_assets import style
from ecg_tune.errors import UsageError

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NO_TOKEN = "This page needs its token: open the whole address that `ecg-tune dashboard --serve` printed.\n"
OTHER_NAME = "This server answers on its own machine only: open http://127.0.0.1 with its port.\n"


class LiveServer(ThreadingHTTPServer):
    """Serves the pages of some studies.

    Args:
        folders: The studies'.
        host: Where it listens.
        port: 0 takes a free one.

    Raises:
        UsageError: It can't listen there.
    """

    daemon_threads = True

    def __init__(self, folders: Sequence[Path], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.local = host, _is_loopback(host)
        self.token = "" if self.local else secrets.token_urlsafe(24)
        studies = [LiveStudy(folder) for folder in folders]
        self.studies = {"": studies[0]} if len(studies) == 1 else {f"{place}/": study for place, study in enumerate(studies, 1)}
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(f"port {port} of {host} is taken: give another --port, or 0 for a free one") from error
            raise UsageError(f"--host {host} --port {port} can't be listened on: {error.strerror}") from error

    @property
    def url(self) -> str:
        """What to open in a browser."""
        everywhere = self.host in ("", "0.0.0.0", "::")
        name = socket.gethostname() if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.server_address[1]}/" + (f"?token={self.token}" if self.token else "")

    def refusal(self, host: str, token: str) -> str:
        """Return why a request is not answered, or "".

        Args:
            host: What it calls this server.
            token: What it brings.
        """
        if self.token:
            return "" if hmac.compare_digest(token.encode(), self.token.encode()) else NO_TOKEN
        name = urlsplit(f"//{host}").hostname or ""
        return "" if name in ("localhost", self.host) or _is_loopback(name) else OTHER_NAME

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that went away."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ecg-tune", ""
    timeout = 60
    server: LiveServer

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
        path, (place, slash, rest) = asked.path.removeprefix("/"), asked.path.removeprefix("/").rpartition("/")
        refusal = self.server.refusal(self.headers.get("Host", ""), query.get("token", ""))
        study = self.server.studies.get(place + slash)
        if refusal:
            self._answer(403, "text/plain", refusal)
        elif path == "" and study is None:
            self._answer(200, "text/html", _index(self.server))
        elif study is not None and rest == "":
            home = "../" + _token(self.server) if place else ""
            self._answer(200, "text/html", study.html(home))
        elif study is not None and rest == "news":
            news = study.news(query.get("since", ""))
            self._answer(204 if news is None else 200, "application/json", news or "")
        else:
            self._answer(404, "text/plain", "There is no such page.\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if status != 204:
            if self.server.token and "gzip" in self.headers.get("Accept-Encoding", ""):  # on loopback packing only costs time
                body = gzip.compress(body, compresslevel=4)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests, and so the token, out of the terminal."""


def serve(folders: Sequence[Path], *, host: str, port: int, message: Callable[[str], object] = print) -> None:
    """Serve studies' pages until Ctrl-C.

    Args:
        said: Gets the address to open.

    Raises:
        UsageError: It can't listen there.
    """
    with LiveServer(folders, host=host, port=port) as server:
        message(f"{server.url}\nCtrl-C ends it; searches are not touched")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            message("ended")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(server: LiveServer) -> str:
    """Return what goes after a link's path."""
    return f"?token={quote(server.token)}" if server.token else ""


def _index(server: LiveServer) -> str:
    """Return the page that lists the studies."""
    lines = "".join(_line(f"{place}{_token(server)}", study) for place, study in server.studies.items())
    heads = "".join(f"<th{kind}>{name}</th>" for name, kind in (("Study", ""), ("Trials", ""), ("Best", ' class="n"'), ("Folder", "")))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        '<meta http-equiv="refresh" content="30"><link rel="icon" href="data:,">'
        f"<title>Studies · ecg-tune</title><style>{style()}</style></head>\n<body><header><h1>Studies</h1></header>"
        f'<main><div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div></main></body></html>\n'
    )


def _line(link: str, study: LiveStudy) -> str:
    study.refresh()
    known = study.summary
    name = known.name if known else study.folder.name
    counts = ", ".join(f"{count:,} {STATE_NAMES[state]}" for state, count in known.counts.items()) if known else "not read yet"
    best = f"{known.best.value:.4f}" if known and known.best else ABSENT
    synthetic = ' <span class="tag">SYNTHETIC</span>' if known and known.synthetic else ""
    message = f'<br><span class="soft">{html.escape(study.notice)}</span>' if study.notice else ""
    return (
        f'<tr><td><a href="{html.escape(link)}">{html.escape(name)}</a>{synthetic}</td><td>{html.escape(counts or "none")}{message}</td>'
        f'<td class="n">{best}</td><td>{html.escape(str(study.folder))}</td></tr>'
    )
