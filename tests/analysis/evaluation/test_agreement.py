"""The page says what `ecg-tune status --json` and plain Optuna say of the same study. The study is made up."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from analysis.dashboard.dashboard import write_dashboard
from analysis.dashboard.figures.rung_survival import rung_survival_data
from ecg_tune.cli.main import app
from ecg_tune.study.study import Study
from tests.analysis.conftest import ranked, summary_of
from tests.stored import open_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, searched_study: optuna.Study) -> Path:
    """Return a folder with a copy of the study, one of its rows replaced by a longer one."""
    folder = tmp_path_factory.mktemp("agreement") / "toy"
    folder.mkdir()
    shutil.copy(searched_study._storage._backend.engine.url.database, folder / "study.db")  # type: ignore[attr-defined]
    study = open_study(folder)
    longer = next(trial for trial in study.trials if trial.state == TrialState.COMPLETE and trial.number > 3)
    study.add_trial(
        optuna.trial.create_trial(
            value=longer.value,
            params=longer.params,
            distributions=longer.distributions,
            intermediate_values=longer.intermediate_values,
            user_attrs={**longer.user_attrs, "continued_from": longer.number},
        )
    )
    return folder


@pytest.fixture(scope="module")
def status(folder: Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["status", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    text = write_dashboard(Study.open(folder), folder / "dashboard.html").read_text(encoding="utf-8")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", text, flags=re.S))).split())


def test_status_page_and_optuna_count_the_same(folder: Path, status: dict[str, Any], page: str) -> None:
    study = optuna.load_study(study_name="toy", storage=f"sqlite:///{folder / 'study.db'}")
    older = {trial.user_attrs.get("continued_from") for trial in study.trials}
    newest = [trial for trial in study.trials if trial.number not in older]
    complete, pruned, failed = (
        sum(t.state == state for t in newest) for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    )
    epochs = sum(len(trial.intermediate_values) for trial in study.trials)  # as the budget: the longer one was started again
    assert (status["trials"], status["epochs"]) == (len(newest), epochs) == (60, epochs)
    assert [status["states"][name] for name in ("COMPLETE", "PRUNED", "FAIL")] == [complete, pruned, failed]
    assert f"Trials 60 {complete} complete, {pruned} stopped early, {failed} failed" in page
    assert f"Epochs trained {epochs:,}" in page
    assert "trials 60 of 200, 140 left" in page


def test_status_page_and_optuna_name_the_same_best_trial(folder: Path, status: dict[str, Any], page: str) -> None:
    study = optuna.load_study(study_name="toy", storage=f"sqlite:///{folder / 'study.db'}")
    best = study.best_trial
    assert (status["best"]["number"], status["best"]["value"], status["best"]["params"]) == (best.number, best.value, best.params)
    assert f"Best validation macro AUC {best.value:.4f} trial {best.number}, {best.user_attrs['family']}" in page


def test_the_summary_holds_what_status_says_of_the_data(folder: Path, status: dict[str, Any]) -> None:
    study = open_study(folder)
    summary = summary_of(study, ranked(study))
    attributes = summary.attributes
    assert attributes.synthetic == status["synthetic"]
    assert attributes.data_fingerprint == status["data_fingerprint"]
    assert (attributes.split, list(attributes.leads), attributes.max_epochs) == (status["split"], status["leads"], status["max_epochs"])
    assert attributes.n_records == status["n_records"]
    assert list(summary.objectives) == status["objectives"]


def test_the_rungs_hold_as_many_trials_as_status_says(folder: Path, status: dict[str, Any]) -> None:
    study = open_study(folder)
    rows, rungs = ranked(study), study.user_attrs["rungs"]
    drawn = {
        f"{family}@{rung.epoch}": rung.reached
        for family in study.user_attrs["families"]
        for rung in rung_survival_data(rows, family=family, rungs=rungs).rungs
        if rung.epoch
    }
    assert drawn == status["rungs"]


def test_each_failure_and_default_of_status_is_in_the_rows(folder: Path, status: dict[str, Any]) -> None:
    rows = ranked(open_study(folder))
    failed = [{"number": row.number, "family": row.family, "reason": row.fail_reason} for row in rows if row.state == "FAIL"]
    assert failed == status["failures"]
    defaults = [(row.number, row.state, row.best_value, dict(row.params)) for row in rows if row.is_default]
    assert defaults == [(one["number"], one["state"], one["value"], one["params"]) for one in status["defaults"]]
