"""A real browser over pages of made-up studies."""

from __future__ import annotations

import importlib.util
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
MISSING = [
    *([] if Path(CHROMIUM).exists() else ["apt-get install chromium"]),
    *([] if importlib.util.find_spec("playwright") else ["pip install playwright"]),
]
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"needs a browser: {' and '.join(MISSING)}")
PATIENCE_MS = 300_000
EVIL = "<script>alert(1)</script>%{x}"


class Opened:
    """A page and everything it complained about or asked for."""

    def __init__(self, browser: Any, where: Path | str, *, ready: str = "body[data-ready=true]", **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        options = {"offline": isinstance(where, Path), "viewport": {"width": 1280, "height": 900}}
        options |= {"permissions": ["clipboard-read", "clipboard-write"]}
        self.page = browser.new_context(**(options | context)).new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(where.as_uri() if isinstance(where, Path) else where)
        self.page.wait_for_selector(ready)

    def drawn(self) -> None:
        """Wait until every figure that is shown is drawn."""
        self.page.wait_for_selector("body[data-ready=true]")

    def undrawn(self) -> list[str]:
        """Return the figures that should be seen and are not, on a screen as high as the page."""
        width, height = self.page.viewport_size["width"], self.page.evaluate("document.documentElement.scrollHeight") + 2000
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_function(f"innerHeight === {height}")
        self._heard()
        self.drawn()
        seen = "filter(p => p.offsetParent && !p.querySelector('.main-svg')).map(p => p.dataset.figure)"
        found: list[str] = self.page.evaluate(f"() => [...document.querySelectorAll('.plot')].{seen}")
        return found

    def figure(self, key: str, expression: str) -> Any:
        """Return what an expression says of a figure, which it calls `plot`, once it is on the screen."""
        plot = self.page.locator(f"[data-figure={key}]")
        plot.scroll_into_view_if_needed()
        self._heard()
        self.drawn()
        return self.page.evaluate(f"plot => ({expression})", plot.element_handle())

    def _heard(self) -> None:
        """Wait until the page has heard that it was scrolled or resized: browsers say so before they draw the next frame."""
        self.page.evaluate("() => new Promise(heard => requestAnimationFrame(() => requestAnimationFrame(heard)))")

    def marked(self, key: str) -> list[Any]:
        """Return the x of every point that carries the mark of the chosen trial."""
        found: list[Any] = self.figure(key, "plot.data.filter(t => t.name === 'chosen').flatMap(t => t.x)")
        return found

    def pasted(self) -> str:
        """Return what lies in the clipboard, as any field would get it."""
        self.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<textarea id=paste></textarea>')")
        self.page.locator("#paste").focus()
        self.page.keyboard.press("Control+V")
        text: str = self.page.locator("#paste").input_value()
        self.page.evaluate("document.getElementById('paste').remove()")
        return text


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
