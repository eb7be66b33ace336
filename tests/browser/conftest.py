"""Two browsers for all of these tests: one that imitates a GPU, and one that need not, which draws pages in half the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .pages import CHROMIUM, PATIENCE_MS


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # an optional tool, so not at the top

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright: Any) -> Iterator[Any]:
    """Open a browser without WebGL, which only the lines of parallel coordinates are drawn with."""
    yield from launched(playwright, "--disable-gpu", "--disable-software-rasterizer")


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """Lend the browser to a test and close the test's pages: each is a process, and live ones go on asking."""
    before = list(chromium.contexts)
    yield chromium
    for context in [context for context in chromium.contexts if context not in before]:
        context.close()


@pytest.fixture(scope="module")
def browser_with_webgl(playwright: Any) -> Iterator[Any]:
    """Open a browser as a reader has it."""
    yield from launched(playwright)


def launched(playwright: Any, *options: str) -> Iterator[Any]:
    opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *options], timeout=PATIENCE_MS)
    yield opened
    opened.close()
