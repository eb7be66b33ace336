"""Early stopping: one scheduler each. `ecg_tune.search.stopping.rungs` says which trials are compared, and where."""

from __future__ import annotations

import math
from collections.abc import Callable

from ecg_tune.config import SearchSettings, stored_settings
from ecg_tune.search.stopping import forecast as forecasts
from ecg_tune.search.stopping.rungs import Rule, Rungs, rungs_of
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.extensions import guiding
from ecg_tune.study.study import Study


def rung_levels(grace: int, factor: int, max_epochs: int) -> tuple[int, ...]:
    """Return the rungs' epochs: grace, grace·factor, grace·factor², … below the last epoch."""
    levels = []
    while grace < max_epochs:
        levels.append(grace)
        grace *= factor
    return tuple(levels)


def forecast(settings: SearchSettings) -> Rule:
    """Return the rule under which trials wait at rungs, and those with the largest expected improvement an epoch resume."""
    levels = forecasts.rung_levels(settings.grace, settings.epochs)
    return Rule(brackets=(levels,), marks=levels, pauses=True)


def asha(settings: SearchSettings) -> Rule:
    """Return asynchronous successive halving (Li et al., 2020): at every rung the best 1/`reduction_factor` go on."""
    levels = rung_levels(settings.grace, settings.reduction_factor, settings.epochs)
    return Rule(brackets=(levels,), quantile=1 - 1 / settings.reduction_factor, min_results=settings.min_results, marks=levels)


def hyperband(settings: SearchSettings) -> Rule:
    """Return asynchronous Hyperband (Li et al., 2018, 2020): successive halving in brackets that start to prune later and later.

    Bracket b has the rungs from grace·factorᵇ on, and of s = brackets - 1 - b a share of ⌈brackets·factorˢ/(s + 1)⌉ trials, as
    in the paper and Optuna's `HyperbandPruner`. The first rung of the last bracket may be the last epoch: it prunes nothing.
    """
    levels, factor = rung_levels(settings.grace, settings.reduction_factor, settings.epochs), settings.reduction_factor
    n_brackets = max(1, len(rung_levels(settings.grace, factor, settings.epochs + 1)))
    shares = tuple(math.ceil(n_brackets * factor**s / (s + 1)) for s in reversed(range(n_brackets)))
    return Rule(
        brackets=tuple(levels[bracket:] for bracket in range(n_brackets)),
        shares=shares,
        quantile=1 - 1 / factor,
        min_results=settings.min_results,
        marks=levels,
    )


def median(settings: SearchSettings) -> Rule:
    """Return the median stopping rule (Golovin et al., 2017), at every epoch from the grace epoch on.

    A trial is pruned if its best value so far is below the median of the others' means over the epochs from grace to this one.
    """
    levels = tuple(range(settings.grace, settings.epochs))
    marks = rung_levels(settings.grace, settings.reduction_factor, settings.epochs)
    return Rule(brackets=(levels,), quantile=0.5, min_results=settings.min_results, averages=True, marks=marks)


def none(settings: SearchSettings) -> Rule:
    """Return the rule that lets every trial run to its end."""
    return Rule()


SCHEDULERS: dict[str, Callable[[SearchSettings], Rule]] = {
    "forecast": forecast,
    "asha": asha,
    "hyperband": hyperband,
    "median": median,
    "none": none,
}


def rule_of(attributes: StudyAttributes) -> Rule:
    """Return the rule that a study was last searched with; one that does not say has no rungs."""
    named = ("scheduler", "profile", "max_epochs", "grace_epochs", "reduction_factor", "min_results")
    settings = attributes.settings or {}
    if settings.get("scheduler") not in SCHEDULERS:
        return none(SearchSettings())
    return SCHEDULERS[settings["scheduler"]](stored_settings(settings, named))


def study_forecasts(study: Study) -> forecasts.Forecasts | None:
    """Rebuild the forecasts of a study; None where its trials do not wait for theirs."""
    attributes = study.attributes
    rule = rule_of(attributes)
    if not rule.pauses or not attributes.max_epochs:
        return None
    return forecasts.Forecasts.of(guiding(study.all_trials()), rule.levels, attributes.max_epochs, attributes.families)


def study_rungs(study: Study) -> Rungs:
    """Rebuild the rungs of a study under the rule that it was last searched with."""
    return rungs_of(guiding(study.all_trials()), rule_of(study.attributes))
