"""Finished trials that a search goes on with: extended by more epochs or a larger budget, or imported from another study.

A finished trial of an Optuna study can't be reopened. Its extension is a new trial with the same parameters and seed, its
values copied and `continued_from` the older one. That counts until the newer one has finished, and gets `superseded_by` then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from optuna.trial import TrialState

from ecg_tune.config import SearchSettings
from ecg_tune.errors import StudyError
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.space_change import in_space
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import trial_path
from ecg_tune.study.extensions import guiding, unwanted
from ecg_tune.study.study import Study
from ecg_tune.study.trial import QUEUED, Trial

IMPORTED = ("family", "seed", "epochs_trained", "seconds", "device", "n_parameters", "per_class_auc", "best_epoch", "objectives")

DATA = "data_fingerprint"
COMPARED = (DATA, "metric", "minimise")
"""Attributes in which two studies must agree for their values to compare."""
AGAIN = ("family", "params", "distributions", "config", "seed", "is_default", "queued", "note", "tags")
"""What a trial that is tried again, or extended, keeps."""


def extend(study: Study, space: SearchSpace, settings: SearchSettings) -> list[tuple[int, int, int]]:
    """Add a new trial for each finished one that has not all its epochs.

    Returns:
        (old number, new number, epochs kept) of each; 0 epochs kept where the schedule depends on the last epoch, so that
        the trial starts again.
    """
    extended = []
    for old in guiding(study.all_trials()):
        if _short(old, settings):
            number = len(study.optuna.get_trials(deepcopy=False))
            config, resumes = space.extended(old.config, settings.epochs)
            new = dataclasses.replace(
                _again(old, number),
                intermediate=dict(old.intermediate) if resumes else {},
                config=config,
                path=old.path if resumes else trial_path(number),
                continued_from=old.number,
                resumes=resumes,
                seconds=(old.seconds or 0.0) if resumes else None,
                timing=old.timing if resumes else {},
            )
            study.add(new)
            extended.append((old.number, number, new.epochs))
    return extended


def nothing_left(study: Study, settings: SearchSettings) -> bool:
    """Tell whether a search has nothing to do: its trials are there, all have ended, and none is to be extended or withdrawn."""
    trials = study.newest_trials()
    if sum(not trial.imported for trial in trials) < settings.trials or unwanted(study.all_trials(), settings.epochs):
        return False
    return all(trial.finished and (trial.set_aside or not _short(trial, settings)) for trial in trials)


def retry_failed(study: Study) -> int:
    """Add a new trial with the same config and seed for each trial that failed, which counts no more; return how many."""
    failed = [trial for trial in guiding(study.all_trials()) if trial.state == "FAIL" and trial.config]
    for old in failed:
        number = len(study.optuna.get_trials(deepcopy=False))
        new = study.add(_again(old, number))
        study.record(old, discarded=f"tried again as trial {new.number}")
    return len(failed)


def _again(old: Trial, number: int) -> Trial:
    """Return a new trial with the parameters, config and seed of an older one, from its first epoch on."""
    kept = {name: getattr(old, name) for name in AGAIN}
    return Trial(number, "RUNNING", path=trial_path(number), **kept)


def withdraw(study: Study, settings: SearchSettings) -> None:
    """Take extensions back when fewer epochs are asked for again, which the older trials have: these count instead."""
    for trial in unwanted(study.all_trials(), settings.epochs):
        if trial.finished:
            study.record(trial, superseded_by=trial.continued_from)
        else:
            study.finish(trial, "FAIL", superseded_by=trial.continued_from, ended_by="withdrawn")


def import_trials(study: Study, other: Study, space: SearchSpace, settings: SearchSettings) -> tuple[int, int]:
    """Copy another study's finished trials that fit this one: same data, same metric, parameters inside this space.

    Sampler and rungs learn from them; they don't count as trials of this search. Nothing is taken twice.

    Returns:
        How many were taken, and how many do not fit this space.

    Raises:
        StudyError: The other study's values do not compare with this one's.
    """
    check_comparable(study.attributes, other)
    known = {trial.imported_from for trial in study.trials()}
    same_length = other.attributes.max_epochs == settings.epochs
    taken = misfits = 0
    for trial in other.trials():
        origin = f"{other.name}#{trial.number}"
        if trial.state not in ("COMPLETE", "PRUNED") or origin in known or not trial.intermediate:
            continue
        whole = trial.last_epoch == settings.epochs if trial.ended_by == "max_epochs" else same_length
        copy = _imported(trial, space, settings, same_length=whole)
        if copy is None:
            misfits += 1
            continue
        study.add(dataclasses.replace(copy, imported_from=origin))
        taken += 1
    return taken, misfits


def check_comparable(mine: StudyAttributes, other: Study, names: Sequence[str] = COMPARED) -> None:
    """Refuse a study whose values do not compare with those of one with these attributes.

    Args:
        names: The attributes that must be equal.

    Raises:
        StudyError: Other data, another metric, or other objectives beside it.
    """
    theirs = other.attributes
    for name in names:
        here, there = getattr(mine, name), getattr(theirs, name)
        if here != there:
            shown = [str(value)[:12] if name == "data_fingerprint" else _listed(value) for value in (there, here)]
            raise StudyError(
                f"{other.name} can't be imported: its {name} is {shown[0]!r}, this study's {shown[1]!r}: their values don't compare; "
                "search with the same, or leave --import-study out"
            )


def adopt(study: Study) -> None:
    """Take over open trials that this engine did not make, such as Optuna's own `enqueue_trial`: what they fix goes to the queue.

    The trial itself counts no more: it has no config, seed or path for checkpoints.
    """
    for trial in study.all_trials():
        if not trial.finished and not trial.config:
            study.record(trial, superseded_by=QUEUED)
            study.optuna._storage.set_trial_state_values(trial.id, TrialState.FAIL)


def _short(trial: Trial, settings: SearchSettings) -> bool:
    """Return whether a finished trial may train longer: a budget ended it, or it ran to a last epoch that is later now."""
    if not trial.finished or trial.path is None:
        return False
    return trial.stopped_by_budget or (trial.ended_by == "max_epochs" and trial.last_epoch < settings.epochs)


def _imported(trial: Trial, space: SearchSpace, settings: SearchSettings, *, same_length: bool) -> Trial | None:
    """Return a trial as this study would hold it; None when its parameters or config are not of this space."""
    whole = trial.state == "COMPLETE" and same_length
    fitted = in_space(trial, space, settings.epochs)
    if fitted is None:
        return None
    config, resumes = space.extended(trial.config, settings.epochs)
    if not resumes:
        return None
    return Trial(
        trial.number,
        "COMPLETE" if whole else "PRUNED",
        params=fitted.params,
        distributions=fitted.distributions,
        intermediate={epoch: value for epoch, value in trial.intermediate.items() if epoch <= settings.epochs},
        values=trial.values if whole else (),
        config=config,
        ended_by=trial.ended_by if whole else "imported",
        **{name: getattr(trial, name) for name in IMPORTED},
    )


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
