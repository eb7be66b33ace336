"""The dashboard in a real browser without a network. The studies here are made up."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from analysis.dashboard import write_dashboard

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
missing = [
    *([] if Path(CHROMIUM).exists() else ["apt-get install chromium"]),
    *([] if importlib.util.find_spec("playwright") else ["pip install playwright"]),
]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs a browser: {' and '.join(missing)}")
FAMILIES = ("rnn", "resnet1d")
EVIL = "<script>alert(1)</script>%{x}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # an optional tool, so not at the top

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page and everything it complained about or asked for."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        options = {"offline": True, "viewport": {"width": 1280, "height": 900}, "permissions": ["clipboard-read", "clipboard-write"]}
        self.page = browser.new_context(**(options | context)).new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready=true]")


def made_up(name: str = "toy", *, family: str = "rnn", n_trials: int = 24) -> optuna.Study:
    """Return an invented study of `family` and resnet1d in memory."""
    study = optuna.create_study(study_name=name, direction="maximize")
    rule = {"scheduler": "asha", "grace_epochs": 3, "max_epochs": 6}
    attrs = {
        "metric": "macro_auc",
        "rungs": [3],
        "settings": rule,
        "class_names": ["NORM", "MI"],
        "synthetic": True,
        "leads": ["I", "II", "V2"],
    }
    for key, value in attrs.items():
        study.set_user_attr(key, value)
    for number in range(n_trials):
        study.add_trial(_trial(number, (family, "resnet1d")[number % 2], name))
    return study


def _trial(number: int, family: str, name: str) -> optuna.trial.FrozenTrial:
    state = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL)[
        number % 6
    ]
    epochs = 6 if state == TrialState.COMPLETE else 3
    curve = {epoch: 0.6 + 0.03 * epoch + 0.002 * number for epoch in range(1, epochs + 1)}
    params = {f"{family}.learning_rate": 10 ** (-4 + number / 12), f"{family}.cell": ("gru", name)[number // 2 % 2]}
    space = {f"{family}.learning_rate": FloatDistribution(1e-4, 1e-2, log=True), f"{family}.cell": CategoricalDistribution(("gru", name))}
    trial = create_trial(
        state=state,
        value=max(curve.values()) if state == TrialState.COMPLETE else None,
        params=params,
        distributions=space,
        intermediate_values=curve,
        user_attrs={
            "family": family,
            "config": {"family": family, "model": {"cell": params[f"{family}.cell"]}, "training": {"learning_rate": 1e-3, "crop_s": None}},
            "is_default": number < 2,
            "epochs": epochs,
            "seconds": 20.0 * epochs,
            "worker": f"{name}:{number % 3}",
            "per_class_auc": [0.9, None],
            "fail_reason": "oom",
            "failure": name,
        },
    )
    trial.datetime_start = datetime(2026, 1, 1) + timedelta(minutes=4 * (number // 3))
    trial.datetime_complete = trial.datetime_start + timedelta(minutes=3)
    return trial


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dashboard(made_up(), tmp_path_factory.mktemp("page") / "dashboard.html")


def undrawn(page: Any) -> list[str]:
    """Return the figures that should be seen and are not."""
    missing_ones = "filter(p => p.offsetParent && !p.querySelector('.main-svg')).map(p => p.dataset.figure)"
    script = f"() => [...document.querySelectorAll('.plot')].{missing_ones}"
    found: list[str] = page.evaluate(script)
    return found


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_all_figures_are_drawn_without_error_network_or_sideways_scrolling(browser: Any, page_file: Path, width: int) -> None:
    opened = Opened(browser, page_file, viewport={"width": width, "height": 900})
    assert opened.page.locator(".plot").count() >= 15
    assert undrawn(opened.page) == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []


def test_a_tab_shows_and_draws_the_other_family(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file)
    plot = opened.page.locator("[data-figure=slices-1-0]")
    assert not plot.is_visible()
    opened.page.locator("#slices [role=tab]").nth(1).click()
    assert plot.is_visible()
    assert undrawn(opened.page) == []
    assert opened.complaints == []


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_copy_button_gives_yaml_that_parses_back(browser: Any, page_file: Path, clipboard: bool) -> None:
    opened = Opened(browser, page_file)
    if not clipboard:
        opened.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button = opened.page.locator("button.copy").first
    button.click()
    opened.page.wait_for_function("document.querySelector('button.copy').textContent === 'Copied'")
    opened.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<textarea id=paste></textarea>')")
    opened.page.locator("#paste").focus()
    opened.page.keyboard.press("Control+V")
    best = made_up().best_trial
    assert yaml.safe_load(opened.page.locator("#paste").input_value()) == best.params


def test_markup_in_names_is_read_as_text_everywhere(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, write_dashboard(made_up(EVIL, family=f"rnn{EVIL}"), tmp_path / "evil.html"))
    for tab in opened.page.locator("[role=tab]").all():
        tab.click()
    assert opened.complaints == []
    assert undrawn(opened.page) == []
    assert opened.page.locator("h1").inner_text() == f"Study {EVIL}"
    for selector in ("#history .legendtext", "#timeline .ytick text", "#slices .xtick text"):
        texts = opened.page.locator(selector).all_text_contents()
        assert any(EVIL in text for text in texts), (selector, texts)
    opened.page.locator("[data-figure=families-0-0]").scroll_into_view_if_needed()
    opened.page.evaluate("Plotly.Fx.hover(document.querySelector('[data-figure=families-0-0]'), [{curveNumber: 0, pointNumber: 0}])")
    assert EVIL in opened.page.locator("[data-figure=families-0-0] .hovertext").first.text_content()


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
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not opened.page.locator("#slices-1").is_visible()
    assert opened.complaints == []


def test_an_empty_study_gives_a_page_without_errors(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, write_dashboard(made_up(n_trials=0), tmp_path / "empty.html"))
    assert opened.complaints == []
    assert "No trial yet" in opened.page.locator("header").inner_text()
