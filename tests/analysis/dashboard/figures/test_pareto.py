"""The Pareto front is Optuna's own. The study is made up."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState, create_trial

from analysis.dashboard.figures.pareto import pareto_data, pareto_figure, pareto_table
from tests.analysis.conftest import ranked

OBJECTIVES = ("macro_auc", "parameters", "latency_ms")


def made_up(*values: tuple[float, ...], metric: str = "maximize") -> optuna.Study:
    study = optuna.create_study(directions=[metric, *["minimize"] * (len(values[0]) - 1)])
    for number, own in enumerate(values):
        study.add_trial(create_trial(values=list(own), user_attrs={"family": ("rnn", "vgg")[number % 2]}))
    study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs={"family": "rnn"}))
    return study


def test_the_front_is_optunas() -> None:
    study = made_up((0.8, 1e4, 2.0), (0.9, 1e6, 2.5), (0.7, 2e4, 3.0), (0.85, 1e5, 9.0), (0.8, 1e4, 2.0), (0.85, 1e5, 8.0))
    data = pareto_data(ranked(study), objectives=OBJECTIVES)
    assert {trial.number for trial in data.front} == {trial.number for trial in study.best_trials} == {0, 1, 4, 5}
    assert [trial.number for trial in data.front] == [1, 5, 0, 4]
    assert len(data.trials) == 6


def test_every_complete_trial_is_drawn_and_two_objectives_have_a_line_along_the_front() -> None:
    two = pareto_figure(pareto_data(ranked(made_up((0.8, 1e4), (0.9, 1e6), (0.7, 2e4))), objectives=OBJECTIVES[:2]), 1)
    line = next(trace for trace in two.data if trace.mode == "lines")
    assert (list(line.x), list(line.y)) == ([1e4, 1e6], [0.8, 0.9])
    assert sorted(point[0] for trace in two.data if trace.mode == "markers" for point in trace.customdata) == [0, 1, 2]
    assert two.layout.xaxis.type == "log"
    three = pareto_figure(pareto_data(ranked(made_up((0.8, 1e4, 1.0), (0.9, 2e4, 1.0))), objectives=OBJECTIVES), 2)
    assert {trace.mode for trace in three.data} == {"markers"}


def test_the_table_holds_the_front_only() -> None:
    table = pareto_table(pareto_data(ranked(made_up((0.8, 12345.0), (0.7, 20000.0))), objectives=OBJECTIVES[:2]))
    assert table.count("data-trial=") == 1
    assert "0.8000" in table
    assert "12,345" in table
    assert 'href="#trial-0"' in table
