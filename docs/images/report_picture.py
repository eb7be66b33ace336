"""Make `report.png` from an evaluation's report.

    python docs/images/report_picture.py RESULTS/report.html docs/images/report.png

Needs Playwright (requirements-dev.txt) and Debian's Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM, WIDTH, HEIGHT = "/usr/bin/chromium", 1180, 860

if __name__ == "__main__":
    page, picture = map(Path, sys.argv[1:3])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        window.goto(page.resolve().as_uri())
        window.screenshot(path=picture)
        browser.close()
