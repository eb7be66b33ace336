"""The page is whole, closed and honest whatever the study holds. The studies here are made up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from analysis.dashboard.dashboard import dashboard_html, write_dashboard
from analysis.dashboard.figure_json import inline_json
from analysis.dashboard.sections import CAPTIONS, StudyData, sections_of
from ecg_tune.study.study import Study
from tests.analysis.conftest import ranked, summary_of

Maker = Callable[..., optuna.Study]
SIX_MB = 6_000_000


class Page(HTMLParser):
    """The text, tags and scripts of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []
        self.scripts: list[str] = []
        self.figures: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self._inside, self._id = "", None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside, self._id = tag, dict(attrs).get("id")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
            if self._id in ("figures", "facts"):
                setattr(self, self._id, json.loads(data))
        elif self._inside != "style":
            self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())


def page_of(study: optuna.Study, tmp_path: Path) -> Page:
    return Page(write_dashboard(Study(study), tmp_path / "dashboard.html").read_text(encoding="utf-8"))


def test_the_page_names_the_study_its_data_and_its_best_trial(searched_study: optuna.Study, tmp_path: Path) -> None:
    text = page_of(searched_study, tmp_path).text
    best = searched_study.best_trial
    epochs = sum(t.user_attrs["epochs"] for t in searched_study.trials)
    for fact in (
        "toy as of",
        "5f0c1d2e9a7b",
        "official",
        "I, II, V2",
        "2,279 / 320",
        "macro_auc",
        f"{best.value:.4f}",
        f"trial {best.number}, {best.user_attrs['family']}",
        "26 complete, 29 stopped early, 5 failed",
        f"{epochs:,}",
        "SYNTHETIC. The records are simulated",
    ):
        assert fact in text, fact
    for title, how in (section for key, section in CAPTIONS.items() if key not in ("studies", "study-facts")):
        assert title in text
        assert how in text


def test_one_file_holds_everything_and_asks_the_network_for_nothing(searched_study: optuna.Study, tmp_path: Path) -> None:
    out = write_dashboard(Study(searched_study), tmp_path / "new" / "dashboard.html")
    assert out.stat().st_size < SIX_MB
    assert [path.name for path in out.parent.iterdir()] == ["dashboard.html"]
    page = Page(out.read_text(encoding="utf-8"))
    assert not [tag for tag, attrs in page.tags if "src" in attrs or (tag == "link" and attrs["href"] != "data:,")]
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert sum("plotly.js v" in script for script in page.scripts) == 1


def test_two_hundred_long_trials_stay_below_six_megabytes(toy_study: Maker, tmp_path: Path) -> None:
    out = write_dashboard(Study(toy_study(n_trials=200, states=(TrialState.COMPLETE,))), tmp_path / "dashboard.html")
    assert out.stat().st_size < SIX_MB


def test_every_place_for_a_figure_has_one_and_the_other_way_round(searched_study: optuna.Study, tmp_path: Path) -> None:
    page = page_of(searched_study, tmp_path)
    assert [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs] == list(page.figures)
    assert all(figure["data"] and "template" not in figure["layout"] for figure in page.figures.values())


def states_page(toy_study: Maker, tmp_path: Path, n_trials: int, *states: TrialState) -> str:
    return page_of(toy_study(n_trials=n_trials, states=states), tmp_path).text


def running_page(toy_study: Maker, n_trials: int, *states: TrialState) -> str:
    study = toy_study(n_trials=n_trials, states=states)
    trials = ranked(study)
    return Page(dashboard_html(trials, summary_of(study, trials), now=datetime.now(), search_running=True)).text


def test_an_empty_study_gives_a_page_that_explains_itself(toy_study: Maker, tmp_path: Path) -> None:
    page = page_of(toy_study(n_trials=0), tmp_path)
    assert "No trial yet. The study exists but holds no trial" in page.text
    assert page.text.count("No trial") >= 9
    assert page.figures == {}


def test_a_study_of_one_trial_gives_a_page_that_explains_itself(toy_study: Maker, tmp_path: Path) -> None:
    text = states_page(toy_study, tmp_path, 1, TrialState.COMPLETE)
    assert "One complete trial: there is nothing to rank yet." in text
    assert "Importances need at least 5 trials with a value or a forecast; there is 1 so far." in text


FAILED, STOPPED = "Every trial has failed. Failures, below, says", "No complete trial yet. There is no best value"


