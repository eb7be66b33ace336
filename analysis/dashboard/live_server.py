"""The server of live pages, for a few browsers on this machine, or on others with a token.

On loopback it answers only requests that name this machine: a page from the web whose own name was made to point here (DNS
rebinding) names another. Elsewhere it answers only those that bring the token.
"""

from __future__ import annotations

import errno
import gzip
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from analysis.dashboard.bounded_server import BoundedHandler, BoundedServer
from analysis.dashboard.figures.style import ABSENT
from analysis.dashboard.header import states_text
from analysis.dashboard.live import LiveStudy
from analysis.dashboard.page_assets import style
from analysis.templating import Markup, render
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


class LiveServer(BoundedServer):
    """Serves the pages of some studies.

    Args:
        folders: Of the studies.
        host: Where it listens.
        port: 0 takes a free one.

    Raises:
        UsageError: It can't listen there.
    """

    def __init__(self, folders: Sequence[Path], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.local = host, _is_loopback(host)
        self.token = "" if self.local else secrets.token_urlsafe(24)
        studies = [LiveStudy(folder) for folder in folders]
        self.studies = {"": studies[0]} if len(studies) == 1 else {f"{number}/": study for number, study in enumerate(studies, 1)}
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
        """Address to open in a browser."""
        everywhere = self.host in ("", "0.0.0.0", "::")
        name = socket.gethostname() if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.server_address[1]}/" + (f"?token={self.token}" if self.token else "")

    def refusal(self, host: str, token: str) -> str:
        """Decide whether to answer a request; return why not, or "".

        Args:
            host: The name by which the request calls this server.
            token: The token it brings; "" for none.
        """
        if self.token:
            return "" if hmac.compare_digest(token.encode(), self.token.encode()) else NO_TOKEN
        name = _parts(f"//{host}").hostname or ""
        return "" if name in ("localhost", self.host) or _is_loopback(name) else OTHER_NAME


class _Handler(BoundedHandler):
    server: LiveServer

    def answer_get(self) -> None:
        address = _parts(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        path = address.path.removeprefix("/")
        number, slash, page = path.rpartition("/")
        refusal = self.server.refusal(self.headers.get("Host", ""), query.get("token", ""))
        study = self.server.studies.get(number + slash)
        if refusal:
            self._answer(403, "text/plain", refusal)
        elif path == "" and study is None:
            self._answer(200, "text/html", studies_html(self.server.studies, token=self.server.token))
        elif study is not None and page == "":
            home = "../" + _token_query(self.server.token) if number else ""
            self._answer(200, "text/html", study.html(home))
        elif study is not None and page == "news":
            news = study.news(query.get("since", ""))
            self._answer(204 if news is None else 200, "application/json", news or "")
        else:
            self._answer(404, "text/plain", "There is no such page.\n")

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


def serve(folders: Sequence[Path], *, host: str, port: int, message: Callable[[str], object] = print) -> None:
    """Serve studies' pages until Ctrl-C.

    Args:
        message: Gets the address to open, and "ended".

    Raises:
        UsageError: It can't listen there.
    """
    with LiveServer(folders, host=host, port=port) as server:
        message(f"{server.url}\nCtrl-C ends it; searches are not touched")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            message("ended")


def _parts(address: str) -> SplitResult:
    """Split an address into its parts; what is no address has a path that no page has, and no host."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "none", "", "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Line(NamedTuple):
    """A study in the list of studies, as text."""

    link: str
    name: str
    synthetic: bool
    counts: str
    notice: str
    best: str
    folder: str


def studies_html(studies: Mapping[str, LiveStudy], *, token: str) -> Markup:
    """Render the page that lists the studies.

    Args:
        studies: Path of its page → study.
        token: What every link brings; "" when none is needed.
    """
    lines = [_line(f"{path}{_token_query(token)}", study) for path, study in studies.items()]
    return render("analysis.dashboard", "studies.html", style=Markup(style()), studies=lines)


def _line(link: str, study: LiveStudy) -> _Line:
    study.refresh()
    summary = study.summary
    counts = states_text(summary, search_running=study.running) if summary else "not read yet"
    return _Line(
        link,
        name=summary.name if summary else study.folder.name,
        synthetic=summary is not None and summary.attributes.synthetic,
        counts=counts or "none",
        notice=study.notice,
        best=f"{summary.best.value:.4f}" if summary and summary.best else ABSENT,
        folder=str(study.folder),
    )


def _token_query(token: str) -> str:
    """Write the query of a link that carries the token; "" without a token."""
    return f"?token={quote(token)}" if token else ""
