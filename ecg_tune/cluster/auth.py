"""Check that a Ray cluster admits only holders of its token.

It matters because Ray's ports listen on every network interface, whatever address a node is given.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import grpc
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from ecg_tune.errors import UsageError

_log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0
REMEDY = (
    "start it with a token (`ray get-auth-token --generate`, then RAY_AUTH_MODE=token for every `ray start`, the same token file on "
    "every machine), or say --insecure"
)
OPEN = "the Ray cluster at {} asks for no token, anyone who reaches it can run code on it: " + REMEDY
REFUSED = "refuses our token: put the head's into ~/.ray/auth_token (readable by you only) and set RAY_AUTH_MODE=token"


def check_own() -> None:
    """Refuse to start a local Ray without a token: anyone who reaches this machine could run code on it.

    Raises:
        UsageError: RAY_AUTH_MODE switches off the token that Ray uses by default.
    """
    mode = os.environ.get("RAY_AUTH_MODE")
    if mode is not None and mode.lower() != "token":
        raise UsageError(
            f"RAY_AUTH_MODE={mode} would start a Ray that anyone who reaches this machine can run code on: unset it, or say --insecure"
        )


def make_own_token() -> None:
    """Give a local Ray that is about to start a token: the user's, which is made where there is none.

    Ray itself would write one that every user of the machine can read. Where the home folder can't be written, the token
    is this process's own.
    """
    loader = AuthenticationTokenLoader.instance()
    if not loader.has_token(ignore_auth_mode=True):
        token = secrets.token_hex(32)
        with suppress(OSError):
            _write_token(_token_file(), token)
        loader.reset_cache()
        if not loader.has_token(ignore_auth_mode=True):
            os.environ["RAY_AUTH_TOKEN"] = token
            loader.reset_cache()
    hide_token()


def hide_token() -> None:
    """Make the user's token file readable by the user only, and say so where others could read it."""
    file = _token_file()
    try:
        readable = stat.S_IMODE(file.stat().st_mode) & 0o077
        if readable:
            file.chmod(0o600)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("other users of this machine may read Ray's token %s (%s): chmod 600 it", file, error.strerror)
        return
    if readable:
        _log.warning("other users of this machine could read %s: now only you can; if they may have, delete it", file)


def _token_file() -> Path:
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def _write_token(file: Path, token: str) -> None:
    """Write a token file that is whole and private from the start, where there is none; a command started at once may be first."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix=".auth_token-")  # 0600, whatever the umask
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(token)
        with suppress(FileExistsError):
            os.link(beside, file)
    finally:
        os.unlink(beside)


def check_joined(address: str) -> None:
    """Refuse to join a cluster that asks for no token, unless it listens on this machine's loopback only.

    Args:
        address: HOST:PORT of the cluster's GCS (Ray's global control service on the head).

    Raises:
        UsageError: The cluster asks for no token and other machines can reach it.
    """
    host = address.rpartition(":")[0]
    if not is_loopback(host) and accepts_without_token(address):
        raise UsageError(OPEN.format(address))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine itself can reach `host` (127.0.0.0/8 or ::1)."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False


def accepts_without_token(address: str) -> bool:
    """Ask a GCS for a sign of life without a token, and tell whether it answers; False also when nothing answers."""
    return _check_alive(address, {}) is None


def refuses_our_token(address: str) -> bool:
    """Tell at once whether a GCS refuses this process's token, or its lack of one. Ray itself would retry for half a minute."""
    loader, off = AuthenticationTokenLoader.instance(), os.environ.get("RAY_AUTH_MODE", "token").lower() != "token"
    has_token = not off and loader.has_token(ignore_auth_mode=True)
    headers = {"authorization": f"Bearer {loader.get_raw_token(ignore_auth_mode=True)}"} if has_token else {}
    return bool(_check_alive(address, headers) == grpc.StatusCode.UNAUTHENTICATED)


def _check_alive(address: str, headers: Mapping[str, str]) -> grpc.StatusCode | None:
    """Call the GCS's health check; return None when it answers, else the gRPC status of its refusal."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:  # nor does Ray: the token is for the cluster
        try:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")(b"", timeout=ANSWER_TIMEOUT_S, metadata=list(headers.items()))
        except grpc.RpcError as error:
            return error.code()
    return None
