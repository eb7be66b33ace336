"""Several studies on one page: what is compared, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from analysis.dashboard.figures.study_progress import study_progress_data, study_progress_figure
from analysis.retraining.race import Racer
from ecg_tune.cli.main import run
from ecg_tune.study.race_result import write_race
from tests.analysis.conftest import ranked

DATA = "5f0c1d2e9a7b"


def make(folder: Path, values: list[float], *, epochs: int = 2, metric: str = "macro_auc", data: str = DATA) -> Path:
    folder.mkdir(parents=True)
    study = optuna.create_study(storage=f"sqlite:///{folder / 'study.db'}", study_name=folder.name, direction="maximize")
    study.set_user_attr("metric", metric)
    study.set_user_attr("data_fingerprint", data)
    for value in values:
        attrs = {"family": "rnn", "epochs": epochs, "seconds": 1800.0}
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE, value=value, intermediate_values=dict.fromkeys(range(1, epochs + 1), value), user_attrs=attrs
            )
        )
    return folder


def trials_of(values: list[float], epochs: int) -> list[Any]:
    study = optuna.create_study(direction="maximize")
    for value in values:
        curve = dict.fromkeys(range(1, epochs + 1), value)
        study.add_trial(create_trial(value=value, intermediate_values=curve, user_attrs={"family": "rnn", "seconds": 1800.0}))
    return ranked(study)


def test_histories_are_best_values_over_what_each_study_used() -> None:
    studies = {"a": trials_of([0.7, 0.6, 0.8], 2), "b": trials_of([0.9, 0.5], 5)}
    data = study_progress_data(studies, metric="macro_auc", budget="epochs")
    a, b = data.families
    assert [(point.budget_used, point.value) for point in a.improvements] == [(2, 0.7), (6, 0.8)]
    assert (a.budget_used, b.budget_used, data.common_budget) == (6, 10, 6)
    assert (a.best_at_common, b.best_at_common) == (0.8, 0.9)
    hours = study_progress_data(studies, metric="macro_auc", budget="hours")
    assert [study.budget_used for study in hours.families] == [1.5, 1.0]
    lines = study_progress_figure(data).data
    assert [line.name for line in lines] == ["a", "b"]
    assert len({line.line.color for line in lines}) == len({line.line.dash for line in lines}) == 2


def test_several_studies_become_one_page(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "one", [0.7])
    make(tmp_path / "two", [0.8, 0.75])
    make(tmp_path / "deep" / "two", [0.6])
    assert run(["dashboard", "one", "two"]) == 0
    assert capsys.readouterr().out.startswith("wrote studies.html (")
    page = (tmp_path / "studies.html").read_text(encoding="utf-8")
    assert "<h1>one · two <" in page
    assert "1: 1 complete" in page
    assert "2: 2 complete" in page
    assert "Data differ" not in page
    assert page.count("Best by a race over seeds") == 1
    assert run(["dashboard", "two", "deep/two", "--out", "both.html"]) == 0
    assert f"deep{chr(47)}two" in (tmp_path / "both.html").read_text(encoding="utf-8")


def test_the_races_word_stands_beside_the_best_of_each_search(tmp_path: Path) -> None:
    for name, raced in (("one", True), ("two", False)):
        folder = make(tmp_path / name, [0.7, 0.8])
        if raced:
            (folder / "models").mkdir()
            write_race(folder / "models", [Racer(0, 0.7, (0.76, 0.78), 2, "rnn").as_row()])
    assert run(["dashboard", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "page.html")]) == 0
    page = " ".join((tmp_path / "page.html").read_text(encoding="utf-8").split())
    assert '<td class="n">0.7700 [0.6429, 0.8971] <span class="soft">trial 0, rnn</span></td>' in page
    assert page.count('<td class="n">0.8000 <span class="soft">trial 1, rnn</span></td>') == 2


def test_other_data_are_said_and_another_metric_is_refused(tmp_path: Path, capsys: Any) -> None:
    one, two = make(tmp_path / "one", [0.7]), make(tmp_path / "two", [0.8], data="ffff00001111")
    out = tmp_path / "page.html"
    assert run(["dashboard", str(one), str(two), "--out", str(out)]) == 0
    assert f"one {DATA}, two ffff00001111. The best values are of different validation records" in out.read_text(encoding="utf-8")
    three = make(tmp_path / "three", [0.8], metric="macro_f1")
    capsys.readouterr()
    assert run(["dashboard", str(one), str(three), "--out", str(tmp_path / "none.html")]) == 2
    err = capsys.readouterr().err
    assert "different metrics (one: macro_auc, three: macro_f1)" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "none.html").exists()


def test_figures_of_several_studies_are_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = [str(make(tmp_path / name, [0.7, 0.8])) for name in ("one", "two")]
    monkeypatch.setenv("PATH", "")
    assert run(["dashboard", *studies, "--figures", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "studies-By-epochs.csv").read_text(encoding="utf-8").splitlines()[:2] == [
        "Study,Trial,epochs used by the study,best validation macro AUC",
        "one,0,2.0,0.7",
    ]


def test_an_empty_study_beside_another_gives_a_page(tmp_path: Path) -> None:
    studies = [str(make(tmp_path / "one", [0.7])), str(make(tmp_path / "none", []))]
    assert run(["dashboard", *studies, "--out", str(tmp_path / "page.html")]) == 0


def test_data_of_a_quick_try_are_said_to_be_limited(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", [0.7]), make(tmp_path / "two", [0.8])
    optuna.load_study(study_name="two", storage=f"sqlite:///{two / 'study.db'}").set_user_attr("limited", "600 of 2980 records")
    assert run(["dashboard", str(one), str(two), "--out", str(tmp_path / "page.html")]) == 0
    banner = "<strong>LIMITED.</strong> Data prepared for a quick try: two to 600 of 2980 records."
    assert banner in (tmp_path / "page.html").read_text(encoding="utf-8")
