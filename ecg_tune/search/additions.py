"""New trials of a study: what was queued, or what the sampler suggests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution

from ecg_tune.config import SearchSettings
from ecg_tune.errors import ConfigError
from ecg_tune.search.queue import Queue, suggested
from ecg_tune.search.resume import adopt
from ecg_tune.search.sampling.history import SamplerHistory
from ecg_tune.search.sampling.samplers import trial_seed
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.space_change import in_space
from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.study.checkpoints import trial_path
from ecg_tune.study.extensions import guiding, newest
from ecg_tune.study.study import Study
from ecg_tune.study.transactions import check_distributions
from ecg_tune.study.trial import Trial


class Additions:
    """Adds trials to a study, each with its own parameters, config and seed.

    Args:
        forecasts: The values that the sampler sees trials with; None for those that they reached.

    Attributes:
        n_trials: Trials of this search that the study has, imported ones left out.
    """

    EVERY_S = 3.0

    def __init__(
        self,
        study: Study,
        space: SearchSpace,
        settings: SearchSettings,
        *,
        forecasts: Forecasts | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.looked_at = clock, clock()
        self.study, self.space, self.settings = study, space, settings
        self.history = SamplerHistory(
            settings.sampler,
            seed=settings.seed,
            families=settings.families,
            directions=study.directions,
            forecasts=forecasts,
            priors=space.priors,
        )
        self.queue = Queue(space, study)
        self.distributions: dict[str, BaseDistribution] = {}
        self.several_spaces = bool(study.attributes.earlier_spaces)
        everything = study.all_trials()
        self.n_added, self.n_trials = len(everything), sum(not trial.imported for trial in newest(everything))
        for trial in guiding(everything):
            self.learn(trial)

    def learn(self, trial: Trial) -> None:
        """Show a trial to the sampler as it is now: as one of the space of today."""
        fitted = in_space(trial, self.space, self.settings.epochs) if self.several_spaces and trial.params else trial
        if fitted is not None:
            self.history.add(fitted)
            check_distributions(self.distributions, fitted.distributions)

    def take_up(self) -> None:
        """Queue the configs that somebody has added to the study since (`ecg-tune enqueue`, Optuna's `enqueue_trial`)."""
        if self.clock() - self.looked_at < self.EVERY_S:
            return
        self.looked_at = self.clock()
        if self.study.has_queued():
            adopt(self.study)
            self.queue, self.n_added = Queue(self.space, self.study), len(self.study.all_trials())

    def add(self, families: Sequence[str]) -> Trial:
        """Suggest a trial and add it: RUNNING, or FAIL when no config takes what was suggested.

        Args:
            families: Those that it may be of.
        """
        number, queued = self.n_added, self.queue.next()
        self.n_added, self.n_trials = self.n_added + 1, self.n_trials + 1
        new = Trial(
            number,
            "RUNNING",
            seed=trial_seed(self.settings.seed, number),
            is_default=queued.is_default,
            path=trial_path(number),
            queued=queued.key,
        )
        try:
            params = self.history.propose(number, self.space.suggest, families=families, fixed=self._fixed(queued.params, families))
            proposal, distributions = suggested(self.space, params)
        except ConfigError as error:
            family = str(queued.params.get("family", ""))
            return self.study.add(replace(new, state="FAIL", family=family, fail_reason="error", failure=str(error)))
        check_distributions(self.distributions, distributions)
        family, config = proposal.family, proposal.config
        trial = self.study.add(replace(new, family=family, config=config, params=params, distributions=distributions))
        self.n_added = trial.number + 1
        self.learn(trial)
        return trial

    def _fixed(self, params: Mapping[str, Any], families: Sequence[str]) -> Mapping[str, Any]:
        """Return what is not sampled: the parameters that were queued, and the family where there is one only of several."""
        several = len(self.settings.families) > 1
        return {"family": families[0], **params} if several and len(families) == 1 and not params.get("family") else params
