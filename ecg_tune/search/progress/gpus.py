"""How busy this machine's GPUs are, by asking `nvidia-smi` now and then."""

from __future__ import annotations

import subprocess
import threading
import time
from shutil import which

from ecg_tune.search.progress.stats import GpuUse

ASK = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")
EVERY_S = 5.0
MIB_PER_GB = 1e9 / 2**20


class GpuMeter:
    """Answers at once with what was last read; a new reading is taken beside the search. Other nodes' GPUs it can't see."""

    def __init__(self) -> None:
        self.last: tuple[GpuUse, ...] = ()
        self._asked = float("-inf") if which(ASK[0]) else float("inf")

    def __call__(self) -> tuple[GpuUse, ...]:
        last = self.last
        if time.monotonic() - self._asked >= EVERY_S:
            self._asked = time.monotonic()
            threading.Thread(target=self._read, daemon=True).start()
        return last

    def _read(self) -> None:
        try:
            answer = subprocess.run(ASK, capture_output=True, text=True, timeout=30, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            answer = ""
        self.last = parse(answer)


def parse(answer: str) -> tuple[GpuUse, ...]:
    """Return what `nvidia-smi` wrote, one GPU a line: percent busy, MiB used, MiB in all. One that doesn't tell ("[N/A]") is left out."""
    uses = []
    for line in answer.splitlines():
        try:
            busy, used, total = (float(part) for part in line.split(","))
        except ValueError:
            continue
        uses.append(GpuUse(busy / 100, used / MIB_PER_GB, total / MIB_PER_GB))
    return tuple(uses)
