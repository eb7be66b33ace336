"""What a user sees while a search runs: a live table in a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ecg_tune.search.progress.stats import SearchStats
from ecg_tune.study.summary import RungCounts


class PlainProgress:
    """One line for every epoch and every ended trial."""

    def __init__(self, stats: SearchStats, console: Console) -> None:
        self.stats, self.console = stats, console

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing to close."""

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.stats.started(number, family, continued_at)
        self._line(f"trial {number} ({family}) " + (f"goes on after epoch {continued_at}" if continued_at else "starts"))

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.stats.epoch(number, family, epoch, value)
        self._line(f"trial {number} ({family}) epoch {epoch}/{self.stats.max_epochs}: {value:.4f}")

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        self.stats.paused(number)
        self._line(reason)

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.stats.finished(number, family, state, value)
        known = (self.stats.counts(), self.stats.best_so_far(), self.stats.left())
        self._line(f"{_ending(number, family, state, value, reason)} — {', '.join(part for part in known if part)}")

    def message(self, text: str) -> None:
        self._line(text)

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveProgress:
    """A table that stays in place; ended trials and remarks scroll by above it."""

    def __init__(self, stats: SearchStats, console: Console) -> None:
        self.stats, self.console = stats, console
        self.live = Live(self._view(), console=console, refresh_per_second=2)

    def __enter__(self) -> LiveProgress:
        self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.live.stop()

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.stats.started(number, family, continued_at)
        self.live.update(self._view())

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.stats.epoch(number, family, epoch, value)
        self.live.update(self._view())

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        self.stats.paused(number)
        self.live.update(self._view())
        self.message(reason)

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.stats.finished(number, family, state, value)
        self.live.update(self._view())
        self.message(_ending(number, family, state, value, reason))

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    def _view(self) -> Group:
        """Return what stays in place; made here and not by the refreshing thread, to which the tally might change under its hands."""
        stats, rung_counts = self.stats, self.stats.rung_counts()
        facts = [stats.best_so_far(), f"{len(stats.running)} of {stats.slots} slots busy", stats.left()]
        parts: list[RenderableType] = [Text(stats.counts()), Text(", ".join(fact for fact in facts if fact))]
        if gpus := stats.gpus():
            parts.append(Text("GPUs: " + ", ".join(f"{gpu.busy:.0%} busy {gpu.used_gb:.0f}/{gpu.total_gb:.0f} GB" for gpu in gpus)))
        if rung_counts:
            parts += _rungs(rung_counts)
        return Group(*parts, *self._running(rows=max(self.console.height - 10 - len(rung_counts), 4)))

    def _running(self, rows: int) -> list[RenderableType]:
        """Return the table of running trials, cut to what the terminal holds."""
        if not self.stats.running:
            return []
        table = Table()
        for column in ("trial", "family", "epoch", "validation"):
            table.add_column(column, justify="left" if column == "family" else "right")
        for number, (family, epoch, value) in sorted(self.stats.running.items())[:rows]:
            table.add_row(str(number), family, f"{epoch}/{self.stats.max_epochs}", "" if value is None else f"{value:.4f}")
        more = len(self.stats.running) - rows
        return [table, *([Text(f"and {more} more")] if more > 0 else [])]


class JsonProgress:
    """One JSON object a line, flushed: `time` (ISO, UTC) and `event`, then what the event tells; `finished` tells the counts too."""

    def __init__(self, stats: SearchStats, console: Console) -> None:
        self.stats, self.console = stats, console

    def __enter__(self) -> JsonProgress:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing to close."""

    def started(self, number: int, family: str, *, continued_at: int) -> None:
        self.stats.started(number, family, continued_at)
        self._object("started", number=number, family=family, continued_at=continued_at)

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.stats.epoch(number, family, epoch, value)
        self._object("epoch", number=number, family=family, epoch=epoch, value=value)

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        self.stats.paused(number)
        self._object("paused", number=number, family=family, epoch=epoch, reason=reason)

    def finished(self, number: int, family: str, state: str, value: float | None, reason: str) -> None:
        self.stats.finished(number, family, state, value)
        eta, best = self.stats.eta_s(), self.stats.best
        self._object(
            "finished", number=number, family=family, state=state, value=value, reason=reason,
            trials=self.stats.trials, states=dict(self.stats.states), running=len(self.stats.running),
            best=None if best is None else {"value": best[0], "number": best[1], "family": best[2]},
            eta_s=None if eta is None else round(eta, 1),
        )  # fmt: skip

    def message(self, text: str) -> None:
        self._object("said", text=text)

    def _object(self, event: str, **facts: Any) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(json.dumps({"time": stamp, "event": event, **facts}), file=self.console.file, flush=True)


def _rungs(rung_counts: RungCounts) -> list[RenderableType]:
    """Return how many trials of each family stand at each rung, as many families a line as fit."""
    epochs = sorted({epoch for counts in rung_counts.values() for epoch in counts})
    each = [f"{family} {'→'.join(str(counts.get(epoch, 0)) for epoch in epochs)}" for family, counts in rung_counts.items()]
    heading = Text(f"trials at the rungs (epoch {'→'.join(map(str, epochs))}):")
    return [heading, Columns([Text("  " + text, no_wrap=True) for text in each], padding=(0, 2))]


def _ending(number: int, family: str, state: str, value: float | None, reason: str) -> str:
    shown = "" if value is None else f" {value:.4f}"
    return f"trial {number} ({family}) {state}{shown} [{reason}]"


VIEWS: dict[str, Callable[[SearchStats, Console], PlainProgress | LiveProgress | JsonProgress]] = {
    "live": LiveProgress,
    "plain": PlainProgress,
    "jsonl": JsonProgress,
}


def default_view(console: Console) -> str:
    """Return the view for where the output goes: live in a terminal that can move its cursor, plain elsewhere."""
    return "live" if console.is_terminal and not console.is_dumb_terminal else "plain"
