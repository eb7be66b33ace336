"""How trials and studies are written into Optuna's attributes: the names, the format's version, and older formats.

Nobody else reads or writes `user_attrs`. Format 1 is version 0.2's; a study without a number is in format 0, version 0.1's. It
is migrated when it is read, and written in the new format by the next search on it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.config.deprecations import rename_settings
from ecg_tune.config.formats import STUDY as FORMAT
from ecg_tune.errors import StudyError
from ecg_tune.study.attribute_checks import OPTUNA_CHECKS, STUDY_CHECKS, TRIAL_CHECKS, checked
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.trial import Trial

TRIAL_NAMES = {
    name: {"epochs_trained": "epochs", "resumes": "goes_on"}.get(name, name)
    for name in (
        "family", "config", "seed", "is_default", "path", "queued", "continued_from", "resumes", "superseded_by",
        "discarded", "set_aside", "note", "tags", "imported_from",
        "seconds", "timing", "epochs_trained", "device", "node", "worker", "n_parameters", "micro_batch", "micro_batch_after_oom",
        "per_class_auc", "best_epoch", "checkpoint", "objectives", "decisions", "forecast", "ended_by", "fail_reason", "failure",
    )
}  # fmt: skip
"""Field of `Trial` → name of the attribute that holds it. Everything else of a trial has a place of its own in Optuna."""

STUDY_NAMES = tuple(field.name for field in dataclasses.fields(StudyAttributes))


def trial_attributes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Name fields of `Trial` as a study holds them. NaN and infinities become null, which JSON has instead.

    Raises:
        TypeError: A name that is no field, or one that Optuna itself keeps.
    """
    if unknown := set(changes) - set(TRIAL_NAMES):
        raise TypeError(f"no attribute of a trial: {', '.join(sorted(unknown))}")
    return {TRIAL_NAMES[name]: _plain(value) for name, value in changes.items()}


def read_trial(frozen: FrozenTrial) -> Trial:
    """Read a trial out of Optuna's.

    Raises:
        StudyError: An attribute is not what it must be.
    """
    attributes = frozen.user_attrs
    fields = {name: attributes[stored] for name, stored in TRIAL_NAMES.items() if attributes.get(stored) is not None}
    fields = checked(fields, TRIAL_CHECKS, f"trial {frozen.number}")
    fields |= {"family": _family(frozen), "is_default": bool(fields.get("is_default")), "resumes": bool(fields.get("resumes"))}
    if "per_class_auc" in fields:
        fields["per_class_auc"] = tuple(math.nan if value is None else float(value) for value in fields["per_class_auc"])
    if "objectives" in fields:
        fields["objectives"] = tuple(math.nan if value is None else float(value) for value in fields["objectives"])
    fields |= {name: tuple(fields[name]) for name in ("decisions", "forecast", "tags") if name in fields}
    values = frozen.values or [] if frozen.state == TrialState.COMPLETE else []
    checked(
        {"params": frozen.params, "epochs": list(frozen.intermediate_values), "values": values}, OPTUNA_CHECKS, f"trial {frozen.number}"
    )
    return Trial(
        number=frozen.number,
        state=frozen.state.name,  # type: ignore[arg-type]  # the same five names
        params=frozen.params,
        distributions=frozen.distributions,
        intermediate={epoch: value for epoch, value in sorted(frozen.intermediate_values.items()) if math.isfinite(value)},
        values=tuple(values),
        start=frozen.datetime_start,
        end=frozen.datetime_complete,
        id=frozen._trial_id,
        **fields,
    )


def check_values(trials: Iterable[Trial], n_objectives: int) -> None:
    """Make sure that each COMPLETE trial has a value for each objective.

    Raises:
        StudyError: Names the first that has not.
    """
    for trial in trials:
        if trial.state == "COMPLETE" and len(trial.values) != n_objectives:
            raise StudyError(f"trial {trial.number} is COMPLETE without a value for each objective: the study is damaged")


