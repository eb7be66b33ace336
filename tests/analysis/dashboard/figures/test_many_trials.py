"""What figures leave out when there are more trials than anybody can see, and that they say so. The studies are made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
from optuna.trial import TrialState

from analysis.dashboard.figures.edf import edf_data, edf_figure
from analysis.dashboard.figures.learning_curves import LEVELS, learning_curves_data, learning_curves_figure
from analysis.dashboard.figures.thinning import thinned
from analysis.dashboard.frames import completed, trial_rows

Maker = Callable[..., optuna.Study]


def test_few_trials_all_have_their_line_and_many_are_bands_with_the_best_above(searched_study: optuna.Study) -> None:
    rows = trial_rows(searched_study)
    own = [row for row in rows if row.family == "rnn" and row.intermediate]
    assert learning_curves_data(rows, family="rnn", metric="auc").bands is None
    data = learning_curves_data(rows, family="rnn", metric="auc", most_lines=len(own) - 1)
    assert data.bands is not None
    for place, epoch in enumerate(data.bands.epochs):
        values = [row.intermediate[epoch] for row in own if epoch in row.intermediate]
        assert data.bands.n_trials[place] == len(values)
        np.testing.assert_allclose([level[place] for level in data.bands.quantiles], np.quantile(values, LEVELS))
    best = sorted(own, key=lambda row: -(row.reached or 0))[:10]
    assert {row.number for row in best} <= {curve.number for curve in data.curves}
    assert f"{len(own)} trials: the bands hold the middle 50 % and 80 %" in data.message
    traces = learning_curves_figure(data).data
    assert [trace.name for trace in traces[:3]] == ["middle 80 %", "middle 50 %", "median"]
    assert all(trace.customdata is None for trace in traces[:3])


def test_running_trials_keep_their_line_among_many(toy_study: Maker) -> None:
    rows = trial_rows(toy_study(n_trials=60, families=("rnn",), states=(TrialState.PRUNED, TrialState.PRUNED, TrialState.RUNNING)))
    running = {row.number for row in rows if row.state == "RUNNING" and row.intermediate}
    data = learning_curves_data(rows, family="rnn", metric="auc", most_lines=20)
    assert running
    assert {curve.number for curve in data.curves if curve.state == "RUNNING"} == set(sorted(running)[-20:])


def test_of_many_points_the_best_stay_and_the_rest_is_thinned_evenly(searched_study: optuna.Study) -> None:
    rows = [row for row in trial_rows(searched_study) if row.reached is not None] * 4
    assert thinned(rows, most=len(rows)) == (tuple(rows), "")
    kept = thinned(rows, most=150)
    ranked = sorted((row.reached or 0 for row in rows), reverse=True)
    assert len(kept.trials) == 150
    assert sum((row.reached or 0) >= ranked[99] for row in kept.trials) >= 100
    assert kept.message.startswith(f"Of {len(rows)} trials 150 are drawn: the best 100")


def test_the_distribution_ends_at_one_and_equals_share_a_step(searched_study: optuna.Study) -> None:
    rows = trial_rows(searched_study)
    for one in edf_data(rows, metric="auc").families:
        values = np.array([row.value for row in completed(rows, one.family)])
        np.testing.assert_allclose(one.shares, [(values <= value).mean() for value in one.values])
        assert (one.shares[-1], len(one.numbers)) == (1.0, len(values))
    figure = edf_figure(edf_data(rows, metric="auc"))
    assert all(len(trace.customdata) == len(trace.x) for trace in figure.data)
