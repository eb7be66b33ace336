"""Check that a Ray cluster admits only holders of its token.

It matters because Ray's ports listen on every network interface, whatever address a node is given.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping

import grpc
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from ecg_tune.errors import UsageError

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
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")(b"", timeout=ANSWER_TIMEOUT_S, metadata=list(headers.items()))
        except grpc.RpcError as error:
            return error.code()
    return None
