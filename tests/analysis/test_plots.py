from __future__ import annotations

import numpy as np

from analysis.evaluation.plots.curves import curves_figure, own_lines
from analysis.plots import BAR_METRICS, bars_figure, confusion_figure, heatmap_figure


def test_the_bars_show_values_and_intervals_and_leave_out_what_is_undefined() -> None:
    values = {"A": dict.fromkeys(BAR_METRICS, 0.8), "B": dict.fromkeys(BAR_METRICS, 0.1) | {"auc_roc": float("nan")}}
    limits = {"A": dict.fromkeys(BAR_METRICS, (0.7, 0.9)), "B": dict.fromkeys(BAR_METRICS, (float("nan"), float("nan")))}
    figure = bars_figure(values, limits, selected="A", note="n = 3")
    first = figure.axes[0]
    assert [text.get_text() for text in first.texts] == ["0.800", "n/a"]
    assert [list(line.get_xdata()) for line in first.lines] == [[0.7, 0.9]]
    assert "n = 3" in figure.axes[7].texts[0].get_text()


def test_a_number_stands_beside_a_bar_too_short_for_it() -> None:
    values = {"A": dict.fromkeys(BAR_METRICS, 0.1)}
    text = bars_figure(values, {"A": dict.fromkeys(BAR_METRICS, (0.05, 0.2))}, selected="A").axes[0].texts[0]
    assert text.get_position()[0] > 0.2
    assert text.get_color() == "black"


def test_curves_of_a_class_without_positives_are_left_out_and_said_so() -> None:
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.6, 0.2]])
    figure = curves_figure(
        "roc", labels, {"A": [scores], "B": [1 - scores]}, class_names=("MI", "HYP"), selected="A", note="SYNTHETIC data."
    )
    assert figure.axes[0].get_title() == "MI (n+ = 2)\nAUC 1.000"
    assert figure.axes[1].texts[0].get_text() == "no positives:\nno curve"
    assert figure.axes[1].lines[:] == []
    assert [text.get_text() for text in figure.axes[2].get_legend().get_texts()] == ["A", "B"]
    assert "SYNTHETIC" in figure.get_supxlabel()


def test_of_thirty_models_the_chosen_the_first_and_the_last_keep_a_colour_and_the_others_are_counted() -> None:
    names = [f"M{i}" for i in range(30)]
    rng = np.random.default_rng(0)
    labels = (rng.random((40, 2)) < 0.5).astype(np.uint8)
    figure = curves_figure("pr", labels, {name: [rng.random((40, 2))] for name in names}, class_names=("MI", "HYP"), selected="M20")
    shown = [*names[:10], "M20", "M29"]
    assert own_lines(names, "M20") == shown
    legend = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert sorted(legend) == sorted([*shown, "18 other models"])
    assert len(figure.axes[0].lines) == 31  # and the share of positives


def test_a_heat_map_writes_each_value_over_its_interval() -> None:
    limits = np.array([[[0.7, 0.9], [np.nan, np.nan]]])
    figure = heatmap_figure(np.array([[0.8, np.nan]]), rows=["A"], columns=("MI", "HYP"), metric="auc_roc", limits=limits)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.800", "0.700 to 0.900", "n/a"]


def test_the_band_is_drawn_around_the_thick_line_only() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((40, 1)) < 0.5).astype(np.uint8)
    scores = {name: [rng.random((40, 1))] for name in "AB"}
    figure = curves_figure("roc", labels, scores, class_names=("MI",), selected="B", weights=rng.integers(0, 3, (40, 50)).astype(float))
    assert len(figure.axes[0].collections) == 1
    assert "Band: its 95 % interval" in figure.get_supxlabel().replace("\n", " ").replace("\u00a0", " ")


def test_a_row_of_a_confusion_matrix_without_records_has_no_share() -> None:
    matrices = np.array([[[8.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1.5, 4.5]]])
    figure = confusion_figure(matrices, class_names=("no positives", "no negatives"))
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes[:2]]
    assert texts == [["8\n80%", "2\n20%", "n/a", "n/a"], ["n/a", "n/a", "1.5\n25%", "4.5\n75%"]]