def frozen_trial(trial: Trial) -> FrozenTrial:
    """Write a trial as one of Optuna's, to be added to a study.

    Raises:
        ValueError: A parameter is outside of what it was sampled from, or a COMPLETE trial has no value.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(Trial)}
    fields = {name: getattr(trial, name) for name in TRIAL_NAMES}
    known = {name: value for name, value in fields.items() if name == "is_default" or value not in (defaults[name], {})}
    return create_trial(
        state=TrialState[trial.state],
        values=list(trial.values) or None,
        params=dict(trial.params),
        distributions=dict(trial.distributions),
        user_attrs=trial_attributes(known),
        intermediate_values=dict(trial.intermediate),
    )


def fixed_params(frozen: FrozenTrial) -> dict[str, Any]:
    """Return the parameters that somebody gave with Optuna's `enqueue_trial`, else those that were sampled."""
    return dict(frozen.system_attrs.get("fixed_params", frozen.params))


def read_study(study: optuna.Study) -> StudyAttributes:
    """Read what a study says of itself, whichever version wrote it.

    Raises:
        StudyError: A newer version wrote it, or an attribute is not what it must be.
    """
    attributes = dict(study.user_attrs)
    where = f"study {study.study_name!r}"
    checked({"name": study.study_name, "directions": study.directions}, OPTUNA_CHECKS, where)
    written = checked({"format": attributes.get("format") or 0}, STUDY_CHECKS, where)["format"]
    if written > FORMAT:
        raise StudyError(
            f"study {study.study_name!r} was written by a newer ecg-tune (format {written}, this one reads up to {FORMAT}): update ecg-tune"
        )
    for version in range(written, FORMAT):
        attributes = MIGRATIONS[version](attributes)
    known = {name: attributes[name] for name in STUDY_NAMES if attributes.get(name) is not None}
    known = checked(known, STUDY_CHECKS, where)
    for name in ("leads", "images", "class_names", "minimise", "families", "rungs"):
        known[name] = tuple(known.get(name, ()))
    for name in ("tags", "earlier_spaces"):
        if name in known:
            known[name] = tuple(known[name])
    return StudyAttributes(**known)


def study_attributes(attributes: StudyAttributes) -> dict[str, Any]:
    """Name a study's facts as it holds them, in today's format. What is None is left out: the study goes on saying what it said."""
    named = {name: _plain(getattr(attributes, name)) for name in STUDY_NAMES}
    return {name: value for name, value in named.items() if value is not None} | {"format": FORMAT}


def write_study(study: optuna.Study, attributes: StudyAttributes) -> None:
    """Write what a study says of itself."""
    named = study_attributes(attributes)
    for name in sorted(named, key=lambda name: name != "earlier_spaces"):  # first: who is killed in between must not lose the older space
        study.set_user_attr(name, named[name])


def write_note(study: optuna.Study, *, note: str, tags: Sequence[str]) -> None:
    """Write the user's note and tags of a study."""
    study.set_user_attr("note", note)
    study.set_user_attr("tags", list(tags))


def forget_checkpoints(study: optuna.Study) -> None:
    """Let a study look for its checkpoints in its own folder."""
    if read_study(study).checkpoints:
        study.set_user_attr("checkpoints", None)


def _from_0_to_1(attributes: dict[str, Any]) -> dict[str, Any]:
    """Name settings as version 0.2 does."""
    settings = attributes.get("settings")
    return attributes if settings is None else {**attributes, "settings": rename_settings(settings)}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: _from_0_to_1}
"""Format → function that writes a study's attributes as the next format does."""


def _family(frozen: FrozenTrial) -> str:
    params = {**frozen.system_attrs.get("fixed_params", {}), **frozen.params}
    recorded = frozen.user_attrs.get("family") or params.get("family")
    return str(recorded or next((name.split(".")[0] for name in params if "." in name), ""))


def _plain(value: Any) -> Any:
    """Write a value as JSON holds it: lists for tuples, null for NaN and infinities."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
