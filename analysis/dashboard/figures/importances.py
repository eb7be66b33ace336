"""Importances: which parameters decided whether a trial was among the best tenth (PED-ANOVA, Watanabe et al., IJCAI 2023)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import optuna
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from analysis.dashboard.figures.plotly_text import escape, hover
from analysis.dashboard.figures.style import PALETTE, axis, cached_figure, draw, family_color, short_name
from analysis.dashboard.identity import Same
from analysis.dashboard.trials import RankedTrial, compared, parameters_of

FEWEST_TRIALS = 5
TRUSTED_TRIALS = 20
MOST_SHOWN, LEAST_SHOWN = 15, 0.005
_RARE = re.compile(r"Some regimes for parameter `(.+)` have less than")


class Importances(NamedTuple):
    """What `importances_figure` draws.

    Attributes:
        family: None for the whole study.
        importances: (parameter, share), highest first; the shares sum to 1. Empty when `missing` says why.
        n_trials: The trials with a value or a forecast that they are computed from.
        warning: Why they need care; "" when they don't.
        missing: Why there are none; "" when there are some.
    """

    family: str | None
    importances: tuple[tuple[str, float], ...]
    n_trials: int
    warning: str
    missing: str


@dataclass(frozen=True)
class _ScoredTrial:
    """A trial as the importances need it; hashable, so that they are computed once."""

    value: float
    params: tuple[tuple[str, Any], ...]
    distributions: tuple[tuple[str, BaseDistribution], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """The hash of its values: that of a distribution takes long."""
        return hash((self.value, self.params))


def importances_data(trials: Sequence[RankedTrial], *, family: str | None = None) -> Importances:
    """Compute Optuna's PED-ANOVA importances from the trials with a value, or a forecast, of a family, or of the whole study.

    Args:
        family: None for the whole study.
    """
    own = compared(trials, family)
    missing = _reason_for_none(own, family)
    if missing:
        return Importances(family, (), len(own), "", missing)
    scored = tuple(_scored(trial.expected or 0.0, Same(trial.params), Same(trial.distributions)) for trial in own)
    shares, doubts = _shares(scored, tuple(parameters_of(own, family)))
    return Importances(family, shares, len(own), _warning(len(own), doubts), "")


@cached_figure
def importances_figure(data: Importances) -> go.Figure:
    """Draw one horizontal bar a parameter, the `MOST_SHOWN` most important, the first on top; one without any importance has none."""
    n_shown = max(2, min(MOST_SHOWN, sum(share >= LEAST_SHOWN for _, share in data.importances)))
    shown, hidden = data.importances[:n_shown], data.importances[n_shown:]
    names = [escape(short_name(name, data.family)) for name, _ in reversed(shown)]
    shares = [share for _, share in reversed(shown)]
    label = "share of importance" + (f" ({len(hidden)} more: {sum(s for _, s in hidden):.0%})" if hidden else "")
    bars = go.Bar(
        x=shares,
        y=names,
        orientation="h",
        marker={"color": family_color(data.family) if data.family else PALETTE[0]},
        text=[escape("<1%") if 0 < share < 0.01 else f"{share:.0%}" for share in shares],
        textposition="outside",
        cliponaxis=False,
        showlegend=False,
        hovertemplate=hover("%{y}: %{x:.3f}"),
    )
    most = max(shares, default=1.0)
    height = 130 + 26 * max(len(names), 2)
    axes = {"xaxis": axis(label, tickformat=".0%", range=[0, 1.15 * most]), "yaxis": axis("", type="category")}
    return draw([bars], height=height, columns={"Parameter": "y", "Share of importance": "x"}, **axes)


def _reason_for_none(own: Sequence[RankedTrial], family: str | None) -> str:
    if len(own) < FEWEST_TRIALS:
        count = f"there {'is' if len(own) == 1 else 'are'} {len(own)} so far"
        return f"Importances need at least {FEWEST_TRIALS} trials with a value or a forecast; {count}."
    names = parameters_of(own, family)
    if len(names) == 1:
        return f"One searched parameter ({names[0]}) takes all of the importance whatever it does: see its slice."
    if not names:
        return "These trials have no searched parameter, so there is nothing to compare."
    if len({trial.expected for trial in own}) == 1:
        return "All trials have the same value, so no parameter made a difference."
    return ""


@lru_cache(maxsize=50_000)
def _scored(value: float, params: Same[Mapping[str, Any]], distributions: Same[Mapping[str, BaseDistribution]]) -> _ScoredTrial:
    return _ScoredTrial(value, tuple(params.object.items()), tuple(distributions.object.items()))


@lru_cache(maxsize=64)  # a live page asks again at every epoch, and they change only when a trial ends
def _shares(trials: tuple[_ScoredTrial, ...], names: tuple[str, ...]) -> tuple[tuple[tuple[str, float], ...], tuple[str, ...]]:
    """Compute (parameter, share), highest first; the second value holds Optuna's warnings about them."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        shares = get_param_importances(_study_of(trials), evaluator=PedAnovaImportanceEvaluator(), params=list(names))
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return tuple((name, float(share)) for name, share in ranked), tuple(dict.fromkeys(str(one.message) for one in raised))


def _warning(n_trials: int, doubts: Sequence[str]) -> str:
    few = [f"Only {n_trials} trials: below {TRUSTED_TRIALS} the order is mostly chance."] if n_trials < TRUSTED_TRIALS else []
    rare = [found[1] for message in doubts if (found := _RARE.match(message))]
    named = ", ".join(rare[:2]) + (f" and {len(rare) - 2} more" if len(rare) > 2 else "")
    unsure = [f"Some parameters belong to few of these trials, so that their shares are unsure: {named}."] if rare else []
    others = [f"Optuna adds: {message}" for message in doubts if not _RARE.match(message)]
    return " ".join([*few, *unsure, *others])


def _study_of(trials: Sequence[_ScoredTrial]) -> optuna.Study:
    """Make a study in memory that holds only these trials, so that Optuna itself computes the numbers."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(level)
    study.add_trials(
        [optuna.trial.create_trial(value=one.value, params=dict(one.params), distributions=dict(one.distributions)) for one in trials]
    )
    return study
