"""Figures show what the study holds; the numbers are compared with Optuna's own. The study here is made up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import optuna
import plotly.graph_objects as go
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState, create_trial

from analysis.dashboard.figure_json import figure_json
from analysis.dashboard.figures.best import best_data, best_table
from analysis.dashboard.figures.failures import failures_data, failures_figure, failures_table
from analysis.dashboard.figures.families import families_data, families_figure
from analysis.dashboard.figures.history import history_data, history_figure
from analysis.dashboard.figures.importances import importances_data, importances_figure
from analysis.dashboard.figures.learning_curves import learning_curves_data, learning_curves_figure
from analysis.dashboard.figures.parallel import NOT_SET, parallel_data, parallel_figure
from analysis.dashboard.figures.rung_survival import rung_survival_data, rung_survival_figure
from analysis.dashboard.figures.slices import slice_data, slice_figure
from analysis.dashboard.figures.style import FAMILY_ORDER, family_color, family_line, family_symbol, log_axis
from analysis.dashboard.figures.ticks import linear_ticks, log_ticks
from analysis.dashboard.figures.timeline import timeline_data, timeline_figure
from analysis.dashboard.trials import RankedTrial, completed, parameters_of
from tests.analysis.conftest import ranked

METRIC = "macro_auc"
Maker = Callable[..., optuna.Study]


@pytest.fixture(scope="session")
def trials(searched_study: optuna.Study) -> list[RankedTrial]:
    return ranked(searched_study)


def study_of(*trials: optuna.trial.FrozenTrial) -> list[RankedTrial]:
    study = optuna.create_study(direction="maximize")
    study.add_trials(list(trials))
    return ranked(study)


def curve(epochs: int) -> dict[int, float]:
    return dict.fromkeys(range(1, epochs + 1), 0.5)


def ended(minutes: int, **options: object) -> optuna.trial.FrozenTrial:
    trial = create_trial(**options)  # type: ignore[arg-type]
    trial.datetime_start = datetime(2026, 1, 1)
    trial.datetime_complete = trial.datetime_start + timedelta(minutes=minutes)
    return trial


def test_history_is_the_one_optuna_draws(searched_study: optuna.Study, trials: list[RankedTrial]) -> None:
    drawn = optuna.visualization.plot_optimization_history(searched_study)
    ours = history_data(trials, metric=METRIC)
    assert [p.number for p in ours.points if p.state == "COMPLETE"] == list(drawn.data[0].x)
    assert [p.reached for p in ours.points if p.state == "COMPLETE"] == list(drawn.data[0].y)
    best = dict(zip(drawn.data[1].x, drawn.data[1].y, strict=True))
    assert dict(ours.best) == {number: best[number] for number, _ in ours.best}


def test_history_compares_each_familys_default_with_its_best(trials: list[RankedTrial]) -> None:
    gains = {gain.family: gain for gain in history_data(trials, metric=METRIC).gains}
    assert [gain.default_trial for gain in gains.values()] == [0, 1, 2]
    for family, gain in gains.items():
        assert gain.best == max(trial.value for trial in completed(trials, family) if trial.value is not None)
        assert gain.gained is not None
        assert gain.gained >= 0


def test_every_history_point_carries_its_trial_number(trials: list[RankedTrial]) -> None:
    markers = [trace for trace in history_figure(history_data(trials, metric=METRIC)).data if trace.mode == "markers"]
    numbers = [point[0] for trace in markers for point in trace.customdata]
    assert sorted(numbers) == [trial.number for trial in trials if trial.best_value is not None]


def test_parameters_that_few_trials_have_are_named_in_the_doubts_of_the_importances() -> None:
    space = {"x": FloatDistribution(0, 1), "rare": FloatDistribution(0, 1)}
    shared = [create_trial(value=i / 30, params={"x": i / 30}, distributions={"x": space["x"]}) for i in range(25)]
    lone = create_trial(value=0.1, params={"x": 0.1, "rare": 0.2}, distributions=space)
    warning = importances_data(study_of(*shared, lone)).warning
    assert warning == "Some parameters belong to few of these trials, so that their shares are unsure: rare."


def test_lines_of_families_differ_in_more_than_colour() -> None:
    looks = {family: (family_line(family, width=1)["dash"], family_symbol(family)) for family in FAMILY_ORDER}
    assert len(set(looks.values())) == len(FAMILY_ORDER)
    assert {looks[family][0] for family in ("alexnet", "vgg", "resnet")} == {"dash"}
    assert len({family_color(family) for family in FAMILY_ORDER}) == len(FAMILY_ORDER)


def test_learning_curves_hold_every_reported_epoch(trials: list[RankedTrial]) -> None:
    data = learning_curves_data(trials, family="rnn", metric=METRIC, rungs=(3, 9, 27))
    assert {c.number: dict(zip(c.epochs, c.values, strict=True)) for c in data.curves} == {
        trial.number: trial.intermediate for trial in trials if trial.family == "rnn" and trial.intermediate
    }
    assert data.rungs == (3, 9)
    assert len(learning_curves_figure(data).layout.shapes) == 2


def test_a_trial_at_a_rung_continued_was_stopped_failed_or_runs() -> None:
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("settings", {"scheduler": "asha", "grace_epochs": 3, "max_epochs": 20})
    rnn = {"family": "rnn"}
    study.add_trials(
        [
            create_trial(value=0.9, user_attrs={**rnn, "ended_by": "patience"}, intermediate_values=curve(2)),
            create_trial(state=TrialState.PRUNED, user_attrs=rnn, intermediate_values=curve(3)),
            create_trial(state=TrialState.PRUNED, user_attrs=rnn, intermediate_values=curve(9)),
            create_trial(state=TrialState.FAIL, user_attrs=rnn),
            create_trial(state=TrialState.RUNNING, user_attrs=rnn, intermediate_values=curve(4)),
            create_trial(state=TrialState.PRUNED, user_attrs={"family": "vgg"}, intermediate_values=curve(3)),
        ]
    )
    trials = ranked(study)
    start, three, nine = rung_survival_data(trials, family="rnn", rungs=(3, 9)).rungs
    assert start[1:] == (5, 4, 0, 1, 0)
    assert three[1:] == (4, 2, 1, 0, 1)
    assert nine[1:] == (2, 1, 1, 0, 0)


def test_each_outcome_at_the_rungs_is_one_part_of_the_bars(trials: list[RankedTrial]) -> None:
    data = rung_survival_data(trials, family="alexnet", rungs=(3, 9))
    figure = rung_survival_figure(data)
    assert [sum(heights) for heights in zip(*(trace.y for trace in figure.data), strict=True)] == [rung.reached for rung in data.rungs]


def test_overall_importances_are_those_of_plain_optuna(searched_study: optuna.Study, trials: list[RankedTrial]) -> None:
    data = importances_data(trials)
    plain = get_param_importances(searched_study, evaluator=PedAnovaImportanceEvaluator())
    assert dict(data.importances) == pytest.approx(plain)
    assert data.n_trials == len(completed(trials)) == 26
    assert data.warning == ""


def test_a_familys_importances_are_those_of_plain_optuna_on_its_trials(searched_study: optuna.Study, trials: list[RankedTrial]) -> None:
    plain = optuna.create_study(direction="maximize")
    plain.add_trials([t for t in searched_study.trials if t.user_attrs["family"] == "resnet1d" and t.state == TrialState.COMPLETE])
    names = [name for name in plain.trials[0].params if name != "family"]
    expected = get_param_importances(plain, evaluator=PedAnovaImportanceEvaluator(), params=names)
    data = importances_data(trials, family="resnet1d")
    assert dict(data.importances) == pytest.approx(expected)
    assert data.warning.startswith(f"Only {data.n_trials} trials")
    assert sum(importances_figure(data).data[0].x) == pytest.approx(1)


@pytest.mark.parametrize(("n_trials", "reason"), [(0, "there are 0 so far"), (4, "there are 4 so far")])
def test_importances_of_too_few_trials_are_explained_not_shown(toy_study: Maker, n_trials: int, reason: str) -> None:
    data = importances_data(ranked(toy_study(n_trials=n_trials, states=(TrialState.COMPLETE,))))
    assert (data.importances, reason in data.missing) == ((), True)


def test_importances_of_equal_values_or_fewer_than_two_parameters_are_explained() -> None:
    distribution = optuna.distributions.FloatDistribution(0, 1)
    space = {"x": distribution, "y": distribution}
    equal = [create_trial(value=0.5, params={"x": i / 9, "y": i / 9}, distributions=space) for i in range(9)]
    single = [create_trial(value=i / 9, params={"x": i / 9}, distributions={"x": distribution}) for i in range(9)]
    assert "One searched parameter (x)" in importances_data(study_of(*single)).missing
    assert "same value" in importances_data(study_of(*equal)).missing
    assert "no searched parameter" in importances_data(study_of(*(create_trial(value=i / 9) for i in range(9)))).missing


def test_parallel_axes_place_each_complete_trial(trials: list[RankedTrial]) -> None:
    data = parallel_data(trials, metric=METRIC, family="rnn")
    axes = {axis.name: axis for axis in data.axes}
    by_number = {trial.number: trial for trial in trials}
    assert sorted(data.numbers) == [trial.number for trial in completed(trials, "rnn")]
    rates = [by_number[n].params["rnn.learning_rate"] for n in data.numbers]
    assert axes["rnn.learning_rate"].positions == pytest.approx(np.log10(rates))
    labels = dict(axes["rnn.cell"].ticks)
    assert [labels[p] for p in axes["rnn.cell"].positions] == [by_number[n].params["rnn.cell"] for n in data.numbers]
    assert data.values == tuple(sorted(data.values))
    assert len(parallel_figure(data).data[0].dimensions) == len(axes) + 1


def test_of_many_parameters_those_that_most_trials_have_get_an_axis(trials: list[RankedTrial], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parallel_data(trials, metric=METRIC, family="rnn")
    monkeypatch.setattr("analysis.dashboard.figures.parallel.MOST_AXES", len(whole.axes) - 1)
    data = parallel_data(trials, metric=METRIC, family="rnn")
    assert [axis.name for axis in data.axes] == [axis.name for axis in whole.axes if axis.name != "rnn.attention_heads"]
    assert (whole.n_hidden, data.n_hidden) == (0, 1)


def test_a_parameter_that_a_trial_does_not_have_is_shown_as_not_set(trials: list[RankedTrial]) -> None:
    data = parallel_data(trials, metric=METRIC, family="rnn")
    axis = next(axis for axis in data.axes if axis.name == "rnn.attention_heads")
    by_number = {trial.number: trial for trial in trials}
    without = ["rnn.attention_heads" not in by_number[n].params for n in data.numbers]
    assert axis.ticks[0] == (axis.limits[0], NOT_SET)
    assert [position == axis.limits[0] for position in axis.positions] == without


def test_slices_hold_each_trials_value_of_the_parameter(trials: list[RankedTrial]) -> None:
    for name in parameters_of(trials, "alexnet"):
        data = slice_data(trials, name, metric=METRIC, family="alexnet")
        having = {trial.number: trial for trial in trials if name in trial.params and trial.best_value is not None}
        assert {p.number: p.y for p in data.points} == {n: trial.best_value for n, trial in having.items()}
        assert {p.number: p.x for p in data.points} == {n: trial.params[name] for n, trial in having.items()}
        assert slice_figure(data).layout.xaxis.type == data.scale
    assert slice_data(trials, "alexnet.learning_rate", metric=METRIC, family="alexnet").scale == "log"
    assert slice_data(trials, "alexnet.image_kind", metric=METRIC, family="alexnet").categories == ("gasf", "gadf", "mtf")


def test_timeline_has_one_lane_a_worker_and_one_bar_a_trial(trials: list[RankedTrial]) -> None:
    data = timeline_data(trials)
    assert set(data.lanes) == {f"{trial.worker} · {trial.device}" for trial in trials}
    assert sorted((bar.number, bar.start, bar.end) for bar in data.bars) == [(trial.number, trial.start, trial.end) for trial in trials]
    assert len(timeline_figure(data).data) == 3


def test_an_unfinished_bar_ends_now_when_a_search_runs_and_at_the_last_known_time_otherwise() -> None:
    running = create_trial(state=TrialState.RUNNING)
    running.datetime_start = datetime(2026, 1, 1)
    trials = study_of(ended(30, value=0.5), running)
    assert timeline_data(trials).bars[1].end == datetime(2026, 1, 1, 0, 30)
    assert timeline_data(trials, now=datetime(2026, 1, 1, 2)).bars[1].end == datetime(2026, 1, 1, 2)


def test_families_are_compared_where_all_had_the_same_budget() -> None:
    trials = study_of(
        ended(9, value=0.8, intermediate_values=curve(10), user_attrs={"family": "rnn", "seconds": 3600.0}),
        ended(5, state=TrialState.PRUNED, intermediate_values=curve(3), user_attrs={"family": "rnn", "seconds": 1800.0}),
        ended(20, value=0.9, intermediate_values=curve(10), user_attrs={"family": "rnn", "seconds": 3600.0}),
        ended(8, value=0.7, intermediate_values=curve(15), user_attrs={"family": "vgg", "seconds": 3600.0}),
        ended(8, state=TrialState.FAIL, intermediate_values=curve(1), user_attrs={"family": "alexnet"}),
    )
    data = families_data(trials, metric=METRIC)
    families = {family.family: family for family in data.families}
    assert families["rnn"].improvements == ((13, 0.8, 0), (23, 0.9, 2))
    assert data.common_budget == 15
    assert [families[name].best_at_common for name in ("rnn", "vgg", "alexnet")] == [0.8, 0.7, None]
    hours = families_data(trials, metric=METRIC, budget="hours")
    assert hours.families[0].improvements == ((1.5, 0.8, 0), (2.5, 0.9, 2))
    assert len(families_figure(data).data) == 2


def test_the_epochs_of_all_families_are_those_of_the_study(searched_study: optuna.Study, trials: list[RankedTrial]) -> None:
    data = families_data(trials, metric=METRIC)
    assert sum(family.budget_used for family in data.families) == sum(t.user_attrs["epochs"] for t in searched_study.trials)


def test_failures_are_counted_by_reason(searched_study: optuna.Study, trials: list[RankedTrial]) -> None:
    data = failures_data(trials)
    failed = searched_study.get_trials(states=(TrialState.FAIL,))
    assert [(f.number, f.reason, f.message) for f in data.failures] == [
        (t.number, t.user_attrs["fail_reason"], t.user_attrs["failure"]) for t in failed
    ]
    assert sum(sum(trace.x) for trace in failures_figure(data).data) == len(failed)
    table = failures_table(data)
    assert table.count("<tr>") == len({t.user_attrs["failure"] for t in failed}) + 1
    assert all(f'<a href="#trial-{t.number}">' in table for t in failed)


def test_a_failure_without_reason_says_so() -> None:
    assert failures_data(study_of(create_trial(state=TrialState.FAIL))).reasons == ("reason not recorded",)


def test_best_trials_are_optunas_highest_values_with_yaml_that_parses_back(searched_study: optuna.Study, trials: list[RankedTrial]) -> None:
    data = best_data(trials, metric=METRIC, class_names=("NORM", "MI", "STTC", "CD", "HYP"), folder="my study")
    complete = searched_study.get_trials(states=(TrialState.COMPLETE,))
    highest = sorted(complete, key=lambda t: -(t.value or 0))[:20]
    assert [t.number for t in data.trials] == [t.number for t in highest]
    assert [t.class_auc for t in data.trials] == [tuple(t.user_attrs["per_class_auc"]) for t in highest]
    assert [yaml.safe_load(t.config_yaml) for t in data.trials] == [t.user_attrs["config"] for t in highest]
    assert [yaml.safe_load(t.params_yaml) for t in data.trials] == [t.params for t in highest]
    assert data.trials[2].command == f"ecg-tune retrain 'my study' --trial {data.trials[2].number} --seeds 3"
    assert best_table(data).count("<button") == 40


def test_ticks_are_round_numbers_inside_the_axis() -> None:
    assert linear_ticks(0.07, 0.52) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert linear_ticks(0, 2, whole=True) == [0, 1, 2]
    assert linear_ticks(3, 3) == [3]
    assert log_ticks(32, 256) == [50, 100, 200]
    assert log_ticks(1e-6, 1e-1) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert log_ticks(33, 40) == [33, 40]


def test_a_figure_is_drawn_anew_only_for_other_data_and_making_a_page_leaves_it_as_it_was(searched_study: optuna.Study) -> None:
    def drawn(n_trials: int) -> go.Figure:
        return slice_figure(slice_data(ranked(searched_study)[:n_trials], "rnn.dropout", metric="macro_auc", family="rnn"))

    first, text = drawn(20), drawn(20).to_json()
    figure_json(first, "slice")
    assert drawn(20) is first
    assert first.to_json() == text
    assert drawn(10) is not first


def test_a_logarithmic_axis_has_few_short_ticks() -> None:
    assert log_axis("MACs", 2e3, 4e6)["ticktext"] == ["10k", "100k", "1M"]
    assert log_axis("latency", 0.6, 25)["ticktext"] == ["1", "2", "5", "10", "20"]
    assert log_axis("batch_size", 32, 256)["ticktext"] == ["50", "100", "200"]
