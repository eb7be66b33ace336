"""What figures leave out when there are more trials than anybody can see, and that they say so. The studies are made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
from optuna.trial import TrialState

from analysis.dashboard.figures.edf import edf_data, edf_figure
from analysis.dashboard.figures.learning_curves import LEVELS, learning_curves_data, learning_curves_figure
from analysis.dashboard.figures.point_limit import limit_trials
from analysis.dashboard.trials import completed
from tests.analysis.conftest import ranked

Maker = Callable[..., optuna.Study]


def test_few_trials_all_have_their_line_and_many_are_bands_with_the_best_above(searched_study: optuna.Study) -> None:
    trials = ranked(searched_study)
    own = [trial for trial in trials if trial.family == "rnn" and trial.intermediate]
    assert learning_curves_data(trials, family="rnn", metric="auc").bands is None
    data = learning_curves_data(trials, family="rnn", metric="auc", most_lines=len(own) - 1)
    assert data.bands is not None
    for place, epoch in enumerate(data.bands.epochs):
        values = [trial.intermediate[epoch] for trial in own if epoch in trial.intermediate]
        assert data.bands.n_trials[place] == len(values)
        np.testing.assert_allclose([level[place] for level in data.bands.quantiles], np.quantile(values, LEVELS))
    best = sorted(own, key=lambda trial: -(trial.best_value or 0))[:10]
    assert {trial.number for trial in best} <= {curve.number for curve in data.curves}
    assert f"{len(own)} trials: the bands hold the middle 50 % and 80 %" in data.message
    traces = learning_curves_figure(data).data
    assert [trace.name for trace in traces[:3]] == ["middle 80 %", "middle 50 %", "median"]
    assert all(trace.customdata is None for trace in traces[:3])


def test_running_trials_keep_their_line_among_many(toy_study: Maker) -> None:
    trials = ranked(toy_study(n_trials=60, families=("rnn",), states=(TrialState.PRUNED, TrialState.PRUNED, TrialState.RUNNING)))
    running = {trial.number for trial in trials if trial.state == "RUNNING" and trial.intermediate}
    data = learning_curves_data(trials, family="rnn", metric="auc", most_lines=20)
    assert running
    assert {curve.number for curve in data.curves if curve.state == "INTERRUPTED"} == set(sorted(running)[-20:])


def test_of_many_points_the_best_stay_and_the_rest_is_thinned_evenly(searched_study: optuna.Study) -> None:
    trials = [trial for trial in ranked(searched_study) if trial.best_value is not None] * 4
    assert limit_trials(trials, most=len(trials)) == (tuple(trials), "")
    kept = limit_trials(trials, most=150)
    ordered = sorted((trial.best_value or 0 for trial in trials), reverse=True)
    assert len(kept.trials) == 150
    assert sum((trial.best_value or 0) >= ordered[99] for trial in kept.trials) >= 100
    assert kept.message.startswith(f"Of {len(trials)} trials 150 are drawn: the best 100")


def test_the_distribution_ends_at_one_and_equals_share_a_step(searched_study: optuna.Study) -> None:
    trials = ranked(searched_study)
    for one in edf_data(trials, metric="auc").families:
        values = np.array([trial.value for trial in completed(trials, one.family)])
        np.testing.assert_allclose(one.shares, [(values <= value).mean() for value in one.values])
        assert (one.shares[-1], len(one.numbers)) == (1.0, len(values))
    figure = edf_figure(edf_data(trials, metric="auc"))
    assert all(len(trace.customdata) == len(trace.x) for trace in figure.data)
