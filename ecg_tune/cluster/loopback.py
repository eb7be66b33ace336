"""Keep what goes to this machine on it: whatever proxy is set, loopback is asked directly, and no token passes a proxy."""

from __future__ import annotations

import os

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def bypass_proxies() -> None:
    """Add loopback to the addresses that HTTP libraries ask without a proxy (`no_proxy`)."""
    for name in ("no_proxy", "NO_PROXY"):
        given = os.environ.get(name) or os.environ.get(name.swapcase(), "")
        if given != "*":
            hosts = [host.strip() for host in given.split(",") if host.strip()]
            os.environ[name] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
