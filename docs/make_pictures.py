"""Renew the pictures of docs/guides/dashboard.md from a study: `python docs/make_pictures.py STUDY [--out FOLDER] [--width PIXELS]`.

Needs Chromium and playwright (requirements-dev.txt). The first picture is the top of the page, then one of each section.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from analysis.dashboard.dashboard import write_dashboard
from ecg_tune.study.study import Study

SECTIONS = "curves,rungs,forecasts,comparison,importances,parallel,slices,contour,rank,timeline,edf,best,classes"
PATIENCE_MS = 300_000


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--only", default=SECTIONS, help="sections, comma-separated")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        file = write_dashboard(Study.open(arguments.study), Path(scratch) / "dashboard.html")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"], timeout=PATIENCE_MS)
        page = browser.new_page(viewport={"width": arguments.width, "height": 1180})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready=true]")
        for key in ("", *arguments.only.split(",")):
            print(_picture(page, key, arguments.out))
        browser.close()


def _picture(page: Page, key: str, out: Path) -> Path:
    """Write the picture of a section, or of the top of the page."""
    path = out / (f"dashboard_{key}.png" if key else "dashboard.png")
    if key:
        page.add_style_tag(content="nav, #bar { position: static !important; }")
        section = page.locator(f"section#{key}")
        section.scroll_into_view_if_needed()
        page.wait_for_function(_DRAWN, arg=key)
        section.screenshot(path=path)
    else:
        page.wait_for_function(_DRAWN, arg="history")
        page.screenshot(path=path)
    return path


_DRAWN = "key => [...document.querySelectorAll(`#${key} .plot`)].every(plot => !plot.offsetParent || plot.querySelector('.main-svg'))"


if __name__ == "__main__":
    main()
