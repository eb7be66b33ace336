"""The history that a sampler learns from: a bounded copy of a study's trials, in memory.

The study keeps everything; a sampler gets from here what it can use. Nothing of it is ever read back from a pickle.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import BaseTrial, FrozenTrial, TrialState
from optuna.trial import Trial as OptunaTrial

from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.priors import Prior, share_of_draws
from ecg_tune.search.sampling.samplers import SAMPLERS, FixedSampler, trial_seed
from ecg_tune.search.sampling.thinning import thinned
from ecg_tune.search.space import Proposal
from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.study.trial import Trial

N_REDRAWS = 8
"""New suggestions of the family, when one that is not allowed was suggested."""
TURN_EVERY = 3
"""Every third trial goes to the family with the fewest trials, also where the sampler chooses families: after a few trials TPE may
settle on the second-best one for good (on a toy problem with 200 trials it then beat random on 65 % of the seeds, so on 85 %)."""

optuna.logging.set_verbosity(optuna.logging.WARNING)  # every proposal makes a study in memory, and Optuna announces each


class SamplerHistory:
    """The trials that a sampler sees. A pure function of the trials it was given.

    - FAIL trials teach nothing; they only count as their family's turns.
    - PRUNED trials are shown as PRUNED, with their values, to a sampler that has a use for them (TPE). To all others they are
      COMPLETE with their best value so far: where most trials are stopped early, ignoring them throws most of what is known
      away. In a study of several objectives they are COMPLETE with their `objectives`, or left out where these are not known.
    - A sampler that can't model the choice of the family sees one family's trials, without the `family` parameter; the family
      with the fewest trials is next. To a sampler that learns the choice itself, that happens every `TURN_EVERY` trials.
    - With forecasts (`--scheduler forecast`) a sampler sees one family's trials, each one with a value as COMPLETE with its forecast at
      the last epoch, whether it runs, waits or ended; the family is given.
    - Finished trials beyond the bound are thinned, see `ecg_tune.search.sampling.thinning`.

    Args:
        sampler: A key of `SAMPLERS`.
        seed: Of the study.
        families: All families of the study, in the order of the `family` parameter's choices.
        directions: "maximize" or "minimize", one an objective.
        bound: Finished trials that are kept at most (per family where families take turns); by default the sampler's own.
        forecasts: Gives the values that trials are shown with.
        priors: Believed values of parameters; a share of each family's trials is drawn around them, see `priors`.

    Raises:
        ConfigError: The sampler follows one objective only, and there are several.
    """

    def __init__(
        self,
        sampler: str,
        *,
        seed: int,
        families: Sequence[str],
        directions: Sequence[str] = ("maximize",),
        bound: int | None = None,
        forecasts: Forecasts | None = None,
        priors: Mapping[str, Prior] = {},
    ) -> None:
        self.spec, self.seed, self.families = SAMPLERS[sampler], seed, tuple(families)
        if len(directions) > 1 and not self.spec.several_objectives:
            others = ", ".join(name for name, spec in SAMPLERS.items() if spec.several_objectives)
            raise ConfigError(f"{sampler} follows one objective, but got {len(directions)}: choose one of {others}")
        self.directions = tuple(StudyDirection[direction.upper()] for direction in directions)
        self.bound = self.spec.bound if bound is None else min(bound, self.spec.bound)
        self.forecasts, self.priors = forecasts, priors
        self.joint = self.spec.joint and forecasts is None
        self._family: dict[int, str] = {}
        self._running: dict[int, FrozenTrial] = {}
        self._finished: dict[str, dict[int, FrozenTrial]] = {}
        self._names: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, trial: Trial) -> None:
        """Take in a trial as it is now: RUNNING with its parameters, or finished (then its RUNNING copy is replaced).

        A trial with `continued_from` replaces the one that it extends.
        """
        family = str(trial.params.get("family", trial.family or self.families[0]))
        self._drop(trial.continued_from)
        self._family[trial.number] = family
        self._names[family].update(trial.params)
        self._running.pop(trial.number, None)
        shown = self._shown(trial) if self.bound else None
        if shown is None:
            return
        if shown.state == TrialState.RUNNING:
            self._running[trial.number] = shown
            return
        finished = self._finished.setdefault(self._group(family), {})
        finished[trial.number] = shown
        if len(finished) > self.bound:
            self._finished[self._group(family)] = {kept.number: kept for kept in thinned(_by_number(finished), self.directions)}

    def propose(
        self,
        number: int,
        suggest: Callable[[BaseTrial], Proposal],
        *,
        families: Sequence[str],
        fixed: Mapping[str, Any] = {},
    ) -> dict[str, Any]:
        """Suggest the complete parameters of trial `number`.

        Args:
            families: Those that may still be sampled, at least one.
            fixed: Parameters given by the user; the rest is sampled.

        Raises:
            ConfigError: A fixed value is outside of the space, or no config takes the parameters.
        """
        sampler, params = self.spec.make(self.seed, number), dict(fixed)
        if len(self.families) > 1 and "family" not in params:
            params["family"] = self._next_family(sampler, number, families)
        family = str(params.get("family", self.families[0]))
        given = self._drawn_around(number, family) | params
        seed = trial_seed(self.seed, number)
        trial = self._new_trial(FixedSampler(given, sampler, names=self._names[family], seed=seed), number, family)
        suggest(trial)
        return trial.params

    def seen(self, family: str) -> list[FrozenTrial]:
        """Return the trials that a sampler sees when it samples one of `family`, by number."""
        group = self._group(family)
        running = {number: trial for number, trial in self._running.items() if self._group(self._family[number]) == group}
        trials = _by_number(self._finished.get(group, {}) | running)
        if self.forecasts is not None:
            self._show_forecasts(trials, self.forecasts)
        return trials

    def _next_family(self, sampler: BaseSampler, number: int, allowed: Container[str]) -> str:
        """Choose the family. It is the first choice of a trial and decides which others there are."""
        in_turn = not self.joint or (self.bound and number % TURN_EVERY == 0)
        if not in_turn:
            trial, choices = self._new_trial(sampler, number, ""), CategoricalDistribution(self.families)
            for _ in range(N_REDRAWS):
                suggested = sampler.sample_independent(trial.study, trial.storage.get_trial(trial._trial_id), "family", choices)
                if suggested in allowed:
                    return str(suggested)
        counts = Counter(self._family.values())
        return min((family for family in self.families if family in allowed), key=lambda family: counts[family])

    def _drawn_around(self, number: int, family: str) -> dict[str, Any]:
        """Return the priors of a trial when it is one of those that are drawn around them, else none."""
        rng = np.random.default_rng([self.seed, number])
        chosen = self.priors and rng.random() < share_of_draws(Counter(self._family.values())[family])
        return dict(self.priors) if chosen else {}

    def _new_trial(self, sampler: BaseSampler, number: int, family: str) -> OptunaTrial:
        """Begin a trial in a study that consists of what the sampler may see."""
        storage = _History(self.seen(family))
        study_id = storage.create_new_study(self.directions, "history")
        trial_id = storage.create_new_trial(study_id)
        storage.get_trial(trial_id).number = number
        return OptunaTrial(Study("history", storage, sampler), trial_id)

    def _group(self, family: str) -> str:
        """Name the trials that are modelled together."""
        return "" if self.joint else family

    def _show_forecasts(self, trials: list[FrozenTrial], forecasts: Forecasts) -> None:
        """Give every trial that has a value its forecast; those that run without any stay RUNNING."""
        known = [trial for trial in trials if forecasts.known(trial.number)]
        means, _ = forecasts.forecast([trial.number for trial in known])
        for trial, mean in zip(known, means, strict=True):
            others = [] if len(self.directions) == 1 else list(trial.values or ())[1:]
            if len(others) == len(self.directions) - 1:
                trial.state, trial.values = TrialState.COMPLETE, [float(mean), *others]

    def _drop(self, number: int | None) -> None:
        if number in self._family:
            self._finished.get(self._group(self._family.pop(number)), {}).pop(number, None)

    def _shown(self, trial: Trial) -> FrozenTrial | None:
        """Return a trial as the sampler shall see it; None when it teaches nothing."""
        state, values = TrialState[trial.state], list(trial.values) or None
        forecast = self.forecasts is not None
        if state == TrialState.PRUNED and (forecast or len(self.directions) > 1 or not self.spec.knows_pruned):
            state, values = TrialState.COMPLETE, self._values_of_pruned(trial)
            if values is None:
                return None
        if state not in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING) or not trial.params:
            return None
        if state == TrialState.RUNNING:
            values = list(trial.objectives) or None  # known from its first pause on
        names = [name for name in trial.params if self.joint or name != "family"]
        return FrozenTrial(
            number=trial.number,
            state=state,
            value=None,
            values=values,
            datetime_start=None,
            datetime_complete=None,
            params={name: trial.params[name] for name in names},
            distributions={name: trial.distributions[name] for name in names},
            user_attrs={},
            system_attrs={},
            intermediate_values=dict(trial.intermediate) if state == TrialState.PRUNED else {},
            trial_id=trial.number,
        )

    def _values_of_pruned(self, trial: Trial) -> list[float] | None:
        if len(self.directions) > 1:
            known = len(trial.objectives) == len(self.directions) and all(map(math.isfinite, trial.objectives))
            return list(trial.objectives) if known else None
        best = max if self.directions[0] == StudyDirection.MAXIMIZE else min
        finite = [value for value in trial.intermediate.values() if math.isfinite(value)]
        return [best(finite)] if finite else None


class _History(InMemoryStorage):
    """A storage in which a study consists of the given trials and the one that is being sampled. Nothing is copied."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        super().__init__()
        self.history = trials

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return [trial for trial in self.history if states is None or trial.state in states]


def _by_number(trials: Mapping[int, FrozenTrial]) -> list[FrozenTrial]:
    return [trials[number] for number in sorted(trials)]
