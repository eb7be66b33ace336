"""`ecg-tune enqueue`: add configs to a study that are tried next, also while its search runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.api.settings import make_space, read_configs, read_request
from ecg_tune.cli.options import StudyData, StudyFolder
from ecg_tune.errors import UsageError
from ecg_tune.folder_kinds import instead_of_study
from ecg_tune.study.study import Study
from search_spaces.configs import checked_configs

EXAMPLE = "Example: ecg-tune enqueue STUDY best.yaml"


def enqueue(
    study: StudyFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file: one mapping of parameters to values, or a list of them.")],
    data: StudyData = None,
) -> None:
    """Add configurations to a study that are tried before anything else is sampled.

    Parameters that are left out are sampled. A search that is running takes them up within seconds, another one when it is resumed.
    """
    if not Study.exists(study):
        raise UsageError(f"{study} is not a study: {instead_of_study(study)}; its --enqueue takes this file, too")
    request = read_request(study, None, {}, data)
    space = make_space(request.settings, request.data, study)
    configs = checked_configs(read_configs(file), space, request.settings.families, where=str(file))
    with Study.open(study) as opened:
        for config in configs:
            opened.optuna.enqueue_trial(dict(config))
        n_trials, running = len(opened.newest_trials()), opened.search_running
    wanted = request.settings.trials
    print(f"{len(configs)} queued; " + ("the running search takes them up" if running else f"ecg-tune search {study} tries them"))
    if n_trials > wanted:
        print(f"the study is to have {wanted} trials, with these it has {n_trials}: ask for more with --trials")
