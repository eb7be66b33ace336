"""TensorBoard's events of a search: a folder a trial, each number under its own name, the config as hyper-parameters.

Ray's own callback puts `ray/tune/` before each name, and writes among Tune's files, which a search deletes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.logger import LoggerCallback
from ray.tune.utils import flatten_dict
from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from ecg_tune.errors import UsageError

FOLDER = "tensorboard"


class TensorBoardEvents(LoggerCallback):
    """Writes `STUDY/tensorboard/trial_00007/events.out.tfevents.…`; a trial that goes on adds a file to its folder.

    Args:
        folder: The study's.
    """

    def __init__(self, folder: Path) -> None:
        self.study, self.folder = folder, folder / FOLDER
        self.writers: dict[str, SummaryWriter] = {}
        self.latest: dict[str, dict[str, float]] = {}

    def setup(self, *args: Any, **info: Any) -> None:
        """Make sure that the folder lies in the study, which there may not be yet.

        Raises:
            UsageError: It is a link that leads elsewhere.
        """
        self._check_inside(self.folder)

    def log_trial_start(self, trial: Any) -> None:
        self._close(trial.trial_id)
        folder = self.folder / f"trial_{trial.config['number']:05d}"
        self._check_inside(folder)
        self.writers[trial.trial_id] = SummaryWriter(str(folder), write_to_disk=True)

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        writer = self.writers[trial.trial_id]
        self.latest[trial.trial_id] = {name: float(value) for name, value in result.items() if name != "training_iteration"}
        for name, value in self.latest[trial.trial_id].items():
            writer.add_scalar(name, value, global_step=iteration)
        writer.flush()

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        if numbers := self.latest.pop(trial.trial_id, None):
            config = {name: _plain(value) for name, value in flatten_dict(trial.config).items()}
            for summary in hparams(config, numbers):
                self.writers[trial.trial_id].file_writer.add_summary(summary)
        self._close(trial.trial_id)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        for trial_id in list(self.writers):
            self._close(trial_id)

    def _check_inside(self, folder: Path) -> None:
        if not folder.resolve().is_relative_to(self.study.resolve()):
            raise UsageError(f"{folder} is a link that leads out of the study: remove it")

    def _close(self, trial_id: str) -> None:
        if trial_id in self.writers:
            self.writers.pop(trial_id).close()


def _plain(value: Any) -> bool | float | str:
    """Return a value of a type that the table of hyper-parameters knows."""
    return value if isinstance(value, bool | int | float | str) else str(value)
