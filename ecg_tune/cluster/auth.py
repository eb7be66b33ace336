"""Whether a Ray lets in only those who hold its token. Ray's ports listen on every interface, whatever address a node is given."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping

import grpc
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from ecg_tune.errors import UsageError

PATIENCE_S = 10.0
REMEDY = (
    "start it with a token (`ray get-auth-token --generate`, then RAY_AUTH_MODE=token for every `ray start`, the same token file on "
    "every machine), or say --insecure"
)
OPEN = "the Ray cluster at {} asks for no token, anyone who reaches it can run code on it: " + REMEDY
REFUSED = "refuses our token: put the head's into ~/.ray/auth_token (readable by you only) and set RAY_AUTH_MODE=token"


def check_own() -> None:
    """Refuse to start a Ray here that anyone who reaches this machine may run code on.

    Raises:
        UsageError: RAY_AUTH_MODE turns the token off that Ray would use by default.
    """
    mode = os.environ.get("RAY_AUTH_MODE")
    if mode is not None and mode.lower() != "token":
        raise UsageError(
            f"RAY_AUTH_MODE={mode} would start a Ray that anyone who reaches this machine can run code on: unset it, or say --insecure"
        )


def check_joined(address: str) -> None:
    """Refuse to join a cluster that lets in strangers, unless nobody but this machine can reach it.

    Args:
        address: HOST:PORT of the cluster's GCS.

    Raises:
        UsageError: It does.
    """
    host = address.rpartition(":")[0]
    if not is_loopback(host) and lets_strangers_in(address):
        raise UsageError(OPEN.format(address))


def is_loopback(host: str) -> bool:
    """Return whether a host's address is one of this machine alone."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False


def lets_strangers_in(address: str) -> bool:
    """Return whether a GCS answers somebody without a token; False also when it does not answer at all."""
    return _answer(address, {}) is None


def refuses_us(address: str) -> bool:
    """Return whether a GCS refuses the token of this process, or that it has none. Ray itself would try for half a minute."""
    loader, off = AuthenticationTokenLoader.instance(), os.environ.get("RAY_AUTH_MODE", "token").lower() != "token"
    known = not off and loader.has_token(ignore_auth_mode=True)
    token = {"authorization": f"Bearer {loader.get_raw_token(ignore_auth_mode=True)}"} if known else {}
    return bool(_answer(address, token) == grpc.StatusCode.UNAUTHENTICATED)


def _answer(address: str, metadata: Mapping[str, str]) -> grpc.StatusCode | None:
    """Return how a GCS refuses to say that it is alive; None when it says so."""
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")(b"", timeout=PATIENCE_S, metadata=list(metadata.items()))
        except grpc.RpcError as error:
            return error.code()
    return None
