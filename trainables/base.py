"""The trainable of every family that names no other: a learner behind the steps of Ray Tune. One step is one epoch."""

from __future__ import annotations

import gc
import socket
import traceback
from dataclasses import dataclass
from os import getpid
from typing import Any

import ray
import torch

from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import DataError, NonFiniteLossError, WorkFailedError
from ecg_tune.models import n_parameters, trial_config
from ecg_tune.storage import Storage
from ecg_tune.training.checkpoints import newest_checkpoint, write_checkpoint
from ecg_tune.training.costs import COSTS
from ecg_tune.training.epoch import EpochResult
from ecg_tune.training.learner import Learner, LearningData, learning_data
from ecg_tune.training.model_file import UNFIT
from ecg_tune.training.oom import out_of_memory
from trainables.trial_time import start_stopwatch, timed

_on_device: dict[str, LearningData] = {}
"""The data set on this process's device, so that later trials of the worker, of whatever family, find it there. One entry at most."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a search share. Ray's object store sends it to each node once.

    Attributes:
        data: Train and validation split; it holds no test record.
        checkpoints: Where the study keeps its checkpoints, reachable from every node.
        metric: Entry of `METRICS` that is searched for its highest value.
        threads: CPU threads a trial may use.
        minimise: Entries of `COSTS`, the objectives beside the metric.
        timing: Whether trials measure where their time goes.
    """

    data: PreparedData
    checkpoints: Storage
    metric: str
    threads: int
    minimise: tuple[str, ...] = ()
    timing: bool = False


