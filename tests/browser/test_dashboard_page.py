"""The dashboard in a real browser without a network. The studies here are made up."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from analysis.dashboard.dashboard import write_comparison, write_dashboard, write_dashboard_figures
from ecg_tune.study.study import Study

from .pages import EVIL, Opened, made_up, needs_browser

pytestmark = [pytest.mark.browser, needs_browser]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dashboard(Study(made_up()), tmp_path_factory.mktemp("page") / "dashboard.html")


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_all_figures_are_drawn_without_error_network_or_sideways_scrolling(browser_with_webgl: Any, page_file: Path, width: int) -> None:
    opened = Opened(browser_with_webgl, page_file, viewport={"width": width, "height": 900})
    assert opened.page.locator(".plot").count() >= 15
    assert opened.undrawn() == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []


def test_the_first_figure_is_on_the_first_screen_of_a_small_laptop(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file, viewport={"width": 1280, "height": 720})
    assert opened.page.locator("[data-figure=history-0-0]").bounding_box()["y"] <= 500
    tiles = [tile.bounding_box()["y"] for tile in opened.page.locator(".tile").all()]
    assert len(set(tiles)) == 1
    assert not opened.page.locator("dl.facts").is_visible()
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator("dl.facts").is_visible()


def test_a_tab_shows_and_draws_the_other_family(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file)
    plot = opened.page.locator("[data-figure=slices-1-0]")
    assert not plot.is_visible()
    opened.page.locator("#slices [role=tab]").nth(1).click()
    opened.drawn()
    assert plot.is_visible()
    assert opened.undrawn() == []
    assert opened.complaints == []


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_copy_button_gives_yaml_that_parses_back(browser: Any, page_file: Path, clipboard: bool) -> None:
    opened = Opened(browser, page_file)
    if not clipboard:
        opened.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button = opened.page.locator("button.copy").first
    button.click()
    opened.page.wait_for_function("document.querySelector('button.copy').textContent === 'Copied'")
    assert yaml.safe_load(opened.pasted()) == made_up().best_trial.params


def test_markup_in_names_is_read_as_text_everywhere(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, write_dashboard(Study(made_up(EVIL, family=f"rnn{EVIL}")), tmp_path / "evil.html"))
    for tab in opened.page.locator("[role=tab]").all():
        tab.click()
    opened.drawn()
    assert opened.complaints == []
    assert opened.undrawn() == []
    assert opened.page.locator("h1").inner_text().startswith(EVIL)
    for selector in ("#history .legendtext", "#timeline .ytick text", "#slices .xtick text"):
        texts = opened.page.locator(selector).all_text_contents()
        assert any(EVIL in text for text in texts), (selector, texts)
    opened.page.locator("[data-figure=comparison-0-0]").scroll_into_view_if_needed()
    opened.page.evaluate("Plotly.Fx.hover(document.querySelector('[data-figure=comparison-0-0]'), [{curveNumber: 0, pointNumber: 0}])")
    assert EVIL in opened.page.locator("[data-figure=comparison-0-0] .hovertext").first.text_content()
    opened.page.evaluate("document.querySelectorAll('details.data').forEach(table => { table.open = true; })")
    opened.page.wait_for_function("[...document.querySelectorAll('details.data .scroll')].every(table => table.textContent)")
    for selector in ("#parallel details.data td", "#history details.data td"):
        assert any(EVIL in text for text in opened.page.locator(selector).all_text_contents()), selector
    assert opened.complaints == []


def test_a_dark_page_has_light_ink_in_its_figures(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file, color_scheme="dark")
    ink = opened.page.evaluate("document.querySelector('[data-figure=history-0-0]')._fullLayout.font.color")
    assert ink == "#dde2e8"
    opened.page.emulate_media(color_scheme="light")
    opened.page.wait_for_function("document.querySelector('[data-figure=history-0-0]')._fullLayout.font.color === '#24292f'")


def test_printing_shows_every_tab_at_the_width_of_the_paper(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file)
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator(".plot").count() == opened.page.locator(".plot .main-svg:first-child").count()
    assert opened.page.evaluate("Math.max(...[...document.querySelectorAll('.plot')].map(p => p._fullLayout.width))") <= 700
    heights = "[...document.querySelectorAll('.plot')].map(p => [p._fullLayout.height, p.clientHeight])"
    assert all(abs(drawn - given) <= 1 for drawn, given in opened.page.evaluate(heights))
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not opened.page.locator("#slices-1").is_visible()
    assert opened.complaints == []


def test_each_figure_is_saved_as_svg_png_and_csv(browser: Any, page_file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, page_file, color_scheme="dark", accept_downloads=True)
    saved: dict[str, bytes] = {}
    for kind in ("svg", "png", "csv"):
        with opened.page.expect_download() as download:
            opened.page.locator(f"#history [data-save={kind}]").press("Enter")
        name = download.value.suggested_filename
        download.value.save_as(tmp_path / name)
        saved[name] = (tmp_path / name).read_bytes()
    assert list(saved) == ["toy-history.svg", "toy-history.png", "toy-history.csv"]
    assert saved["toy-history.png"].startswith(b"\x89PNG")
    svg = saved["toy-history.svg"].decode()
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "rgb(20, 23, 27)" not in svg  # the dark page's ground: files are for light paper
    assert len(list(csv.DictReader(saved["toy-history.csv"].decode().splitlines()))) == 24
    assert opened.complaints == []


def test_the_page_saves_the_numbers_that_the_command_writes(browser: Any, page_file: Path, tmp_path: Path) -> None:
    assert write_dashboard_figures(Study(made_up()), tmp_path).no_pictures == ""
    opened = Opened(browser, page_file)
    names = [plot.get_attribute("data-name") for plot in opened.page.locator(".plot").all()]
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{kind}" for name in names for kind in ("csv", "json", "svg", "png")}
    opened.page.evaluate("document.querySelectorAll('[role=tabpanel]').forEach(panel => { panel.hidden = false; })")
    opened.page.evaluate(CAUGHT)
    for name in names:
        opened.page.locator(".panel", has=opened.page.locator(f"[data-name='{name}']")).locator("[data-save=csv]").dispatch_event("click")
        shown, written = opened.page.evaluate("caught.text()"), (tmp_path / f"{name}.csv").read_text(encoding="utf-8")
        assert numbers_in(shown) == numbers_in(written), name


# Files are caught before the browser's own rules for many downloads in a row, which differ by version and by how busy it is.
CAUGHT = """
    const make = URL.createObjectURL;
    URL.createObjectURL = blob => { window.caught = blob; return make(blob); };
    document.addEventListener("click", event => { if (event.target.download) event.preventDefault(); }, true);
"""


def numbers_in(csv_text: str) -> list[list[str | float]]:
    """Return the cells of a CSV file's text, numbers as numbers: Python and JavaScript write them differently."""

    def cell(text: str) -> str | float:
        try:
            return float(text)
        except ValueError:
            return text

    return [[cell(text) for text in line] for line in csv.reader(csv_text.splitlines())]


@pytest.mark.parametrize("width", [420, 1280])
def test_several_studies_are_drawn_on_one_page(browser: Any, tmp_path: Path, width: int) -> None:
    file = write_comparison([Study(made_up("one")), Study(made_up(EVIL))], tmp_path / "studies.html")
    opened = Opened(browser, file, viewport={"width": width, "height": 720})
    assert opened.undrawn() == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []


def test_an_empty_study_gives_a_page_without_errors(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, write_dashboard(Study(made_up(n_trials=0)), tmp_path / "empty.html"))
    assert opened.complaints == []
    assert "No trial yet" in opened.page.locator("header").inner_text()
