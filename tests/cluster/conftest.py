"""Real hosts, where they can be made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .hosts import Hosts, why_not


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Return a client and three hosts that are on; skip saying why where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    with Hosts(3) as three:
        yield three
