"""Contour and rank place a family's complete trials on the plane of two parameters. The study is made up."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from analysis.dashboard.figures.contour import contour_data, contour_figure
from analysis.dashboard.figures.rank import rank_data, rank_figure
from analysis.dashboard.trials import RankedTrial, completed
from tests.analysis.conftest import ranked

SPACE = {
    "m.x": FloatDistribution(0, 1),
    "m.rate": FloatDistribution(1e-4, 1e-1, log=True),
    "m.kind": CategoricalDistribution(("a", "b", "c")),
}


def plane(*points: tuple[float, float, str, float]) -> list[RankedTrial]:
    study = optuna.create_study(direction="maximize")
    for x, rate, kind, value in points:
        params = {"m.x": x, "m.rate": rate, "m.kind": kind}
        study.add_trial(create_trial(value=value, params=params, distributions=SPACE, user_attrs={"family": "m"}))
    return ranked(study)


def test_the_field_lies_between_its_trials_and_is_empty_where_none_is_near() -> None:
    trials = plane((0.0, 1e-4, "a", 0.6), (0.1, 1e-4, "a", 0.8), (1.0, 1e-4, "a", 0.9), (1.0, 1e-1, "a", 0.7))
    data = contour_data(trials, metric="auc", family="m", parameters=("m.x", "m.rate"))
    known = data.field[np.isfinite(data.field)]
    assert 0.6 <= known.min() <= known.max() <= 0.9
    assert data.field[0, -1] == pytest.approx(0.9, abs=0.01)
    assert np.isnan(data.field[-1, 0])
    assert (data.x[0], data.x[-1]) == (0.0, 1.0)
    assert data.y[-1] / data.y[0] == pytest.approx(1000)
    figure = contour_figure(data)
    assert [point[0] for point in figure.data[1].customdata] == [0, 3, 1, 2]
    assert figure.layout.yaxis.type == "log"


def test_choices_are_averaged_and_never_smoothed_over() -> None:
    trials = plane((0.5, 1e-3, "a", 0.6), (0.5, 1e-2, "a", 0.8), (0.5, 1e-3, "c", 0.9))
    data = contour_data(trials, metric="auc", family="m", parameters=("m.kind", "m.x"))
    assert data.x == ("a", "c")
    np.testing.assert_allclose(data.field, [[0.7, 0.9]])
    assert contour_figure(data).data[0].type == "heatmap"


def test_ranks_count_from_the_best_and_equals_share_theirs() -> None:
    trials = plane((0.1, 1e-3, "a", 0.6), (0.2, 1e-2, "b", 0.9), (0.3, 1e-3, "b", 0.7), (0.4, 1e-3, "b", 0.7))
    pairs = rank_data(trials, metric="auc", family="m", parameters=["m.x", "m.rate", "m.kind"])
    assert [(one.pair.x.name, one.pair.y.name) for one in pairs] == [("m.x", "m.rate"), ("m.x", "m.kind"), ("m.rate", "m.kind")]
    assert dict(zip(pairs[0].pair.numbers, pairs[0].ranks, strict=True)) == {1: 1.0, 2: 2.5, 3: 2.5, 0: 4.0}
    figure = rank_figure(pairs[1])
    assert [point[0] for point in figure.data[0].customdata] == list(pairs[1].pair.numbers)
    assert list(figure.layout.yaxis.ticktext) == ["a", "b"]
    assert all(abs(shown - place) <= 0.25 for shown, place in zip(figure.data[0].y, pairs[1].pair.y.positions, strict=True))


def test_the_best_rank_has_the_strongest_colour(searched_study: optuna.Study) -> None:
    trials = ranked(searched_study)
    one = rank_data(trials, metric="auc", family="rnn", parameters=["rnn.dropout", "rnn.cell"])[0]
    marker = rank_figure(one).data[0].marker
    assert (marker.colorscale[-1], marker.cmax, max(marker.color)) == ((1.0, "#d9480f"), -1, -1)
    assert len(one.ranks) == len(completed(trials, "rnn"))
