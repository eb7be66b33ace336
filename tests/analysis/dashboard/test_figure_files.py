"""Figures as files: the numbers that they draw, and pictures where a browser is there."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import optuna
import plotly.io
import pytest

from analysis.dashboard.dashboard import write_dashboard_figures
from analysis.dashboard.figure_table import figure_csv, figure_table
from ecg_tune.cli.main import run
from ecg_tune.study.study import Study


@pytest.fixture(scope="module")
def figures(searched_study: optuna.Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        assert "browser" in write_dashboard_figures(Study(searched_study), out).no_pictures
    return out


@pytest.fixture
def made_study(tmp_path: Path) -> Path:
    """Return the folder of a small study."""
    (tmp_path / "study").mkdir()
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'study' / 'study.db'}", study_name="study", direction="maximize")
    study.add_trials([optuna.trial.create_trial(value=0.5 + n / 100, intermediate_values={1: 0.5 + n / 100}) for n in range(3)])
    return tmp_path / "study"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_data_of_the_history_are_the_values_of_the_study(searched_study: optuna.Study, figures: Path) -> None:
    rows = table(figures / "history.csv")
    values = {int(row["Trial"]): float(row["validation macro AUC"]) for row in rows if row["State"] == "complete"}
    assert values == pytest.approx({t.number: t.value for t in searched_study.trials if t.value is not None}, rel=1e-5)


def test_the_data_of_parallel_coordinates_have_a_column_for_each_parameter(searched_study: optuna.Study, figures: Path) -> None:
    trials = searched_study.trials
    for row in table(figures / "parallel-rnn.csv"):
        params = trials[int(row["Trial"])].params
        assert float(row["learning_rate"]) == pytest.approx(params["rnn.learning_rate"], rel=1e-5)
        assert row["cell"] == params["rnn.cell"]


def test_every_figure_has_its_data_and_a_file_that_plotly_reads(figures: Path) -> None:
    names = {path.stem for path in figures.glob("*.json")}
    assert {"history", "curves-rnn", "slices-rnn-learning_rate", "importances-rnn"} <= names
    assert names == {path.stem for path in figures.glob("*.csv")}
    for name in names:
        assert plotly.io.from_json((figures / f"{name}.json").read_text(encoding="utf-8")).data, name
        lines = list(csv.reader((figures / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        assert len(lines) > 1, name
        assert {len(line) for line in lines} == {len(lines[0])}, name
        assert all(lines[0]), name


def plain(*traces: dict[str, Any], columns: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"data": list(traces), "layout": {"xaxis": {"title": {"text": "epoch"}}}} | ({"columns": columns} if columns else {})


POINTS = {"name": "a&lt;b", "x": [1, None, 3], "y": [0.5, None, 0.7], "customdata": [[4], [4], [4]]}
FEET = {"marker": {"size": [0, 0, 9]}}
FIELD = {"x": [1, 2], "y": ["p"], "z": [[0.1, None]]}


@pytest.mark.parametrize(
    ("figure", "lines"),
    [
        (plain(POINTS), [["Series", "Trial", "epoch", "y"], ["a<b", 4, 1, 0.5], ["a<b", 4, 3, 0.7]]),
        (plain(POINTS | {"guide": True}, POINTS | FEET), [["Series", "Trial", "epoch", "y"], ["a<b", 4, 3, 0.7]]),
        (plain({"x": [1], "y": [2]}), [["epoch", "y"], [1, 2]]),
        (plain(FIELD, columns={"Trial": 0, "u": "x", "v": "y", "value": 1}), [["u", "v", "value"], [1, "p", 0.1]]),
    ],
    ids=["gaps", "guides", "no trial", "field"],
)
def test_a_table_holds_what_is_drawn(figure: dict[str, Any], lines: list[list[Any]]) -> None:
    assert figure_table(figure) == lines


def test_names_with_commas_and_quotes_stay_one_cell() -> None:
    text = figure_csv(plain({"name": 'a, "b"', "x": [1], "y": [2]}))
    assert list(csv.reader(text.splitlines())) == [["Series", "epoch", "y"], ['a, "b"', "1", "2"]]


def test_the_command_says_what_it_wrote_and_what_not(made_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("PATH", "")
    out = made_study.parent / "out"
    assert run(["dashboard", str(made_study), "--figures", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "as CSV and JSON; not as SVG and PNG: plotly draws them in a browser only" in said
    assert json.loads((out / "history.json").read_text(encoding="utf-8"))["data"]


def test_a_browser_that_fails_is_said(made_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    browser = made_study.parent / "chromium"
    browser.write_text("#!/bin/sh\nexit 1\n")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(browser.parent))
    assert run(["dashboard", str(made_study), "--figures", str(made_study.parent / "out")]) == 0
    assert f"{browser} ended before it had drawn them all" in capsys.readouterr().out
