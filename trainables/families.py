"""The class that Ray Tune sees: it runs every trial by its family's own trainable."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Mapping
from typing import Any

from ray import tune

from trainables.base import LearnerTrainable, Shared, failure


class FamilyTrainable(tune.Trainable):
    """Runs each trial by the trainable class of its family, also when a worker goes from one family to another.

    A Tuner takes one class, and its workers are reused. A trial of the family before goes to the same object
    (`reset_config`); for another class the old object is dropped with all that it holds before the new one is made. The data
    set stays on the device, since it belongs to the process.

    What a family's own class raises ends its trial as FAIL with the traceback; the worker continues with the next trial.
    """

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], shared: Shared, classes: Mapping[str, type[LearnerTrainable]]
    ) -> None:
        """Take the first trial.

        Args:
            config: What `EngineSearcher.suggest` returns; `family` says which class runs it.
            shared: What all trials of the search share.
            classes: For each family of the search, its trainable class.
        """
        self.shared, self.classes = shared, classes
        gc.collect()
        gc.freeze()  # what was imported stays, and need not be looked at again between two trials: 0.15 s or more a look
        self.trainable: LearnerTrainable | None = None
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial on the same worker."""
        self.reported, self.problem = int(new_config["reported"]), ""
        try:
            self._take(self.classes[str(new_config["family"])], new_config)
        except Exception:  # `step` reports it, so that it gets into the study
            self.problem, self.trainable = traceback.format_exc(limit=-3), None
        return True

    def _take(self, wanted: type[LearnerTrainable], config: dict[str, Any]) -> None:
        """Give the trial to the object that ran the last one, or to a new one if its family wants another class."""
        if type(self.trainable) is wanted:
            self.trainable.reset_config(config)
            return
        self.cleanup()
        gc.collect()  # a learner and its loader refer to each other; their memory must be free before the next trial begins
        self.trainable = wanted()
        self.trainable.setup(config, self.shared)

    def step(self) -> dict[str, Any]:
        """Run one epoch of the trial and return its result, or a result with `fail_reason`."""
        if self.trainable is None:
            return failure("error", self.problem, epochs=self.reported)
        try:
            return self.trainable.step()
        except Exception:  # a family's own class did not turn its error into a result
            return failure("error", traceback.format_exc(limit=-3), epochs=self.reported)

    def cleanup(self) -> None:
        """Drop the object that ran the last trial, and its model with it."""
        last, self.trainable = self.trainable, None
        if last is not None:
            last.cleanup()
