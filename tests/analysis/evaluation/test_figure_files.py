"""What is drawn when there are many models, and that it is said."""

from __future__ import annotations

import numpy as np

from analysis.evaluation.plots.curves import curves_figure
from analysis.evaluation.plots.figures import MOST_ROWS, few


def test_of_thirty_models_a_few_are_drawn_the_best_among_them_and_the_note_says_so() -> None:
    models = {f"m{i}": i for i in range(30)}
    drawn, note = few(models, 8, "m20", "n = 3.")
    assert list(drawn) == ["m0", "m1", "m2", "m3", "m4", "m5", "m20", "m29"]
    assert note == "n = 3. Drawn: 8 of 30 models, the tables have all."
    assert few({"a": 1}, MOST_ROWS, "a", "n = 3.") == ({"a": 1}, "n = 3.")


def test_the_chosen_models_area_stands_in_the_title_with_its_interval() -> None:
    labels, scores = np.array([[1], [0], [1]]), np.array([[0.9], [0.2], [0.6]])
    figure = curves_figure("pr", labels, {"A": [scores]}, class_names=("MI",), limits={"MI": (0.5, 1.0)})
    assert figure.axes[0].get_title() == "MI (n+ = 2)\nAP 1.000 [0.500, 1.000]"
    figure = curves_figure("roc", labels, {"A": [scores]}, class_names=("MI",), limits={"MI": (np.nan, np.nan)})
    assert figure.axes[0].get_title() == "MI (n+ = 2)\nAUC 1.000"
