"""SIGTERM ends a search as Ctrl-C does: Tune handles SIGINT only, Ray's own handler ends the process without a word."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 20.0
"""How long Tune may take to end. A job system often ends all processes at once; a driver whose Ray is gone would wait for a minute."""


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM do what SIGINT does at that moment, and end the process when that takes too long.

    The handler is called, no signal sent: Ray blocks SIGINT in the processes of its jobs. It runs only when the main thread comes
    back to Python; where that waits inside Ray for a dead cluster, only the thread that watches the wake-up socket hears the signal.
    """
    last = threading.Timer(GRACE_S, _end)
    last.daemon = True
    heard, wakeup = socket.socketpair()
    wakeup.setblocking(False)

    def watch() -> None:
        with heard:
            while signals := heard.recv(64):
                if signal.SIGTERM in signals and last.ident is None:
                    last.start()

    def interrupt(signum: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)

    before, wakeup_before = signal.signal(signal.SIGTERM, interrupt), signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        last.cancel()
        signal.set_wakeup_fd(wakeup_before)
        signal.signal(signal.SIGTERM, before)
        wakeup.close()  # ends the watching thread


def _end() -> None:
    """End at once. Trials and checkpoints are written as they come, so that nothing is lost."""
    print(
        "ecg-tune: interrupted; Ray does not end, it may have been terminated, too. The same command goes on", file=sys.stderr, flush=True
    )
    os._exit(130)