@pytest.mark.parametrize(
    ("state", "count", "why"), [(TrialState.FAIL, "8 failed", FAILED), (TrialState.PRUNED, "8 stopped early", STOPPED)]
)
def test_a_study_without_a_complete_trial_says_that_there_is_no_best(
    toy_study: Maker, tmp_path: Path, state: TrialState, count: str, why: str
) -> None:
    text = states_page(toy_study, tmp_path, 8, state)
    assert count in text
    assert why in text
    assert "No trial is complete yet, so there is no best one." in text


def test_a_study_with_one_parameter_is_drawn(toy_study: Maker, tmp_path: Path) -> None:
    page = page_of(toy_study(n_trials=25, families=("rnn",), only=["rnn.dropout"]), tmp_path)
    assert {"slices-0-0", "parallel-0-0", "history-0-0"} <= set(page.figures)
    assert "One searched parameter (rnn.dropout)" in page.text


def test_a_running_search_is_told_from_one_that_was_left_unfinished(toy_study: Maker, tmp_path: Path) -> None:
    states = (TrialState.COMPLETE, TrialState.RUNNING)
    assert "Search running. 3 trials were in progress" in running_page(toy_study, 6, *states)
    assert "Search running. 1 trial was in progress" in running_page(toy_study, 2, *states)
    assert "Unfinished. 3 trials never ended" in states_page(toy_study, tmp_path, 6, *states)


def test_trials_that_a_search_left_are_interrupted_and_not_running(toy_study: Maker, tmp_path: Path) -> None:
    page = page_of(toy_study(n_trials=6, states=(TrialState.COMPLETE, TrialState.RUNNING)), tmp_path)
    assert "3 complete, 3 interrupted" in page.text
    assert {card["state"] for card in page.facts["cards"]} == {"COMPLETE", "INTERRUPTED"}
    for key, figure in page.figures.items():
        assert {trace.get("name") for trace in figure["data"]}.isdisjoint({"running", "still running"}), key


def test_one_trial_is_not_trials_and_an_empty_section_takes_one_line(toy_study: Maker, tmp_path: Path) -> None:
    page = page_of(toy_study(n_trials=1, states=(TrialState.COMPLETE,)), tmp_path)
    assert "Trial 1 1 complete" in page.text
    assert "1 trials" not in page.text
    assert "Failures No trial has failed." in page.text
    folded = [attrs["id"] for tag, attrs in page.tags if tag == "section" and attrs.get("class") == "no-figure"]
    assert {"failures", "pareto"} <= set(folded)
    assert "history" not in folded


