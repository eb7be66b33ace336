"""A study whose search space changes: which trials fit the space of today, and what is said of the others.

A trial fits when the space of today suggests the very config that was trained, from the trial's parameters. A parameter that the
trial does not have stands for what its config says, or for what older editions of the spaces did. Such a trial guides the search as
if it had been suggested today. All others are set aside: they stay in the study with all they have, for results and retraining, and
guide nothing any more: no sampler, no rung, no forecast, no patience.

The study keeps the earlier spaces, and each trial keeps the ranges that it was suggested from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ecg_tune.errors import ConfigError
from ecg_tune.search.queue import suggested
from ecg_tune.search.space import SearchSpace
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

ENDED_BY = "space"
"""`ended_by` of a trial that was unfinished when it was set aside."""
MOST_SHOWN = 4
"""Changed parameters, or trials, that a line names."""


def in_space(trial: Trial, space: SearchSpace, epochs: int) -> Trial | None:
    """Return a trial with the parameters and ranges of a space; None when the space can't suggest its config.

    Args:
        epochs: The last epoch of the search. Trials may have been planned with another.
    """
    try:
        params = {**space.older, **space.stated(trial.config), "family": trial.family or None, **trial.params}
        proposal, ranges = suggested(space, params)
        config, _ = space.extended(trial.config, epochs)
    except (ValueError, ConfigError):
        return None
    if config != proposal.config or not all(holds(range_, params[name]) for name, range_ in ranges.items()):
        return None
    return replace(trial, params={name: params[name] for name in ranges}, distributions=ranges)


def holds(range_: BaseDistribution, value: Any) -> bool:
    """Tell whether a parameter may have a value."""
    try:
        return bool(range_._contains(range_.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def set_aside(study: Study, space: SearchSpace, epochs: int) -> None:
    """Mark the trials that don't fit the space of today, and unmark those that do again; nothing in a study of one space only."""
    for trial in study.newest_trials() if study.attributes.earlier_spaces else ():
        outside = bool(trial.params) and in_space(trial, space, epochs) is None
        if outside != trial.set_aside:
            study.record(trial, set_aside=outside)


def end_set_aside(study: Study) -> None:
    """End the unfinished trials that are set aside as PRUNED; of an extension, the trial that it extends counts again."""
    for trial in study.newest_trials():
        if not trial.set_aside or trial.finished:
            continue
        if trial.continued_from is None:
            study.finish(trial, "PRUNED", ended_by=ENDED_BY)
        else:
            study.finish(trial, "FAIL", superseded_by=trial.continued_from, ended_by="withdrawn")
            study.record(study.trial(trial.continued_from), set_aside=True)


def change_text(before: Mapping[str, BaseDistribution], now: Mapping[str, BaseDistribution]) -> str:
    """Say which families and parameters changed.

    Args:
        before: Parameter → range in the space that the study was last searched in.
        now: The same of today's.
    """
    was, are = _families(before), _families(now)
    changed = [f"{family} is searched too" for family in are if family not in was]
    changed += [f"{family} is searched no more" for family in was if family not in are]
    for name in sorted({*before, *now}):
        if name != "family" and name.split(".")[0] in set(was) & set(are) and before.get(name) != now.get(name):
            changed.append(_difference(name, before.get(name), now.get(name)))
    more = f", and {len(changed) - MOST_SHOWN} more" if len(changed) > MOST_SHOWN else ""
    return f"space changed: {', '.join(changed[:MOST_SHOWN])}{more}" if changed else "space changed, in no range"


def fit_text(trials: Sequence[Trial]) -> str:
    """Say how many of a study's trials still fit.

    Args:
        trials: Each once, after `set_aside`.
    """
    outside = [trial for trial in trials if trial.set_aside]
    if not outside:
        return f"all {len(trials)} trials fit it and guide the search"
    named = f" ({', '.join(str(trial.number) for trial in outside)})" if len(outside) <= MOST_SHOWN else ""
    lies = "lies outside and no longer guides the search; it keeps its" if len(outside) == 1 else ""
    lies = lies or "lie outside and no longer guide the search; they keep their"
    unfinished = sum(not trial.finished for trial in outside)
    ends = f"; {unfinished} {'was unfinished and ends' if unfinished == 1 else 'were unfinished and end'} as PRUNED" if unfinished else ""
    return f"{len(outside)} of {len(trials)} trials{named} {lies} place in results{ends}"


def _families(ranges: Mapping[str, BaseDistribution]) -> list[str]:
    return sorted({name.split(".")[0] for name in ranges if "." in name})


def _difference(name: str, before: BaseDistribution | None, now: BaseDistribution | None) -> str:
    if before is None:
        return f"{name} is searched too, in {_text(now)}"
    return f"{name} {_text(before)} → {_text(now)}" if now is not None else f"{name} is searched no more"


def _text(range_: BaseDistribution | None) -> str:
    if isinstance(range_, CategoricalDistribution):
        return "|".join(map(str, range_.choices))
    assert isinstance(range_, FloatDistribution | IntDistribution)
    step = f" in steps of {range_.step:g}" if range_.step not in (None, 1) else ""
    return f"{range_.low:g}..{range_.high:g}{step}{' (log)' if range_.log else ''}"
