"""Every figure of the page names the trials it draws as `analysis.dashboard.figures` says. The study is made up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
import pytest

from analysis.dashboard.sections import StudyData, sections_of
from tests.analysis.conftest import ranked, summary_of

NO_TRIAL = ("best so far", "middle 80 %", "middle 50 %", "median", "a family's default config")


@pytest.fixture(scope="module")
def traces(searched_study: optuna.Study) -> list[tuple[str, Any]]:
    trials = ranked(searched_study)
    data = StudyData(trials, summary_of(searched_study, trials), None)
    return [(section.key, trace) for section in sections_of(data) for trace in _traces(section)]


def _traces(section: Any) -> Iterator[Any]:
    for tab in section.tabs:
        for panel in tab.panels:
            if panel.figure is not None:
                yield from panel.figure.data


def test_each_point_of_a_trace_of_trials_has_its_trials_number_first(searched_study: optuna.Study, traces: list[tuple[str, Any]]) -> None:
    numbers = {trial.number for trial in searched_study.trials}
    named = [(key, trace) for key, trace in traces if trace.customdata is not None]
    for key, trace in named:
        size = len(trace.dimensions[0]["values"]) if trace.type == "parcoords" else len(trace.x)
        assert len(trace.customdata) == size, (key, trace.name)
        assert {point[0] for point in trace.customdata} <= numbers | {None}, (key, trace.name)
    assert {key for key, _ in named} == {
        "history",
        "curves",
        "comparison",
        "parallel",
        "slices",
        "contour",
        "rank",
        "timeline",
        "edf",
        "classes",
    }


def test_what_has_no_number_is_a_count_a_band_or_a_field(traces: list[tuple[str, Any]]) -> None:
    for key, trace in traces:
        if trace.customdata is None:
            assert key in ("rungs", "importances", "failures") or trace.name in NO_TRIAL or trace.type in ("contour", "heatmap"), (
                key,
                trace.name,
            )
