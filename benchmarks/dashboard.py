"""Measure what a dashboard costs: `python benchmarks/dashboard.py [--sizes 200,2000] [--epochs 50] [--openings 5] [--json]`.

For MADE-UP studies of four families in SQLite in which every trial that does not fail trains all its epochs: seconds of one core to read
the study, to compute and draw the figures, and to write the page; the page's size; and of a live page what it costs to open it, to update
it after one more epoch of one trial, and to ask when nothing has changed. Seconds are of the processor, so that other work on the machine
does not count. How long the page takes to open is the exception: seconds on the clock, from asking for the file to all figures of the
first screen, in a window of 1280 x 900 (median of `--openings` new browsers, Debian's Chromium). Nothing is attached to the browser
meanwhile: under a debugger, Playwright's too, V8 reads plotly.js several times over to know the lines of its stack, and the same page
takes twice as long.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path
from urllib.request import Request, urlopen

from command_line import numbers, run_script
from live_update import live_cost
from made_up_study import make_study
from playwright.sync_api import sync_playwright

from analysis.dashboard.dashboard import dashboard_page
from analysis.dashboard.page import page_html
from analysis.dashboard.trials import ranked_trials
from ecg_tune.study.study import Study
from ecg_tune.study.summary import summarise

BROWSER = ["/usr/bin/chromium", "--headless=new", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0", "--window-size=1280,900"]
STARTED_S, UNDISTURBED_S = 2, 6
SHOWN = "performance.getEntriesByName('first screen').length"


def main() -> None:
    """Print one table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=numbers, default=[200, 2000], help="trials of the studies, comma-separated")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--openings", type=int, default=5, help="of the page in a browser, 0 for none")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = {
            size: measured(Path(scratch) / f"made_up_{size}", size, arguments.epochs, openings=arguments.openings)
            for size in arguments.sizes
        }
    if arguments.json:
        print(json.dumps(results))
        return
    names = list(next(iter(results.values())))
    print("| trials | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for size, costs in results.items():
        print(f"| {size} | " + " | ".join(f"{cost:.3g}" for cost in costs.values()) + " |")


def measured(folder: Path, n_trials: int, epochs: int, *, openings: int) -> dict[str, float]:
    """Return the costs of one size, in the order in which they are paid."""
    make_study(folder, n_trials=n_trials, epochs=epochs)
    costs, clock = {}, time.process_time()

    def lap(name: str) -> None:
        nonlocal clock
        costs[name], clock = time.process_time() - clock, time.process_time()

    study = Study.open(folder)
    rows = ranked_trials(study)
    summary = summarise(study, rows)
    lap("read s")
    page = dashboard_page(rows, summary, now=datetime.now())
    lap("draw s")
    text = page_html(page)
    lap("write s")
    costs |= {"in all s": sum(costs.values()), "page MB": len(text.encode()) / 1e6}
    if openings:
        costs["opens s"] = opening_s(text, folder / "dashboard.html", openings)
    live = live_cost(folder)
    costs |= {"live: first s": live.first_s, "update s": live.update_s, "update kB": live.update_bytes / 1e3}
    return costs | {"update kB, packed": live.update_packed_bytes / 1e3, "nothing new, ms": live.poll_s * 1e3}


def opening_s(text: str, file: Path, openings: int) -> float:
    """Return the median time until a browser shows the first screen of a page."""
    file.write_text(text, encoding="utf-8")
    return statistics.median(opened_once(file) for _ in range(openings))


def opened_once(file: Path) -> float:
    """Return the time one new browser needs to show the first screen of a page, in seconds. A debugger is attached only when it is over."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen([*BROWSER, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{debugging_port(Path(profile))}"
            urlopen(Request(f"{address}/json/new?{file.as_uri()}", method="PUT")).close()
            time.sleep(UNDISTURBED_S)
            with sync_playwright() as playwright:
                page = next(page for page in playwright.chromium.connect_over_cdp(address).contexts[0].pages if page.url == file.as_uri())
                page.wait_for_function(SHOWN)  # looked at too early, it only takes longer
                return float(page.evaluate("performance.getEntriesByName('first screen')[0].startTime")) / 1000
        finally:
            browser.terminate()
            browser.wait()


def debugging_port(profile: Path) -> int:
    """Return the port that a browser has written into its profile, once its first window stands."""
    while not (file := profile / "DevToolsActivePort").exists():
        time.sleep(0.1)
    time.sleep(STARTED_S)
    return int(file.read_text().split()[0])


if __name__ == "__main__":
    run_script(main)
