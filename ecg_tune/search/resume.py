"""Finished trials that a search goes on with: extended by more epochs or a larger budget, or imported from another study.

A finished trial of an Optuna study can't be reopened. Its extension is a new trial with the same parameters and seed, its
values copied, `continued_from` the older one, which gets `superseded_by` and counts no more.
"""

from __future__ import annotations

import dataclasses

from optuna.trial import TrialState

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError, StudyError
from ecg_tune.search.queue import QUEUED, suggested
from ecg_tune.search.space import SearchSpace
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import trial_path
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

IMPORTED = ("family", "seed", "epochs_trained", "seconds", "device", "n_parameters", "per_class_auc", "best_epoch", "objectives")


def extend(study: Study, space: SearchSpace, settings: SearchSettings) -> list[tuple[int, int, int]]:
    """Add a new trial for each finished one that has not all its epochs.

    Returns:
        (old number, new number, epochs kept) of each; 0 epochs kept where the schedule depends on the last epoch, so that
        the trial starts again.
    """
    extended = []
    for old in study.trials():
        if _short(old, settings):
            number = len(study.optuna.get_trials(deepcopy=False))
            config, resumes = space.extended(old.config, settings.epochs)
            new = Trial(
                number,
                "RUNNING",
                family=old.family,
                params=old.params,
                distributions=old.distributions,
                intermediate=dict(old.intermediate) if resumes else {},
                config=config,
                seed=old.seed,
                is_default=old.is_default,
                path=old.path if resumes else trial_path(number),
                queued=old.queued,
                continued_from=old.number,
                resumes=resumes,
                seconds=(old.seconds or 0.0) if resumes else None,
            )
            study.add(new)
            study.record(old, superseded_by=number)
            extended.append((old.number, number, new.epochs))
    return extended


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
        copy = _imported(trial, space, settings, same_length=same_length)
        if copy is None:
            misfits += 1
            continue
        study.add(dataclasses.replace(copy, imported_from=origin))
        taken += 1
    return taken, misfits


def check_comparable(mine: StudyAttributes, other: Study) -> None:
    """Refuse a study whose values do not compare with those of one with these attributes.

    Raises:
        StudyError: Other data, another metric, or other objectives beside it.
    """
    theirs = other.attributes
    for name in ("data_fingerprint", "metric", "minimise"):
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
    params = {"family": trial.family or None, **trial.params}
    whole = trial.state == "COMPLETE" and same_length
    try:
        proposal, distributions = suggested(space, params)
        for name, distribution in distributions.items():
            if not distribution._contains(distribution.to_internal_repr(params[name])):
                return None
        config, resumes = space.extended(trial.config, settings.epochs)
    except (ValueError, ConfigError):
        return None
    if not resumes or config != proposal.config:
        return None
    return Trial(
        trial.number,
        "COMPLETE" if whole else "PRUNED",
        params={name: params[name] for name in distributions},
        distributions=distributions,
        intermediate={epoch: value for epoch, value in trial.intermediate.items() if epoch <= settings.epochs},
        values=trial.values if whole else (),
        config=proposal.config,
        ended_by=trial.ended_by if whole else "imported",
        **{name: getattr(trial, name) for name in IMPORTED},
    )


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
