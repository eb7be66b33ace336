"""What can go wrong between here and a server, in words that a user can act on."""

from __future__ import annotations

import socket
import ssl
from typing import NamedTuple

import requests
import urllib3.exceptions

from ecg_tune.errors import DataError


class UnavailableFileError(DataError):
    """The server does not have one file, or has other bytes than its listing says; the others may still come."""


class FailedTryError(Exception):
    """One try failed; the next may do better.

    Args:
        message: What happened.
        pause_s: Seconds that the server asks all to wait; None leaves the pause to the client.
        no_connection: The server was not reached; before its first answer, that can't be told from a wrong address.
    """

    def __init__(self, message: str, *, pause_s: float | None = None, no_connection: bool = False) -> None:
        super().__init__(message)
        self.pause_s, self.no_connection = pause_s, no_connection


class Reason(NamedTuple):
    """Why a request failed.

    Attributes:
        text: Words; `{}` stands for the innermost error.
        permanent: A next try would fail too.
        no_connection: The server was not reached.
    """

    text: str
    permanent: bool = False
    no_connection: bool = False


REASONS: tuple[tuple[tuple[type[BaseException], ...], Reason], ...] = (
    (
        (ssl.SSLCertVerificationError,),
        Reason(
            "its certificate can't be trusted ({}): check the address and this machine's clock; REQUESTS_CA_BUNDLE names an authority "
            "of your own",
            permanent=True,
        ),
    ),
    ((requests.exceptions.ProxyError,), Reason("the proxy of HTTP_PROXY or HTTPS_PROXY can't be used ({})", no_connection=True)),
    (
        (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema, urllib3.exceptions.ProxySchemeUnknown),
        Reason("the proxy's address can't be used ({}): check HTTP_PROXY, HTTPS_PROXY and NO_PROXY", permanent=True),
    ),
    (
        (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError),
        Reason("this address, or the proxy's, can't be used: check --base-url, HTTP_PROXY and HTTPS_PROXY", permanent=True),
    ),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), Reason("the host's name can't be resolved ({})", no_connection=True)),
    ((ssl.SSLError,), Reason("no secure connection ({})", no_connection=True)),
    ((requests.exceptions.ConnectTimeout,), Reason("the server doesn't answer", no_connection=True)),
    ((urllib3.exceptions.NewConnectionError,), Reason("no connection ({})", no_connection=True)),
    ((TimeoutError, requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError), Reason("the server stalls")),
)
"""Errors of requests, urllib3 and the system → words for them; the first that fits counts."""
OTHER = Reason("the connection broke ({})")


def reason_of(error: Exception) -> Reason:
    """Find the words for an error of requests or urllib3; theirs are long and name objects."""
    causes = _causes(error)
    reason = next((reason for kinds, reason in REASONS if any(isinstance(cause, kinds) for cause in causes)), OTHER)
    return reason._replace(text=reason.text.format(_innermost(causes)))


def _causes(error: BaseException) -> list[BaseException]:
    """List an error and what led to it, the innermost last."""
    found: list[BaseException] = []
    waiting: BaseException | None = error
    while waiting is not None and waiting not in found:
        found.append(waiting)
        waiting = waiting.__cause__ or waiting.__context__
    return found


def _innermost(causes: list[BaseException]) -> str:
    """Name the innermost error in a few words, and without what a terminal would obey: a server can write parts of it."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
            return str(getattr(cause, "verify_message", cause.strerror))
    words = "".join(character if character.isprintable() else " " for character in str(causes[-1])).split()
    return " ".join(words)[:100] or type(causes[-1]).__name__
