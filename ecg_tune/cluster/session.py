"""Connect a command to Ray: the Ray of this process, a running cluster, or a new local Ray."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import AuthenticationError

from ecg_tune.cluster.auth import REFUSED, check_joined, check_own, hide_token, make_own_token, refuses_our_token
from ecg_tune.cluster.local import start_local_ray, stop_ray
from ecg_tune.cluster.loopback import bypass_proxies
from ecg_tune.errors import UsageError, WorkFailedError

CONNECT_TIMEOUT_S = 10.0
HINT = "`ray status` on the head shows whether it runs; from outside the cluster use `ecg-tune submit --address http://…`"


@contextmanager
def ray_session(address: str | None = None, *, insecure: bool = False) -> Iterator[None]:
    """Connect to Ray for the time of the block, and disconnect afterwards.

    A Ray that already runs in this process is used as it is, and left running.

    Args:
        address: "auto" (the cluster that this machine belongs to) or HOST:PORT; None takes RAY_ADDRESS, or starts a local Ray.
        insecure: Accept a Ray without a token, which anyone who reaches its port can run code on.

    Raises:
        UsageError: There is no such cluster, it refuses our token, or it asks for none.
        WorkFailedError: Ray did not start.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    for name in ("ray.tune", "ray.train"):  # failures are rows of the study, not tracebacks
        logging.getLogger(name).setLevel(logging.CRITICAL)
    bypass_proxies()
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        hide_token()
        check_address(address)
    else:
        if not insecure:
            check_own()
        if os.environ.get("RAY_AUTH_MODE", "token").lower() == "token":
            make_own_token()
    _start(address)
    try:
        if address and not insecure:
            check_joined(ray.get_runtime_context().gcs_address)
        yield
    finally:
        stop_ray(own=not address)


def _start(address: str | None) -> None:
    """Start or join Ray, then put back the SIGTERM handler, which Ray replaces by its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            start_local_ray()
    except SystemExit as error:  # Ray's handler turns a SIGTERM during start-up into this
        raise KeyboardInterrupt from error
    except UsageError:
        raise
    except AuthenticationError as error:
        raise UsageError(f"the Ray cluster at {address} {REFUSED}") from error
    except Exception as error:  # Ray raises a bare one when its own processes are too slow to start
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        if address:
            raise UsageError(f"the Ray cluster at {address} can't be joined: {first}; {HINT}") from error
        raise WorkFailedError(f"Ray could not be started: {first}; on a busy machine, run the same command again later") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def check_address(address: str) -> None:
    """Refuse an address that can't be joined: malformed, without an answer, or of a cluster that refuses our token.

    Args:
        address: "auto", "local" or HOST:PORT.

    Raises:
        UsageError: The address can't be joined; the message says what to write instead.
    """
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 2**16):
        raise UsageError(f"--address {address} can't be joined: give auto or HOST:PORT of the head (the default port is 6379); {HINT}")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:  # a host with a NUL, or too long for a name, is a ValueError
        raise UsageError(f"nothing answers at --address {address} ({error}): {HINT}") from error
    if refuses_our_token(address):
        raise UsageError(f"the Ray cluster at {address} {REFUSED}")
