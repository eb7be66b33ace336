"""SIGTERM ends a command as Ctrl-C does, which cleans up; job systems end a job so.

Where Ray works: Tune handles SIGINT only, and Ray's own handler ends the process without a word.
"""

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
    """Let SIGTERM do what SIGINT does at that moment, while the block runs. Only the main thread hears signals: in others nothing changes.

    The handler is called, no signal sent: Ray blocks SIGINT in the processes of its jobs. Where SIGINT is ignored, as in what a script's
    shell runs in the background, SIGTERM still interrupts.
    """

    def interrupt(signum: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def terminate_ray_as_interrupt() -> Iterator[None]:
    """Do the same where Ray works, and end the process when that takes too long.

    A handler runs only when the main thread comes back to Python; where that waits inside Ray for a dead cluster, only the thread that
    watches the wake-up socket hears the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = threading.Timer(GRACE_S, _end)
    last.daemon = True
    heard, wakeup = socket.socketpair()
    wakeup.setblocking(False)

    def watch() -> None:
        with heard:
            while signals := heard.recv(64):
                if signal.SIGTERM in signals and last.ident is None:
                    last.start()

    wakeup_before = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        with terminate_as_interrupt():
            yield
    finally:
        last.cancel()
        signal.set_wakeup_fd(wakeup_before)
        wakeup.close()  # ends the watching thread


def _end() -> None:
    """End at once. Trials and checkpoints are written as they come, so that nothing is lost."""
    print(
        "ecg-tune: interrupted; Ray does not end, it may have been terminated, too. The same command goes on", file=sys.stderr, flush=True
    )
    os._exit(130)
