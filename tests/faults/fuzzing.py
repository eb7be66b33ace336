"""How inputs that nobody would think of are tried: as many as FUZZ says, each taken, or refused by an error of ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from ecg_tune.errors import EcgTuneError

SAMPLE = 25
"""Cases a kind in every run, the same ones each time."""
CASES = int(os.environ.get("FUZZ", SAMPLE))
fuzzed = settings(
    max_examples=CASES,
    derandomize=CASES <= SAMPLE,
    database=None,
    phases=[Phase.generate],
    deadline=timedelta(seconds=60),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

ODD = st.sampled_from([
    None, True, False, 0, -1, 1.5, 2**70, 10**400, float("nan"), float("inf"), -0.0, "", "\0", "\x1b[2J", "a\nb", "../x", "/dev/zero", "s3://a/b",
    "é" * 300, "1", "nan", "٣", [], {}, [[]], [None], {"a": {}}, "[" * 2000,
])  # fmt: skip
"""Values that a program may stumble over in any place."""


def refused_or_taken(action: Callable[[], object]) -> None:
    """Do it; where it is refused, the message must be one line that can be printed."""
    try:
        action()
        return
    except EcgTuneError as error:
        message = str(error)
    assert message.strip()
    assert len(message) < 10_000


@st.composite
def changed_value(draw: st.DrawFn, whole: Any, odd: st.SearchStrategy[Any] = ODD) -> Any:
    """Put something odd in one or two places of nested dicts and lists, or take a place away; tensors stay whole."""
    value = whole
    for _ in range(draw(st.integers(1, 2))):
        value = _changed(draw, value, odd, draw(st.integers(0, 4)))
    return value


def _changed(draw: st.DrawFn, value: Any, odd: st.SearchStrategy[Any], depth: int) -> Any:
    places: Sequence[Any] = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if not places or not depth:
        return draw(odd)
    at, copied = draw(st.sampled_from(places)), dict(value) if isinstance(value, dict) else list(value)
    if draw(st.integers(0, 5)) == 0:
        del copied[at]
    else:
        copied[at] = _changed(draw, copied[at], odd, depth - 1)
    return copied
