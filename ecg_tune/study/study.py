"""The Optuna study, single source of truth of a search: open it, read it. Rows are written in `ecg_tune.study.transactions`.

A study is a folder; its rows are in the database that `ecg_tune.study.database` tells, under the folder's name. Attributes of
a study: data_fingerprint, data_path, split, leads, class_names, n_records, synthetic, metric, minimise, profile, families,
max_epochs, rungs, scheduler, sampler, seed, settings, and checkpoints where they lie elsewhere (see
`ecg_tune.study.retention`). Attributes of a trial: see `ecg_tune.search.engine`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ecg_tune.errors import StudyError
from ecg_tune.study.database import ADDRESS, DATABASE, EmptyDatabaseError, cant_be_read, database_of, on_server, open_database, shown

optuna.logging.set_verbosity(optuna.logging.WARNING)


def study_exists(folder: Path) -> bool:
    """Return whether `folder` holds a study, or says where it is."""
    return (folder / DATABASE).is_file() or (folder / ADDRESS).is_file()


def open_study(folder: Path, *, reading: bool = False) -> optuna.Study:
    """Open a study.

    Args:
        reading: Make nothing, and don't wait long for who writes.

    Raises:
        StudyError: There is none, or its database can't be read.
    """
    if not study_exists(folder):
        raise StudyError(f"{folder} is not a study ({DATABASE} is missing): `ecg-tune search {folder} --data DATA` makes one")
    url = database_of(folder)
    found = find_study(folder, url, reading=reading)
    if found is None and on_server(url):
        raise StudyError(f"{shown(url)} holds no study named {folder.resolve().name!r}: give the folder the name that its study has there")
    if found is None:
        raise StudyError(f"{folder / DATABASE} is still empty: its search has just begun, or died in its first second; run it (again)")
    return found


def find_study(folder: Path, url: URL, *, reading: bool = False) -> optuna.Study | None:
    """Open the study of a folder if its database holds it: in a file the only one, on a server the one of the folder's name.

    Raises:
        StudyError: The database can't be read, or its file holds several.
    """
    if not on_server(url) and not Path(str(url.database)).is_file():
        return None
    try:
        storage = open_database(url, reading=reading)
        names = optuna.get_all_study_names(storage)
    except EmptyDatabaseError:
        return None
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise cant_be_read(url, error) from error
    if on_server(url):
        names = [name for name in names if name == folder.resolve().name]
    if len(names) > 1:
        raise StudyError(f"{folder / DATABASE} holds {len(names)} studies ({', '.join(names)}), one was expected")
    return optuna.load_study(study_name=names[0], storage=storage) if names else None


def data_folder(study: optuna.Study, folder: Path) -> str:
    """Return where the study's data lay when it was searched: a folder, or s3://BUCKET/PREFIX.

    Raises:
        StudyError: The study does not say: it was not made by `ecg-tune search`, or died in its first second.
    """
    if "settings" not in study.user_attrs:
        raise StudyError(
            f"{folder} was not made by `ecg-tune search`, or died in its first second: it does not say what it was searched on"
        )
    return str(study.user_attrs["data_path"])


def newest_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the rows that count, by number: a lengthened trial's older row is left out.

    That a row goes on with an older one is written into the new row when it is made, so that both never count; the older
    one's `superseded_by` is for other readers of the file.
    """
    rows = study.get_trials(deepcopy=False)
    older = {row.user_attrs["continued_from"] for row in rows if "continued_from" in row.user_attrs}
    return [row for row in rows if row.number not in older and "superseded_by" not in row.user_attrs]


def best_trials(study: optuna.Study, k: int | None = None) -> list[FrozenTrial]:
    """Return the COMPLETE rows, highest value of the metric first, ties by number; at most `k` of them."""
    complete = [trial for trial in newest_trials(study) if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (-objective(trial), trial.number))[:k]


def objective(trial: FrozenTrial) -> float:
    """Return a COMPLETE row's value of the metric: the only objective, or the first of several."""
    return float(trial.values[0])


def pareto_front(study: optuna.Study) -> list[FrozenTrial]:
    """Return the COMPLETE rows that no other one dominates, best value of the metric first.

    Optuna's `best_trials` would count the older rows of lengthened trials too.
    """
    complete = best_trials(study)
    signs = np.array([1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in study.directions])
    scores = np.array([row.values for row in complete]).reshape(len(complete), len(signs)) * signs
    dominated = [bool(((scores >= own).all(axis=1) & (scores > own).any(axis=1)).any()) for own in scores]
    return [row for row, worse in zip(complete, dominated, strict=True) if not worse]


def last_failure(study: optuna.Study) -> str:
    """Return the last FAIL row's number, reason and last line of its text; "" when there is none."""
    failed = [trial for trial in newest_trials(study) if trial.state == TrialState.FAIL]
    if not failed:
        return ""
    attrs = failed[-1].user_attrs
    text = str(attrs.get("failure", "")).strip().splitlines()
    return f"trial {failed[-1].number} failed ({attrs.get('fail_reason')}): {text[-1] if text else ''}"


def count_states(study: optuna.Study) -> dict[str, int]:
    """Return how many rows that count are in each state."""
    states = [trial.state for trial in newest_trials(study)]
    return {state.name: states.count(state) for state in TrialState}
