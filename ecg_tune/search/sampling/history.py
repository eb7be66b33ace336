"""What a sampler sees of a study: a bounded copy in memory.

The study's file keeps everything; a sampler gets from here what it can use, and nothing of it is ever read back from a pickle.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import optuna
from optuna import Study
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import BaseTrial, FrozenTrial, Trial, TrialState

from ecg_tune.errors import ConfigError
from ecg_tune.search.sampling.samplers import SAMPLERS, Given
from ecg_tune.search.sampling.thinning import thinned
from ecg_tune.search.space import Proposal

N_REDRAWS = 8
"""Of the family, when one that is not allowed was drawn."""
TURN_EVERY = 3
"""Every third trial goes to the family with the fewest rows, also where the sampler chooses families: after a few rows TPE may
settle on the second-best one for good (on a toy problem with 200 trials it then beat random on 65 % of the seeds, so on 85 %)."""

optuna.logging.set_verbosity(optuna.logging.WARNING)  # every proposal makes a study in memory, and Optuna announces each


class SamplerHistory:
    """What a sampler sees of a study. A pure function of the rows it was given.

    - FAIL rows teach nothing; they only count as their family's turns.
    - PRUNED rows are shown as PRUNED, with their values, to a sampler that has a use for them (TPE). To all others they are
      COMPLETE with their best value so far: where most trials are stopped early, ignoring them throws most of what is known
      away. In a study of several objectives they are COMPLETE with their `objectives`, or left out where these are not known.
    - A sampler that can't model the choice of the family sees one family's rows, without the `family` parameter; the family
      with the fewest rows is next. To a sampler that learns the choice itself, that happens every `TURN_EVERY` trials.
    - Closed rows beyond the bound are thinned, see `ecg_tune.search.sampling.thinning`.

    Args:
        sampler: A key of `SAMPLERS`.
        seed: Of the study.
        families: All families of the study, in the order of the `family` parameter's choices.
        directions: "maximize" or "minimize", one an objective.
        bound: Closed rows that are kept at most (per family where families take turns); by default the sampler's own.

    Raises:
        ConfigError: The sampler follows one objective only, and there are several.
    """

    def __init__(
        self, sampler: str, *, seed: int, families: Sequence[str], directions: Sequence[str] = ("maximize",), bound: int | None = None
    ) -> None:
        self.row, self.seed, self.families = SAMPLERS[sampler], seed, tuple(families)
        if len(directions) > 1 and not self.row.several_objectives:
            others = ", ".join(name for name, row in SAMPLERS.items() if row.several_objectives)
            raise ConfigError(f"{sampler} follows one objective, but got {len(directions)}: choose one of {others}")
        self.directions = tuple(StudyDirection[direction.upper()] for direction in directions)
        self.bound = self.row.bound if bound is None else min(bound, self.row.bound)
        self._family: dict[int, str] = {}
        self._running: dict[int, FrozenTrial] = {}
        self._closed: dict[str, dict[int, FrozenTrial]] = {}
        self._names: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, row: FrozenTrial) -> None:
        """Take in a row as it stands: RUNNING with its parameters, or closed (then its RUNNING copy is replaced).

        A row with `continued_from` replaces the row it lengthens.
        """
        family = str(row.params.get("family", row.user_attrs.get("family", self.families[0])))
        self._drop(row.user_attrs.get("continued_from"))
        self._family[row.number] = family
        self._names[family].update(row.params)
        self._running.pop(row.number, None)
        shown = self._shown(row) if self.bound else None
        if shown is None:
            return
        if shown.state == TrialState.RUNNING:
            self._running[row.number] = shown
            return
        closed = self._closed.setdefault(self._group(family), {})
        closed[row.number] = shown
        if len(closed) > self.bound:
            self._closed[self._group(family)] = {kept.number: kept for kept in thinned(_by_number(closed), self.directions)}

    def propose(
        self,
        number: int,
        suggest: Callable[[BaseTrial], Proposal],
        *,
        families: Sequence[str],
        fixed: Mapping[str, Any] = {},
    ) -> dict[str, Any]:
        """Return the complete parameters of row `number`.

        Args:
            families: Those that may still be drawn, at least one.
            fixed: Parameters given by the user; the rest is drawn.

        Raises:
            ConfigError: A fixed value is outside of the space, or no config takes the parameters.
        """
        sampler, params = self.row.make(self.seed, number), dict(fixed)
        if len(self.families) > 1 and "family" not in params:
            params["family"] = self._next_family(sampler, number, families)
        family = str(params.get("family", self.families[0]))
        trial = self._trial(Given(params, sampler, names=self._names[family]), number, family)
        suggest(trial)
        return trial.params

    def seen(self, family: str) -> list[FrozenTrial]:
        """Return the rows that a sampler sees when it draws a trial of `family`, by number."""
        group = self._group(family)
        running = {number: row for number, row in self._running.items() if self._group(self._family[number]) == group}
        return _by_number(self._closed.get(group, {}) | running)

    def _next_family(self, sampler: BaseSampler, number: int, allowed: Container[str]) -> str:
        """Return the family to draw from. It is the first choice of a trial and decides which others there are."""
        in_turn = not self.row.joint or (self.bound and number % TURN_EVERY == 0)
        if not in_turn:
            trial, choices = self._trial(sampler, number, ""), CategoricalDistribution(self.families)
            for _ in range(N_REDRAWS):
                suggested = sampler.sample_independent(trial.study, trial.storage.get_trial(trial._trial_id), "family", choices)
                if suggested in allowed:
                    return str(suggested)
        rows = Counter(self._family.values())
        return min((family for family in self.families if family in allowed), key=lambda family: rows[family])

    def _trial(self, sampler: BaseSampler, number: int, family: str) -> Trial:
        storage = _Rows(self.seen(family))
        study_id = storage.create_new_study(self.directions, "view")
        trial_id = storage.create_new_trial(study_id)
        storage.get_trial(trial_id).number = number
        return Trial(Study("view", storage, sampler), trial_id)

    def _group(self, family: str) -> str:
        """Return the name of the rows that are modelled together."""
        return "" if self.row.joint else family

    def _drop(self, number: int | None) -> None:
        if number in self._family:
            self._closed.get(self._group(self._family.pop(number)), {}).pop(number, None)

    def _shown(self, row: FrozenTrial) -> FrozenTrial | None:
        """Return a row as the sampler shall see it; None when it teaches nothing."""
        state, values = row.state, row.values
        if state == TrialState.PRUNED and (len(self.directions) > 1 or not self.row.knows_pruned):
            state, values = TrialState.COMPLETE, self._values_of_pruned(row)
            if values is None:
                return None
        if state not in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING) or not row.params:
            return None
        names = [name for name in row.params if self.row.joint or name != "family"]
        return FrozenTrial(
            number=row.number,
            state=state,
            value=None,
            values=values,
            datetime_start=None,
            datetime_complete=None,
            params={name: row.params[name] for name in names},
            distributions={name: row.distributions[name] for name in names},
            user_attrs={},
            system_attrs={},
            intermediate_values=dict(row.intermediate_values) if state == TrialState.PRUNED else {},
            trial_id=row.number,
        )

    def _values_of_pruned(self, row: FrozenTrial) -> list[float] | None:
        if len(self.directions) > 1:
            objectives = row.user_attrs.get("objectives") or []
            known = len(objectives) == len(self.directions) and all(map(math.isfinite, objectives))
            return [float(value) for value in objectives] if known else None
        best = max if self.directions[0] == StudyDirection.MAXIMIZE else min
        finite = [value for value in row.intermediate_values.values() if math.isfinite(value)]
        return [best(finite)] if finite else None


class _Rows(InMemoryStorage):
    """A storage in which a study consists of the given rows and the one trial that is being drawn. Nothing is copied."""

    def __init__(self, rows: list[FrozenTrial]) -> None:
        super().__init__()
        self.rows = rows

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return [row for row in self.rows if states is None or row.state in states]


def _by_number(rows: Mapping[int, FrozenTrial]) -> list[FrozenTrial]:
    return [rows[number] for number in sorted(rows)]
