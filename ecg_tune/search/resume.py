"""Finished rows that a search goes on with: lengthened, after a budget was raised or more epochs were asked for, or imported.

A finished row of an Optuna study can't be reopened. A trial that goes on is a new row with the same parameters and seed, its
values copied, `continued_from` the old one, which gets `superseded_by` and counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError, StudyError
from ecg_tune.search.queue import QUEUED, suggested
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.stopping.budget import ENDS
from ecg_tune.study.study import newest_trials
from ecg_tune.study.transactions import add_row, check_distributions, set_attrs

CHECKPOINTS = "checkpoints"
INHERITED = ("family", "seed", "is_default", "queued")
IMPORTED = ("family", "seed", "epochs", "seconds", "device", "n_parameters", "per_class_auc", "best_epoch", "objectives")


def extend(study: optuna.Study, space: SearchSpace, settings: SearchSettings) -> list[tuple[int, int, int]]:
    """Make new rows of the finished ones that have not all their epochs.

    Returns:
        (old number, new number, epochs kept) of each; 0 epochs kept where the schedule depends on the last epoch, so that
        the trial starts again.
    """
    extended = []
    for row in newest_trials(study):
        if _short(row, settings):
            number = len(study.get_trials(deepcopy=False))
            config, goes_on = space.extended(row.user_attrs["config"], settings.epochs)
            values = dict(row.intermediate_values) if goes_on else {}
            attrs = {name: row.user_attrs[name] for name in INHERITED if name in row.user_attrs}
            attrs |= {"path": row.user_attrs["path"] if goes_on else trial_path(number), "config": config}
            attrs |= {
                "continued_from": row.number,
                "goes_on": goes_on,
                **({"seconds": row.user_attrs.get("seconds", 0.0)} if goes_on else {}),
            }
            add_running(study, row.params, row.distributions, attrs, values)
            set_attrs(study, row.number, {"superseded_by": number})
            extended.append((row.number, number, len(values)))
    return extended


def import_rows(study: optuna.Study, other: optuna.Study, space: SearchSpace, settings: SearchSettings) -> tuple[int, int]:
    """Copy another study's finished trials that fit this one: same data, same metric, parameters inside this space.

    Sampler and rungs learn from them; they don't count as trials of this search. Nothing is taken twice.

    Returns:
        How many were taken, and how many do not fit this space.

    Raises:
        StudyError: The other study's values do not compare with this one's.
    """
    check_comparable(study.user_attrs, other)
    known = {row.user_attrs.get("imported_from") for row in newest_trials(study)}
    taken = misfits = 0
    for row in newest_trials(other):
        origin = f"{other.study_name}#{row.number}"
        if row.state not in (TrialState.COMPLETE, TrialState.PRUNED) or origin in known or not row.intermediate_values:
            continue
        copy = _imported(row, space, settings, same_length=other.user_attrs.get("max_epochs") == settings.epochs)
        if copy is None:
            misfits += 1
            continue
        copy.user_attrs["imported_from"] = origin
        study.add_trial(copy)
        taken += 1
    return taken, misfits


def check_comparable(attributes: Mapping[str, Any], other: optuna.Study) -> None:
    """Refuse a study whose values do not compare with those of one with these attributes.

    Raises:
        StudyError: Other data, another metric, or other objectives beside it.
    """
    for name in ("data_fingerprint", "metric", "minimise"):
        mine, theirs = attributes.get(name), other.user_attrs.get(name)
        if mine != theirs:
            shown = [str(value)[:12] if name == "data_fingerprint" else value for value in (theirs, mine)]
            raise StudyError(
                f"{other.study_name} can't be imported: its {name} is {shown[0]!r}, this study's {shown[1]!r}: their values don't compare; "
                "search with the same, or leave --import-study out"
            )


def adopt(study: optuna.Study) -> None:
    """Take over open rows that this engine did not make, such as Optuna's own `enqueue_trial`: what they fix goes to the queue.

    The row itself counts no more: it has no config, seed or place for checkpoints.
    """
    for row in study.get_trials(deepcopy=False):
        if not row.state.is_finished() and "config" not in row.user_attrs:
            set_attrs(study, row.number, {"superseded_by": QUEUED})
            study._storage.set_trial_state_values(row._trial_id, TrialState.FAIL)


def trial_path(number: int) -> str:
    """Return the folder of a trial's checkpoints, relative to the place where the study keeps them."""
    return f"{CHECKPOINTS}/trial_{number:05d}"


def add_running(
    study: optuna.Study,
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    attrs: Mapping[str, Any],
    values: Mapping[int, float] = {},
    *,
    known: dict[str, BaseDistribution] | None = None,
) -> FrozenTrial:
    """Add a RUNNING row with all that it stands for, in one transaction: a killed driver leaves all of it or nothing.

    Args:
        known: The distributions of the study's rows, if the row's shall be compared with them.
    """
    row = create_trial(
        state=TrialState.RUNNING,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=dict(attrs),
        intermediate_values=dict(values),
    )
    if known is not None:
        check_distributions(known, row)
    return add_row(study, row)


def _short(row: FrozenTrial, settings: SearchSettings) -> bool:
    if not row.state.is_finished() or "path" not in row.user_attrs:
        return False
    ended_by, last = row.user_attrs.get("ended_by"), max(row.intermediate_values, default=0)
    return ended_by in ENDS or (ended_by == "max_epochs" and last < settings.epochs)


def _imported(row: FrozenTrial, space: SearchSpace, settings: SearchSettings, *, same_length: bool) -> FrozenTrial | None:
    """Return a row as this study would hold it; None when its parameters or config are not of this space."""
    given = {"family": row.user_attrs.get("family"), **row.params}
    try:
        proposal, distributions = suggested(space, given)
        whole = row.state == TrialState.COMPLETE and same_length
        ended_by = row.user_attrs.get("ended_by") if whole else "imported"
        copy = create_trial(
            state=TrialState.COMPLETE if whole else TrialState.PRUNED,
            params={name: given[name] for name in distributions},
            distributions=distributions,
            values=row.values if whole else None,
            intermediate_values={epoch: value for epoch, value in row.intermediate_values.items() if epoch <= settings.epochs},
            user_attrs={name: row.user_attrs[name] for name in IMPORTED if name in row.user_attrs},
        )
    except (ValueError, ConfigError):
        return None
    copy.user_attrs |= {"ended_by": ended_by, "config": proposal.config, "is_default": False}
    config, goes_on = space.extended(row.user_attrs["config"], settings.epochs)
    return copy if goes_on and config == proposal.config else None
