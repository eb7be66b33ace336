"""The history's axis is broken where stopped trials would squeeze the best ones together. The values are made up."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import create_trial

from analysis.dashboard.figures.broken_axis import axis_of, find_break
from analysis.dashboard.figures.history import History, history_data, history_figure
from tests.analysis.conftest import ranked

SQUEEZED = [0.5 + 0.02 * step for step in range(15)] + [0.861, 0.872, 0.886, 0.889, 0.892]


def history(values: list[float]) -> History:
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [create_trial(value=value, user_attrs={"family": "rnn", "is_default": place == 0}) for place, value in enumerate(values)]
    )
    return history_data(ranked(study), metric="macro_auc")


def test_an_axis_is_broken_at_a_round_value_below_the_best_quarter() -> None:
    assert find_break(SQUEEZED) == pytest.approx(0.86)
    assert find_break([0.4 + value / 1000 for value in range(0, 400, 20)] + [0.8914, 0.8925] * 8) == pytest.approx(0.891)


def test_the_default_configs_stand_in_the_upper_part_as_long_as_its_scale_stays_larger() -> None:
    assert find_break(SQUEEZED, kept=[0.87, 0.81]) == pytest.approx(0.81)
    assert find_break(SQUEEZED, kept=[0.87, 0.55]) == pytest.approx(0.86)


@pytest.mark.parametrize(
    "values",
    [SQUEEZED[-19:], [0.7] * 20, [0.5 + 0.01 * step for step in range(20)], [0.5, *[0.9] * 19]],
    ids=["few", "all the same", "evenly spread", "the best are all the same"],
)
def test_an_axis_that_shows_all_well_stays_whole(values: list[float]) -> None:
    assert find_break(values) is None
    assert "yaxis2" not in history_figure(history(values)).layout


def test_every_trial_stands_at_its_value_on_one_part_and_each_part_holds_those_that_lie_on_it() -> None:
    data = history(SQUEEZED)
    figure = history_figure(data)
    upper, lower = figure.layout.yaxis, figure.layout.yaxis2
    assert upper.domain[0] > lower.domain[1]
    assert figure.layout.xaxis.anchor == "y2"
    drawn = {}
    for trace in figure.data:
        if trace.mode == "markers":
            low, high = (upper if trace.yaxis == "y" else lower).range
            assert all(low <= value <= high for value in trace.y)
            drawn |= {point[0]: (value, trace.yaxis) for point, value in zip(trace.customdata, trace.y, strict=True)}
    assert drawn == {point.number: (pytest.approx(point.reached), axis_of(point.reached, data.break_at)) for point in data.points}


def test_the_best_line_goes_on_in_the_upper_part_where_it_left_the_lower_one() -> None:
    figure = history_figure(history([0.5, 0.6, 0.55, 0.885, *SQUEEZED]))
    pieces = {trace.yaxis: trace for trace in figure.data if trace.name == "best so far"}
    assert list(pieces["y2"].x) == [0, 1, 3]
    assert list(pieces["y"].x)[:2] == [1, 3]  # its rise to the first step above starts below the upper part
    assert pieces["y"].y[1] == 0.885
    assert [trace.showlegend for trace in pieces.values()] == [False, True]


def test_one_entry_of_the_legend_stands_for_all_default_lines() -> None:
    names = [trace.name for trace in history_figure(history(SQUEEZED)).data if trace.showlegend is not False]
    assert names.count("a family's default config") == 1
