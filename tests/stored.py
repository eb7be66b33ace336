"""A study as Optuna holds it, read without `ecg_tune.study.schema`: so that tests see what is really stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.study.database import DATABASE
from ecg_tune.study.database import open_study as open_optuna_study
from ecg_tune.study.study import Study
from ecg_tune.study.transactions import write_trial


def optuna_of(study: Study | optuna.Study) -> optuna.Study:
    """Return the Optuna study."""
    return study.optuna if isinstance(study, Study) else study


def open_study(folder: Path) -> optuna.Study:
    """Open the Optuna study of a folder."""
    return open_optuna_study(folder)


def newest_trials(study: Study | optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: those that no other one extends."""
    trials = optuna_of(study).get_trials(deepcopy=False)
    older = {trial.user_attrs["continued_from"] for trial in trials if "continued_from" in trial.user_attrs}
    return [trial for trial in trials if trial.number not in older and "superseded_by" not in trial.user_attrs]


def best_trials(study: Study | optuna.Study, k: int | None = None) -> list[FrozenTrial]:
    """Return the COMPLETE trials that count, best first."""
    complete = [trial for trial in newest_trials(study) if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (-trial.values[0], trial.number))[:k]


def progress(folder: Path) -> tuple[int, int]:
    """Return how many values of epochs a study in a folder holds, and how many ended trials: cheap enough to be asked all the time."""
    ended = "SELECT COUNT(*) FROM trials WHERE state NOT IN ('RUNNING', 'WAITING')"
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"{(folder.resolve() / DATABASE).as_uri()}?mode=ro", uri=True)) as database,
    ):
        found: tuple[int, int] = database.execute(f"SELECT (SELECT COUNT(*) FROM trial_intermediate_values), ({ended})").fetchone()
        return found
    return 0, 0  # not made yet


def set_attrs(study: Study | optuna.Study, number: int, attributes: dict[str, object]) -> None:
    """Set attributes of a trial, finished ones' too, as an earlier driver might have left them."""
    write_trial(optuna_of(study), optuna_of(study).get_trials(deepcopy=False)[number]._trial_id, attributes)