def test_a_study_that_recorded_nothing_about_its_data_says_so(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", study_name="plain")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
    text = page_of(study, tmp_path).text
    assert "Data fingerprint not recorded" in text
    assert "This study recorded no rungs" in text


def test_markup_in_names_is_shown_as_text_and_never_run(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>%{x}&amp;"
    study = optuna.create_study(direction="maximize", study_name=evil)
    study.set_user_attr("class_names", [evil])
    study.set_user_attr("metric", evil)
    study.set_user_attr("data_fingerprint", evil)
    space = {f"fam{evil}.x": FloatDistribution(0, 1), f"fam{evil}.c": CategoricalDistribution((evil, "b"))}
    attrs = {"family": f"fam{evil}", "worker": evil, "failure": evil, "fail_reason": evil, "config": {evil: evil}, "per_class_auc": [0.5]}
    for number in range(8):
        params = {f"fam{evil}.x": number / 8, f"fam{evil}.c": evil if number % 2 else "b"}
        state = TrialState.FAIL if number == 7 else TrialState.COMPLETE
        value = None if state == TrialState.FAIL else 0.5 + number / 100
        curve = {1: 0.5 + number / 100}
        trial = create_trial(state=state, value=value, params=params, distributions=space, user_attrs=attrs, intermediate_values=curve)
        trial.datetime_start = trial.datetime_complete
        study.add_trial(trial)
    page = page_of(study, tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 4
    assert "img" not in [tag for tag, _ in page.tags]
    assert f"{evil} as of" in page.text
    drawn = json.dumps(page.figures)
    assert not re.search(r"<(?!br>|extra>|/extra>)", drawn)


def test_inline_json_can_not_close_its_script_element() -> None:
    value = {"</script><!--": ["\u2028", "&", 1.5, None]}
    text = inline_json(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_writing_again_replaces_the_page(toy_study: Maker, tmp_path: Path) -> None:
    out = tmp_path / "dashboard.html"
    write_dashboard(Study(toy_study(n_trials=0)), out)
    assert write_dashboard(Study(toy_study(n_trials=1)), out) == out
    assert "1 complete" in Page(out.read_text(encoding="utf-8")).text


def test_a_parameter_that_few_trials_have_gets_no_slice_and_is_named() -> None:
    study = optuna.create_study(direction="maximize")
    space = {"rnn.rate": FloatDistribution(0, 1), "rnn.rare": FloatDistribution(0, 1)}
    for number in range(8):
        params = {name: 0.5 for name in space if name == "rnn.rate" or number < 2}
        recorded = {"user_attrs": {"family": "rnn"}, "intermediate_values": {1: 0.6}}
        study.add_trial(create_trial(value=number / 9, params=params, distributions={name: space[name] for name in params}, **recorded))
    trials = ranked(study)
    (slices,) = (one for one in sections_of(StudyData(trials, summary_of(study, trials), None)) if one.key == "slices")
    noted, drawn = slices.tabs[0].panels
    assert noted.note == "Without a slice, because fewer than 5 trials have them: rare."
    assert drawn.figure.layout.xaxis.title.text == "rate"


def test_trials_that_took_no_time_have_no_timeline_and_it_is_said() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(value=0.7, user_attrs={"family": "rnn"}))
    trials = [replace(trial, end=trial.start) for trial in ranked(study)]
    (timeline,) = (one for one in sections_of(StudyData(trials, summary_of(study, trials), None)) if one.key == "timeline")
    assert timeline.tabs[0].panels[0].empty == "No trial recorded how long it took."


def made_up_front(*, metric: str = "macro_auc") -> optuna.Study:
    """Return a made-up study of three objectives: complete, stopped and failed trials."""
    study = optuna.create_study(study_name="front", directions=["maximize", "minimize", "minimize"])
    study.set_user_attr("metric", metric)
    study.set_user_attr("minimise", ["parameters", "latency_ms"])
    space = {"rnn.size": FloatDistribution(1, 9), "rnn.rate": FloatDistribution(1e-4, 1e-1, log=True)}
    for number in range(12):
        state = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)[number % 4]
        values = [0.7 + number / 100, 1000.0 * (number % 5 + 1), 3.0 - number / 10] if state == TrialState.COMPLETE else None
        params = {"rnn.size": 1 + number / 2, "rnn.rate": 10 ** -(1 + number / 5)}
        recorded = {"state": state, "values": values, "intermediate_values": {1: 0.6}, "user_attrs": {"family": "rnn"}}
        study.add_trial(create_trial(params=params, distributions=space, **recorded))
    return study


def test_a_study_of_several_objectives_shows_its_front_and_takes_the_metric_everywhere_else(tmp_path: Path) -> None:
    study = made_up_front()
    page = page_of(study, tmp_path)
    best = max((t for t in study.trials if t.state == TrialState.COMPLETE), key=lambda t: t.values[0])
    assert f"Best validation macro AUC {best.values[0]:.4f} trial {best.number}, rnn" in page.text
    assert "minimised: parameters, latency_ms" in page.text
    assert f"{len(study.best_trials)} of 6 complete trials are on the front." in page.text
    assert {"history-0-0", "pareto-0-0", "pareto-0-1", "importances-0-0", "best-0-0"} - set(page.figures) <= {"best-0-0"}


def test_a_study_of_one_objective_says_how_to_get_a_front(searched_study: optuna.Study, tmp_path: Path) -> None:
    assert "This study has one objective; --minimise parameters" in page_of(searched_study, tmp_path).text


def test_the_header_says_what_is_left_of_each_budget(toy_study: Maker, tmp_path: Path) -> None:
    study = toy_study(n_trials=12, states=(TrialState.COMPLETE,))
    limits = {"trials": 20, "total_epochs": 100, "gpu_hours": 20.0, "max_hours": 8.0, "target": 0.99, "scheduler": "asha"}
    study.set_user_attr("settings", limits)
    epochs = sum(len(trial.intermediate_values) for trial in study.trials)
    hours = sum(trial.user_attrs["seconds"] for trial in study.trials) / 3600
    text = page_of(study, tmp_path).text
    assert "trials 12 of 20, 8 left" in text
    assert f"epochs {epochs} of 100, {max(100 - epochs, 0)} left" in text
    assert f"GPU-hours {hours:.1f} of 20, {20 - hours:.1f} left" in text
    assert "wall time at most 8 h a run; target 0.99, not reached" in text
    study.set_user_attr("settings", {**limits, "gpu_share": "auto"})
    assert "GPU-hours at most 20, used not recorded" in page_of(study, tmp_path).text


def test_markup_in_the_names_of_a_front_is_text(tmp_path: Path) -> None:
    page = page_of(made_up_front(metric="<img src=x>%{y}"), tmp_path)
    assert "img" not in [tag for tag, _ in page.tags]
    assert not re.search(r"<(?!br>|extra>|/extra>)", json.dumps(page.figures["pareto-0-0"]))
