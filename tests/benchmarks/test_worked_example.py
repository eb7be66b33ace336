"""The example of ten decisions in `docs/how-it-works/stopping.md` is what a search on the recorded curves does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from ecg_tune.search.preview.virtual_time import Silent, steps

PAGE = Path(__file__).parents[2] / "docs" / "how-it-works" / "stopping.md"


class Told(Silent):
    """Keeps what a search says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def epoch(self, number: int, family: str, epoch: int, value: float) -> None:
        self.lines.append(f"{number} {family} epoch {epoch}: {value:.4f}")

    def paused(self, number: int, family: str, epoch: int, reason: str) -> None:
        self.lines.append(reason)

    def message(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.slow
def test_every_number_of_the_example_is_said_by_a_search_with_one_worker() -> None:
    bank, methods = importlib.import_module("curve_bank"), importlib.import_module("search_methods")
    curves = bank.read_bank(str(importlib.import_module("record_curves").BANK))
    engine = methods.OurEngine(curves.space, families=curves.names, epochs=curves.epochs, seed=0)
    engine.listener = told = Told()
    search = bank.BankSearch(curves)
    for _ in zip(range(20), steps(engine, lambda task: search.curve(task.family, engine.params(task.number)), slots=1), strict=False):
        pass
    example = PAGE.read_text(encoding="utf-8").split("## Forecast: an example")[1].split("## Forecast: the rules")[0]
    numbers = re.findall(r"0\.\d{4}(?: ± 0\.\d{4})?", example)
    said = "\n".join(told.lines)
    assert len(numbers) > 10
    assert [number for number in numbers if number not in said] == []
    resumed = re.findall(r"waits; trial (\d) resumes", example)
    assert resumed == re.findall(r"waits at .*; trial (\d) resumes", said)[: len(resumed)]
