"""What the dashboard says of trials that wait: forecasts as the search has them, a figure, the trial's card."""

from __future__ import annotations

import optuna
import pytest

from analysis.dashboard.cards import trial_cards
from analysis.dashboard.figures.edf import edf_data
from analysis.dashboard.figures.forecast_fan import MOST_FANS, forecast_fan_data, forecast_fan_figure
from analysis.dashboard.figures.importances import importances_data
from analysis.dashboard.figures.pairs import pair_of
from analysis.dashboard.header import states_text
from analysis.dashboard.sections import StudyData
from analysis.dashboard.sections.search_progress import forecasts
from analysis.dashboard.trials import RankedTrial, compared, ranked_trials
from ecg_tune.search.engine import SearchEngine
from ecg_tune.study.study import Study
from ecg_tune.study.summary import summarise
from tests.analysis.conftest import study_attrs
from tests.toy_search import TOY_SPACE, Log, play, settings

E = 10


@pytest.fixture(scope="module")
def engine() -> SearchEngine:
    """Return a toy search that is half done."""
    study = optuna.create_study(direction="maximize")
    stored = {"scheduler": "forecast", "profile": "full", "max_epochs": E, "grace_epochs": 1}
    for name, value in (study_attrs(("slow", "fast"), synthetic=True) | stored | {"rungs": [1, 2, 3, 4, 6, 9], "settings": stored}).items():
        study.set_user_attr(name, value)
    engine = SearchEngine(Study(study), TOY_SPACE, settings(scheduler="forecast", max_epochs=E, trials=60), Log())
    play(engine, steps=70, slots=2, epochs=E)
    return engine


@pytest.fixture(scope="module")
def trials(engine: SearchEngine) -> list[RankedTrial]:
    return ranked_trials(engine.study)


def test_waiting_trials_have_the_forecasts_of_the_search(engine: SearchEngine, trials: list[RankedTrial]) -> None:
    waiting = {trial.number: trial.forecast for trial in trials if trial.paused}
    assert set(waiting) == set(engine.paused.waiting)
    assert len(waiting) > 3
    for number, forecast in waiting.items():
        assert forecast == pytest.approx(engine.forecasts.of_trial(number))


def test_trials_are_counted_once_by_what_they_do(engine: SearchEngine, trials: list[RankedTrial]) -> None:
    summary, n_waiting = summarise(engine.study), len(engine.paused.waiting)
    for running, name in ((True, "running"), (False, "interrupted")):
        parts = states_text(summary, search_running=running).split(", ")
        assert parts[-1] == f"{n_waiting} waiting at a rung"
        assert sum(int(part.split()[0]) for part in parts) == len(trials)
        busy = sum(trial.state == "RUNNING" for trial in trials) - n_waiting
        assert (f"{busy} {name}" in parts) == bool(busy)


def test_the_fans_are_of_the_most_promising_and_end_at_their_forecasts(engine: SearchEngine, trials: list[RankedTrial]) -> None:
    data = forecast_fan_data(trials, metric="macro_auc", last_epoch=E)
    assert data.n_waiting == len(engine.paused.waiting)
    assert [fan.mean for fan in data.fans] == sorted((fan.mean for fan in data.fans), reverse=True)
    assert len(data.fans) == min(MOST_FANS, data.n_waiting)
    assert data.best == engine.forecasts.best
    figure = forecast_fan_figure(data)
    ends = [trace.y[-1] for trace in figure.data if trace.name == "forecast"]
    assert sorted(ends) == pytest.approx(sorted(fan.mean for fan in data.fans), abs=1e-5)
    assert [trace.name for trace in figure.data if trace.showlegend] == list(
        dict.fromkeys(trace.name for trace in figure.data if trace.showlegend)
    )


def test_the_section_says_how_many_wait_and_which_rungs_are_behind(engine: SearchEngine, trials: list[RankedTrial]) -> None:
    section = forecasts(StudyData(trials, summarise(engine.study), None))
    (panel,) = section.tabs[0].panels
    assert panel.figure is not None
    assert f"{MOST_FANS} of {len(engine.paused.waiting)} waiting trials are drawn" in panel.note
    others = [trial for trial in trials if not trial.paused]
    (empty,) = forecasts(StudyData(others, summarise(engine.study), None)).tabs[0].panels
    assert empty.empty == "No trial waits at a rung."


def test_a_card_tells_why_its_trial_waits(trials: list[RankedTrial]) -> None:
    for number, card in trial_cards(trials).items():
        trial = next(trial for trial in trials if trial.number == number)
        assert card.get("waits", False) == trial.paused
        assert len(card.get("story", [])) == (len(trial.decisions) + 1 if trial.decisions else 0)
        if trial.paused:
            assert f"trial {number} waits at epoch {trial.last_epoch}: " in card["story"][-2]
            assert card["story"][-1].startswith("it waits: best value ")


def test_figures_of_parameters_count_forecasts_and_say_so(engine: SearchEngine, trials: list[RankedTrial]) -> None:
    whole = {trial.number: trial.value for trial in trials if trial.value is not None}
    waiting = {trial.number: trial.forecast[0] for trial in trials if trial.paused and trial.forecast}
    assert waiting
    assert {trial.number: trial.expected for trial in compared(trials)} == {n: min(mean, 1.0) for n, mean in waiting.items()} | whole
    slow = compared(trials, "slow")
    assert importances_data(trials, family="slow").n_trials == len(slow)
    assert sorted(edf_data(trials, metric="macro_auc").families[0].values) == sorted(t.expected for t in compared(trials, trials[0].family))
    pair = pair_of(trials, "slow", "slow.quality", "slow.quality")
    assert {number for number, text in zip(pair.numbers, pair.shown, strict=True) if text.startswith("forecast")} == {
        trial.number for trial in slow if trial.paused
    }
