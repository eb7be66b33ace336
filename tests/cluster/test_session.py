"""Joining or starting a Ray."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from ecg_tune.cluster.session import ray_session
from ecg_tune.errors import UsageError, WorkFailedError

SLOW = "The current node timed out during startup. This could happen because the GCS has become overloaded.\nmore"


@pytest.mark.parametrize(("address", "error", "message"), [
    (None, WorkFailedError, r"^Ray could not be started: .* overloaded; on a busy machine, run the same command again later$"),
    ("auto", UsageError, r"^the Ray cluster at auto can't be joined: The current node timed out"),
])  # fmt: skip
def test_a_ray_that_is_too_slow_to_start_is_told_in_one_line(monkeypatch, address, error, message):
    def slow(**_: Any) -> None:
        raise Exception(SLOW)  # bare, as `ray._private.node.Node` raises it after 30 s

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(ray, "init", slow)
    with pytest.raises(error, match=message), ray_session(address, insecure=True):
        pass
