"""Fetch files over HTTP: verified, retried, and refused in one line that names the file, what happened and the remedy.

A file is held in memory until its SHA-256 is the listed one, so that wrong bytes never reach the disk. Proxies, `~/.netrc`
and certificate bundles come from the environment, as `requests` reads them.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3.exceptions

from ecg_tune.data.download.failures import FailedTryError, UnavailableFileError, reason_of
from ecg_tune.data.download.listing import PublishedFile
from ecg_tune.errors import ConfigError, DataError, StoppedError

CONNECT_TIMEOUT_S, STALL_TIMEOUT_S = 10.0, 20.0
SLOWEST_BYTES_PER_S = 1000
TRIES, WRONG_TRIES = 6, 2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 120.0
MOST_REDIRECTS = 5
MOST_BYTES = 64 * 1024**2
"""Larger than any file of PTB-XL; a server that sends more is not what it should be."""
CHUNK_BYTES = 256 * 1024
BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
LATER = "run the same command again later, it fetches only what is missing"
OTHER_SERVER = "take another server with --base-url"
STATUS_REMEDIES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "check --base-url and --version",
    HTTPStatus.UNAUTHORIZED: "put the name and the password for this server into ~/.netrc",
    HTTPStatus.FORBIDDEN: f"put a name and a password that may read it into ~/.netrc, or {OTHER_SERVER}",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "put the proxy's name and password into HTTP_PROXY and HTTPS_PROXY",
}


def check_base_url(url: str) -> str:
    """Check the address of a folder on a server, and end it with a slash.

    Raises:
        ConfigError: Not http or https, no host, a wrong port, or with a password, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises on a wrong port
    except ValueError as error:
        raise ConfigError(f"--base-url {url!r} is no address: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"--base-url holds a name or a password for {parts.hostname}: leave them out and put them into ~/.netrc")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or not url.isprintable():
        raise ConfigError(f"--base-url must be a folder such as https://HOST/files/ptb-xl/1.0.3/, but got {url!r}")
    return url.rstrip("/") + "/"


class Client:
    """Downloads files of one folder on a server; many threads may use it at once, each with its own connection.

    Args:
        base_url: From `check_base_url`.

    Attributes:
        base_url: Where the files are; `http` becomes `https` when the server asks for it.
        n_files, n_bytes: What was fetched so far.
        retries: Tries that failed and were repeated.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.n_files = self.n_bytes = self.retries = 0
        self._answered = False
        self._resume_at = 0.0
        self._stop = threading.Event()
        self._own = threading.local()
        self._sessions: list[requests.Session] = []
        self._guard = threading.Lock()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End all threads' waiting, and close the connections."""
        self._stop.set()
        with self._guard:
            for session in self._sessions:
                session.close()

    def fetch(self, file: PublishedFile) -> bytes:
        """Download one file and verify it; what fails is tried again, after longer and longer pauses.

        Raises:
            UnavailableFileError: The server does not have this file, or twice sent other bytes than the listed ones.
            DataError: The server can't be reached, doesn't answer properly, or redirects elsewhere.
            StoppedError: The client was closed meanwhile.
        """
        url, n_tries, n_wrong = f"{self.base_url}{quote(file.name)}", 0, 0
        while True:
            n_tries += 1
            self._wait()
            try:
                content = self._get(url)
            except FailedTryError as failure:
                if failure.no_connection and not self._answered:
                    raise DataError(f"{url}: {failure}: check --base-url, the network and the proxy settings") from failure
                self._plan_retry(url, n_tries, failure)
                continue
            digest = hashlib.sha256(content).hexdigest()
            if file.sha256 in (None, digest):
                with self._guard:
                    self.n_files, self.n_bytes = self.n_files + 1, self.n_bytes + len(content)
                return content
            n_wrong += 1
            if n_wrong == WRONG_TRIES:
                raise UnavailableFileError(
                    f"{url} came {WRONG_TRIES} times with a wrong SHA-256 ({digest[:12]}…, listed is {str(file.sha256)[:12]}…): {LATER}, "
                    f"or {OTHER_SERVER}"
                )
            self._plan_retry(url, n_tries, FailedTryError("wrong SHA-256", pause_s=0.0))

    def _plan_retry(self, url: str, n_tries: int, failure: FailedTryError) -> None:
        """Plan the pause before the next try, for all threads where the server asked for it; give up after the last."""
        if n_tries == TRIES:
            raise DataError(f"{url}: {failure} (tried {TRIES} times): {LATER}, or {OTHER_SERVER}") from failure
        pause_s = min(FIRST_PAUSE_S * 2 ** (n_tries - 1) * random.uniform(0.75, 1.25), LONGEST_PAUSE_S)
        with self._guard:
            self.retries += 1
            if failure.pause_s is not None:
                pause_s = min(failure.pause_s, LONGEST_PAUSE_S)
                self._resume_at = max(self._resume_at, time.monotonic() + pause_s)
        self._stop.wait(pause_s)

    def _wait(self) -> None:
        """Wait while the server wants to be left alone."""
        while (left_s := self._resume_at - time.monotonic()) > 0 and not self._stop.is_set():
            self._stop.wait(left_s)
        if self._stop.is_set():
            raise StoppedError("the download was stopped")

    def _get(self, url: str) -> bytes:
        """Request an address once, following redirects on the same host."""
        start = url
        for _ in range(MOST_REDIRECTS + 1):
            try:
                with self._send(url) as response:
                    self._answered = True
                    if not response.is_redirect:
                        self._check_status(url, response)
                        return self._body(url, response)
                    url = self._redirected(url, response.headers["Location"])
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise self._failed(start, url, error) from error
        raise DataError(f"{start} is redirected more than {MOST_REDIRECTS} times: check --base-url")

    def _send(self, url: str) -> requests.Response:
        """Send one request. `Session.send` itself would read the whole body of a redirect, however long it is."""
        session = self._session()
        return session.get_adapter(url).send(
            session.prepare_request(requests.Request("GET", url)),
            stream=True,
            timeout=(CONNECT_TIMEOUT_S, STALL_TIMEOUT_S),
            verify=session.verify,
            proxies=session.proxies,
        )

    def _session(self) -> requests.Session:
        """Return this thread's session: one connection, kept open from file to file."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.headers.update({"User-Agent": "ecg-tune", "Accept-Encoding": "identity"})
            settings = session.merge_environment_settings(self.base_url, {}, None, None, None)
            session.proxies, session.verify = settings["proxies"], settings["verify"]
            session.auth = requests.utils.get_netrc_auth(self.base_url)
            session.trust_env = False  # requests would read all this again for every file, a quarter of its time
            with self._guard:
                self._sessions.append(session)
        return session

    def _check_status(self, url: str, response: requests.Response) -> None:
        """Let 200 pass; try again what may pass, and refuse the rest with its remedy."""
        code = response.status_code
        if code == HTTPStatus.OK:
            return
        phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else ""  # the server's own words are not shown
        status = f"the server answers HTTP {code} {phrase}".rstrip()
        if code in BUSY or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise FailedTryError(status, pause_s=_retry_after_s(response.headers.get("Retry-After")))
        raise UnavailableFileError(f"{url}: {status}: {STATUS_REMEDIES.get(code, OTHER_SERVER)}")

    def _body(self, url: str, response: requests.Response) -> bytes:
        """Read a response, and give up on one that stalls, trickles or never ends."""
        content, started = bytearray(), time.monotonic()
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            content += chunk
            seconds = time.monotonic() - started
            if len(content) > MOST_BYTES:
                raise DataError(f"{url} is larger than {MOST_BYTES // 1024**2} MiB, which no file of PTB-XL is: check --base-url")
            if seconds > STALL_TIMEOUT_S + len(content) / SLOWEST_BYTES_PER_S:
                raise FailedTryError(f"only {len(content)} bytes came in {seconds:.0f} s")
            if self._stop.is_set():
                raise StoppedError("the download was stopped")
        return bytes(content)

    def _redirected(self, url: str, location: str) -> str:
        """Follow a redirect on the same host, or from http to https there; refuse all others."""
        try:
            target = urljoin(url, location)
            old, new = urlsplit(url), urlsplit(target)
            same_server = (old.scheme, old.netloc) == (new.scheme, new.netloc)
            upgraded = (old.scheme, new.scheme) == ("http", "https") and old.hostname == new.hostname and new.username is None
        except ValueError:
            same_server = upgraded = False
        if not same_server and not upgraded:
            raise DataError(
                f"{url} is redirected to another server, {location[:200]!r}: not followed; if you trust it, give its folder with --base-url"
            )
        if upgraded and url.startswith(self.base_url) and target.endswith(url.removeprefix(self.base_url)):
            self.base_url = target.removesuffix(url.removeprefix(self.base_url))
        return target

    def _failed(self, start: str, url: str, error: Exception) -> DataError | FailedTryError:
        """Turn an error of requests into a try to repeat, or into one that ends the download."""
        reason = reason_of(error)
        text = reason.text if url == start else f"redirected to {url}, {reason.text}"
        return DataError(f"{start}: {text}") if reason.permanent else FailedTryError(text, no_connection=reason.no_connection)


def _retry_after_s(header: str | None) -> float | None:
    """Parse `Retry-After`, seconds or a date; None where it is missing or wrong."""
    if header is None:
        return None
    with suppress(ValueError, OverflowError):
        return max(0.0, float(int(header)))
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None
