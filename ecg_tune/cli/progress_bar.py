"""Progress on stderr: a bar in a terminal, elsewhere nothing or, for what takes long, a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ecg_tune.data.download.download import Transfer

LINE_EVERY_S = 30.0


@contextmanager
def bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while the block runs; the function that it yields takes (done, total)."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show


@contextmanager
def transfer_bar() -> Iterator[Callable[[Transfer], None]]:
    """Show a download's progress with its rate and the time left: a bar in a terminal, else a line every half minute."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[facts]}"))
    with Progress(*columns, console=console, transient=True, expand=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("downloading", total=None, facts="")
        step, started, printed = "", 0.0, time.monotonic()

        def show(transfer: Transfer) -> None:
            nonlocal step, started, printed
            now = time.monotonic()
            if transfer.step != step or transfer.done == 0:
                step, started = transfer.step, now
            facts = transfer_text(transfer, now - started)
            progress.update(task, description=transfer.step, completed=transfer.done, total=transfer.total, facts=facts)
            if not console.is_terminal and now - printed >= LINE_EVERY_S:
                printed = now
                print(f"{transfer.step}: {facts}", file=sys.stderr, flush=True)

        yield show


def transfer_text(transfer: Transfer, seconds: float) -> str:
    """Write how far a transfer is that began `seconds` ago: files, megabytes, rate, time left, repeated tries."""
    facts = [f"{transfer.done:,} of {transfer.total:,} files"]
    if transfer.n_bytes:
        facts.append(f"{transfer.n_bytes / 1e6:,.1f} MB")
    if transfer.n_bytes and seconds > 0:
        facts.append(f"{transfer.n_bytes / 1e6 / seconds:,.1f} MB/s")
    if 0 < transfer.done < transfer.total:
        facts.append(f"{timedelta(seconds=round(seconds / transfer.done * (transfer.total - transfer.done)))} left")
    if transfer.retries:
        facts.append(f"{transfer.retries} retries")
    return ", ".join(facts)