class LearnerTrainable:
    """Trains one config of a study, resuming from its own checkpoint whenever there is one.

    Every epoch ends with an atomic checkpoint in the study's storage, before the result is reported: whatever dies, at most
    one epoch is trained again. Epochs that the study does not hold yet are reported from the checkpoint, not trained again.

    A family may name a subclass (`Family.trainable`), which then runs its trials, and only those. It may change how a trial runs
    on a worker: what is set up before, reported beside, cleaned up after. It must not change how weights are learnt:
    `ecg-tune retrain` and `ecg-tune train` use the `Learner` without any trainable, and would give another model.
    `FamilyTrainable` calls `setup` once, `step` until a result is `done` or the trial is stopped, then `reset_config` with the
    next trial or `cleanup`.
    """

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        """Remember the trial; the work, which may fail, happens in `step`.

        Args:
            config: What `EngineSearcher.suggest` returns: number, family, trial (its config), seed, path, reported, micro_batch,
                timing, handed_out.
        """
        self.shared = shared
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial on the same worker."""
        self.task = new_config
        self.stopwatch = start_stopwatch(new_config, wanted=self.shared.timing)
        self.learner: Learner | None = None
        gc.collect()  # a learner and its loader refer to each other; what the last trial held must be gone before the next begins
        self.reported, self.costs, self.checkpoint = int(new_config["reported"]), list[float](), ""
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch, or report one from the checkpoint. An error becomes a result with `fail_reason`, which the study keeps."""
        self.stopwatch.begin("other")
        return timed(self.stopwatch, self._step())

    def _step(self) -> dict[str, Any]:
        try:
            with self.stopwatch.part("start"):
                self.learner = self.learner or self._open()
            result = self._replay(self.learner) or self._train(self.learner)
            self.reported = result.epoch
            return self._report(self.learner, result)
        except NonFiniteLossError as error:
            return self._failed("nan", str(error))
        except WorkFailedError as error:  # the storage of checkpoints does not answer, or is full: the search ends, this trial stays open
            return self._failed("storage", f"{error}: put that right; the same command resumes the search")
        except DataError as error:  # stored images can't be read here
            return self._failed("error", str(error))
        except Exception as error:  # whatever it is, the user finds it in the study
            if out_of_memory(error):
                return self._failed("oom", str(error).splitlines()[0] if str(error) else type(error).__name__)
            return self._failed("error", traceback.format_exc(limit=-3))

    def cleanup(self) -> None:
        """Drop the model: another family's class takes the worker, or the worker ends."""
        self.learner = None

    def _open(self) -> Learner:
        torch.set_num_threads(self.shared.threads)
        device = torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")
        key = f"{self.shared.data.fingerprint}:{device}"
        if key not in _on_device:
            _on_device.clear()
            _on_device[key] = learning_data(self.shared.data, device)
        config, seed = trial_config(self.task["trial"]), self.task["seed"]
        learner = Learner(config, _on_device[key], seed=seed, metric=self.shared.metric, stopwatch=self.stopwatch)
        if self.task.get("micro_batch"):
            learner.micro_batches.size = self.task["micro_batch"]
        found = newest_checkpoint(self.shared.checkpoints, str(self.task["path"]), device=str(device))
        if found:  # else the trial starts from its first epoch; epochs that the study has are not reported twice
            self.checkpoint, state = found
            _resume(learner, state, self.checkpoint)
        self.costs = [COSTS[name](learner.predictor, learner.data) for name in self.shared.minimise]
        return learner

    def _replay(self, learner: Learner) -> EpochResult | None:
        """Report a finished epoch that the study has not recorded, or the last one when training had ended."""
        if learner.epoch > self.reported:
            return learner.history[self.reported]
        return learner.history[-1] if learner.ended_by else None

    def _train(self, learner: Learner) -> EpochResult:
        result = learner.step()
        with self.stopwatch.part("checkpoint"):
            self.checkpoint = write_checkpoint(self.shared.checkpoints, str(self.task["path"]), result.epoch, learner.state_dict())
        return result

    def _report(self, learner: Learner, result: EpochResult) -> dict[str, Any]:
        history = learner.history[: result.epoch]
        best = max(history, key=lambda r: r.metrics[self.shared.metric])
        optional: dict[str, Any] = {"checkpoint": self.checkpoint} if self.checkpoint else {}
        if self.costs:
            optional["costs"] = self.costs
        training = learner.config.training
        if result.micro_batch < (training.micro_batch or training.batch_size):
            optional["say"] = f"memory ran out: micro-batches of {result.micro_batch}, same effective batch"
        return {
            "epoch": result.epoch,
            "value": result.metrics[self.shared.metric],
            "complete": bool(result.ended_by),
            "done": bool(result.ended_by),
            "ended_by": result.ended_by or "",
            "epochs": result.epoch,
            "best_epoch": best.epoch,
            "per_class_auc": list(best.per_class["auc"]),
            "seconds": sum(r.seconds for r in history),
            "n_parameters": n_parameters(learner.model),
            "micro_batch": result.micro_batch,
            "losses": {"train": result.train_loss, "validation": result.validation_loss},
            **optional,
            **_whereabouts(str(learner.device)),
        }

    def _failed(self, reason: str, text: str) -> dict[str, Any]:
        """Describe the trial's failure with what is known of its training so far."""
        learner = self.learner
        if learner is None:
            return failure(reason, text, epochs=self.reported)
        facts: dict[str, Any] = {"epochs": learner.epoch, "seconds": sum(r.seconds for r in learner.history)}
        facts |= {"n_parameters": n_parameters(learner.model), "micro_batch": learner.micro_batches.size}
        if learner.best_epoch:
            best = learner.history[learner.best_epoch - 1]
            facts |= {"best_epoch": best.epoch, "per_class_auc": list(best.per_class["auc"])}
        return failure(reason, text, epochs=learner.epoch) | facts | _whereabouts(str(learner.device))


def _resume(learner: Learner, state: dict[str, Any], name: str) -> None:
    """Put a learner into the state of a checkpoint.

    Raises:
        DataError: It is of another network, or holds something else.
    """
    try:
        learner.load_state_dict(state)
    except UNFIT as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"checkpoint {name} does not hold the state of this trial ({reason}): remove it") from error


def failure(reason: str, text: str, *, epochs: int) -> dict[str, Any]:
    """Make the result that ends a trial as FAIL.

    Args:
        reason: "nan", "oom" or "error".
        text: What the user reads of it, several lines for a traceback.
        epochs: Epochs that the study holds.
    """
    facts = {"fail_reason": reason, "failure": text, "done": True, "complete": False, "epochs": epochs, "seconds": 0.0}
    return facts | _whereabouts("")


def _whereabouts(device: str) -> dict[str, str]:
    host = socket.gethostname()
    return {"device": device, "node": host, "worker": f"{host}:{getpid()}"}
