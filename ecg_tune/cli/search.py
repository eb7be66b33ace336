"""`ecg-tune search`: make a study, or resume one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ecg_tune.api.search import search as run_search
from ecg_tune.api.settings import OF_ONE_RUN
from ecg_tune.cli.flags import command_line, takes_settings
from ecg_tune.cli.options import StudyFolder, without_none
from ecg_tune.cli.search_options import (
    ClusterToJoin,
    ImportedStudies,
    InsecureRay,
    MlflowServer,
    OnEnd,
    PrintSchema,
    Progress,
    RetryFailed,
    SearchData,
    SettingsFile,
    TensorBoard,
    WandbProject,
)
from ecg_tune.cli.status import summary
from ecg_tune.config import SearchSettings
from ecg_tune.config.setting import flag_of, settings_of
from ecg_tune.errors import StoppedError, WorkFailedError
from ecg_tune.search.runner import Outcome
from ecg_tune.search.stopping.early_end import GAIN, PATIENCE
from ecg_tune.study.study import Study

JOB_COMMAND = "ECG_TUNE_COMMAND"
"""Environment variable of a job: the command that submitted it, to be named as the one to run again."""
JOB_ADDRESS = "ECG_TUNE_ADDRESS"
"""Environment variable of a job: the address that commands on the submitting machine use."""
EXAMPLE = "Example: ecg-tune search STUDY --data DATA --trials 30; later, to go on, ecg-tune search STUDY"


@takes_settings
def search(
    study: StudyFolder,
    data: SearchData = None,
    config: SettingsFile = None,
    import_study: ImportedStudies = None,
    address: ClusterToJoin = None,
    insecure: InsecureRay = False,
    retry: RetryFailed = False,
    progress: Progress = None,
    mlflow: MlflowServer = None,
    wandb: WandbProject = None,
    tensorboard: TensorBoard = False,
    on_end: OnEnd = None,
    schema: PrintSchema = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Search hyper-parameters, or resume a search.

    `ecg-tune search STUDY` alone resumes the study, however the last run ended; a flag changes that one setting.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    say = partial(print, flush=True, file=sys.stderr if progress == "jsonl" else sys.stdout)
    outcome = run_search(
        study, data, config=config, import_studies=import_study or (), retry=retry, address=address, insecure=insecure, progress=progress,
        mlflow=mlflow, wandb=wandb, tensorboard=tensorboard, on_end=on_end, **flags,
    )  # fmt: skip
    flags |= without_none(
        address=address, insecure=insecure or None, progress=progress,
        mlflow=mlflow, wandb=wandb, tensorboard=tensorboard or None, on_end=on_end,
    )  # fmt: skip
    with Study.open(study) as opened:
        say(summary(opened))
        _end(opened, study, outcome, _again(study, flags), say)


def _end(study: Study, folder: Path, outcome: Outcome, again: str, say: Callable[[str], None]) -> None:
    """Print what to do next, or end the command with an error."""
    if not outcome.done:
        raise StoppedError(f"interrupted; resume with: {again}")
    if not outcome.spent and study.best is None:
        raise WorkFailedError(f"no trial was completed; {study.last_failure()}")
    say(_next(folder, outcome, again))


def _again(study: Path, flags: Mapping[str, Any]) -> str:
    """Write the command that resumes the search: what the study remembers is left out."""
    kept = {name: value for name, value in flags.items() if name in OF_ONE_RUN or name not in settings_of(SearchSettings)}
    return os.environ.get(JOB_COMMAND) or command_line("search", study, kept)


def _next(study: Path, outcome: Outcome, again: str) -> str:
    """Suggest what to do after a search that ended."""
    if outcome.spent:
        budget = flag_of(SearchSettings, outcome.spent)
        changed = "" if outcome.spent in OF_ONE_RUN else f" {budget} N  ({'less' if outcome.spent == GAIN else 'more'})"
        following = f"\nnext: ecg-tune retrain {study} --top 2" if outcome.spent in (PATIENCE, GAIN) else ""
        return f"ended by {budget}; resume with: {again}{changed}{following}"
    option = f" --address {address}" if (address := os.environ.get(JOB_ADDRESS)) else ""
    following = f"ecg-tune dashboard {study}{option}; ecg-tune retrain {study} --top 2{option}"
    return f"more trials: ecg-tune search {study} --trials N\nnext: {following}"
