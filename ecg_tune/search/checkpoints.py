"""Checkpoints bounded across trials: the last one of unfinished trials, the best weights of each family's `TOP` best."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import optuna
from optuna.trial import TrialState

from ecg_tune.search.study import best_trials, newest_trials

TOP = 3


def tidy(study: optuna.Study, folder: Path) -> None:
    """Remove what can't matter any more: folders of ended trials, but the best weights of each family's `TOP` best."""
    kept, seen = set(), Counter[str]()
    for trial in best_trials(study):
        family = str(trial.user_attrs.get("family"))
        seen[family] += 1
        if seen[family] <= TOP:
            kept.add(trial.number)
    for trial in newest_trials(study):
        if trial.state == TrialState.RUNNING or "path" not in trial.user_attrs:
            continue
        target = folder / str(trial.user_attrs["path"])
        if trial.number in kept:
            for file in target.glob("*last.pt*"):  # and what a killed worker left half written
                file.unlink(missing_ok=True)
        elif target.exists():
            shutil.rmtree(target, ignore_errors=True)
