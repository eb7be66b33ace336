"""Trials as a table, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ecg_tune.study.trial import Trial

COLUMNS = (
    "number", "family", "state", "value", "best_value", "best_epoch", "epochs", "ended_by", "fail_reason", "seconds", "n_parameters",
    "seed", "is_default", "imported_from", "start", "end",
)  # fmt: skip


def trial_table(trials: Iterable[Trial]) -> pd.DataFrame:
    """Write trials as a table of one row each, the number its index.

    Returns:
        Columns of facts, then one `params_<name>` for each parameter, empty where a trial has no such one.
    """
    trials = list(trials)
    names = sorted({name for trial in trials for name in trial.params})
    rows = [
        {**{name: getattr(trial, name) for name in COLUMNS}, **{f"params_{name}": trial.params.get(name) for name in names}}
        for trial in trials
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, *(f"params_{name}" for name in names)]).set_index("number")
