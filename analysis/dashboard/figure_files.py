"""The figures of a dashboard as files: data and figure of each, and pictures where a browser is there to draw them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from analysis.dashboard.figure_table import figure_csv
from analysis.dashboard.page import Page, page_html
from analysis.dashboard.section_html import named_figures
from analysis.dashboard.sections.section import Section

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSER = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
DRAWING_LIMIT_S, VIRTUAL_MS = 600, 600_000
_IMAGE = re.compile(r'data-image="([^"]+)">([^<]*)<')


class FigureFiles(NamedTuple):
    """What was written.

    Attributes:
        n_figures: Each with its data as CSV, and as JSON for plotly.
        no_pictures: Why there are no SVG and PNG files; "" when there are.
    """

    n_figures: int
    no_pictures: str


def write_figures(page: Page, sections: Sequence[Section], out: Path) -> FigureFiles:
    """Write every figure of a page into a folder: CSV and JSON, and SVG and PNG where a Chromium or Chrome is installed.

    Args:
        page: With these sections.
        out: Made when missing; files of the same names are replaced.
    """
    figures = {name: plain for section in sections for name, plain in named_figures(section).items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, plain in figures.items():
        (out / f"{name}.csv").write_text(figure_csv(plain), encoding="utf-8", newline="")
        (out / f"{name}.json").write_text(json.dumps(_for_plotly(plain)), encoding="utf-8")
    browser = find_browser()
    if browser is None:
        return FigureFiles(len(figures), "plotly draws them in a browser only, and no Chromium or Chrome is on the PATH")
    images, failure = _draw(browser, page_html(page, export=True))
    for name, image in images.items():
        (out / name).write_bytes(image)
    return FigureFiles(len(figures), failure)


def find_browser() -> str | None:
    """Find a Chromium or Chrome on this machine; None when there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or (MAC_BROWSER if Path(MAC_BROWSER).exists() else None)


def _for_plotly(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what only the page knows, so that `plotly.io.from_json` reads it."""
    traces = [{key: value for key, value in trace.items() if key != "guide"} for trace in plain["data"]]
    return {"data": traces, "layout": plain["layout"]}


def _draw(browser: str, html: str) -> tuple[dict[str, bytes], str]:
    """Let a browser without a window draw a page's figures; return the images by file name, and why they are not complete, or ""."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "page.html")
        file.write_text(html, encoding="utf-8")
        options = ["--headless", "--hide-scrollbars", "--window-size=1280,900", f"--user-data-dir={scratch}/profile"]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with one
        command = [browser, *options, f"--virtual-time-budget={VIRTUAL_MS}", "--dump-dom", file.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=DRAWING_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return {}, f"{browser} did not draw them: {error}"
    images = dict(_IMAGE.findall(done.stdout.decode(errors="replace")))
    complete = images.pop("end", None) is not None
    return {name: _decoded(url) for name, url in images.items()}, "" if complete else f"{browser} ended before it had drawn them all"


def _decoded(url: str) -> bytes:
    head, _, body = url.partition(",")
    return b64decode(body) if head.endswith(";base64") else unquote(body).encode()
