"""`ecg-tune search`: make a study, or resume one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ecg_tune.cli.families import say_refused_families
from ecg_tune.cli.flags import command_line, takes_settings
from ecg_tune.cli.options import StudyFolder, headline, without_none
from ecg_tune.cli.search_options import (
    ClusterToJoin,
    ImportedStudies,
    InsecureRay,
    MlflowServer,
    PrintSchema,
    Progress,
    SearchData,
    SettingsFile,
    WandbProject,
)
from ecg_tune.cli.settings import make_space, read_settings
from ecg_tune.cli.status import summary
from ecg_tune.cluster.doctor import examine
from ecg_tune.cluster.session import ray_session
from ecg_tune.config import SearchSettings, check_choice
from ecg_tune.config.setting import flag_of
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import ConfigError, StoppedError, UsageError, WorkFailedError
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.interrupts import terminate_as_interrupt
from ecg_tune.search.progress.stats import duration
from ecg_tune.search.progress.views import VIEWS, default_view
from ecg_tune.search.resources import gpu_shares
from ecg_tune.search.resume import check_comparable, import_trials
from ecg_tune.search.runner import Outcome, run_search
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.trackers import trackers
from ecg_tune.storage import LocalStorage
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import check_checkpoints
from ecg_tune.study.study import Study
from ecg_tune.training.costs import epoch_cost_s
from ecg_tune.training.learner import learning_data
from search_spaces import SPACES, SpaceContext, resolve
from trainables import FamilyTrainable, Shared, classes_of
from trainables.memory import peak_memories

JOB_COMMAND = "ECG_TUNE_COMMAND"
"""Environment variable of a job: the command that submitted it, to be named as the one to run again."""
JOB_ADDRESS = "ECG_TUNE_ADDRESS"
"""Environment variable of a job: the address that commands on the submitting machine use."""
EXAMPLE = "Example: ecg-tune search STUDY --data DATA --families rnn,resnet,fusion --profile small --trials 12 --max-epochs 4"


@takes_settings
def search(
    study: StudyFolder,
    data: SearchData,
    config: SettingsFile = None,
    import_study: ImportedStudies = None,
    address: ClusterToJoin = None,
    insecure: InsecureRay = False,
    progress: Progress = None,
    mlflow: MlflowServer = None,
    wandb: WandbProject = None,
    schema: PrintSchema = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Search hyper-parameters, or resume a search.

    The same command again resumes the study, however the last run ended.
    """
    settings, prepared = read_settings(config, flags), open_prepared(data)
    say_refused_families()
    classes_of(settings.families)  # a trainable that can't be used is refused before a study is made
    address = address or os.environ.get("RAY_ADDRESS")
    view, logs = _view(progress), trackers(mlflow, wandb, folder=study)
    quiet = progress == "jsonl"
    say = partial(_print, quiet=quiet)
    check_checkpoints(study, settings, say)
    space = make_space(settings, prepared, study)
    attributes = study_attributes(prepared, settings)
    sources = _open_sources(study, attributes, import_study or [])
    _announce(prepared, settings, study, local=not address, quiet=quiet)
    with (
        Study.open_or_create(study, attributes, storage=settings.storage) as opened,
        terminate_as_interrupt(),
        ray_session(address, insecure=insecure),
    ):
        _import(opened, sources, space, settings, say)
        if address:
            _check_cluster(opened, settings.families, say)
        outcome = _run(opened, prepared, settings, space, view=view, trackers=logs, joined=bool(address))
    repeated = {**flags, **without_none(address=address, insecure=insecure or None, progress=progress, mlflow=mlflow, wandb=wandb)}
    again = os.environ.get(JOB_COMMAND) or command_line("search", study, data, config, repeated)
    with Study.open(study) as opened:
        say(summary(opened))
        _end(opened, study, outcome, again, say)


def _announce(prepared: PreparedData, settings: SearchSettings, study: Path, *, local: bool, quiet: bool) -> None:
    """Say what is searched on and, before a new search on this machine, what an epoch of the full profile costs."""
    _print(headline(prepared), quiet=quiet)
    if settings.profile == "full" and not Study.exists(study) and not quiet and local:
        _say_cost(prepared, settings)


def _end(study: Study, folder: Path, outcome: Outcome, again: str, say: Callable[[str], None]) -> None:
    """Print what to do next, or end the command with an error."""
    if not outcome.done:
        raise StoppedError(f"interrupted; resume with: {again}")
    if not outcome.spent and not study.best(1):
        raise WorkFailedError(f"no trial was completed; {study.last_failure()}")
    say(_next(folder, outcome, again))


def _next(study: Path, outcome: Outcome, again: str) -> str:
    """Suggest what to do after a search that ended."""
    if outcome.spent:
        budget = flag_of(SearchSettings, outcome.spent)
        return f"ended by {budget}; resume with: {again}  (with a larger {budget})"
    option = f" --address {address}" if (address := os.environ.get(JOB_ADDRESS)) else ""
    following = f"ecg-tune dashboard {study}{option}; ecg-tune retrain {study} --top 2{option}"
    return f"more trials: the same command with a larger --trials\nnext: {following}"


def _print(text: str, *, quiet: bool) -> None:
    """Print a line for people; where programs read standard output it goes to standard error."""
    print(text, flush=True, file=sys.stderr if quiet else sys.stdout)


def _view(progress: str | None) -> Callable[..., Any]:

    console = Console()
    name = default_view(console) if progress is None else progress
    check_choice("progress", name, VIEWS)
    return lambda stats: VIEWS[name](stats, console)


def _open_sources(folder: Path, attributes: StudyAttributes, sources: Sequence[Path]) -> dict[Path, Study]:
    """Open the studies to import from. Refuse those that don't fit, before the new study is created."""
    opened = {}
    for source in sources:
        if source.resolve() == folder.resolve():
            raise ConfigError(f"--import-study {source} is the study itself: name another one")
        opened[source] = Study.open(source)
        check_comparable(attributes, opened[source])
    return opened


def _import(study: Study, sources: Mapping[Path, Study], space: SearchSpace, settings: SearchSettings, say: Callable[[str], None]) -> None:
    """Import the trials of other studies that fit this space."""
    for folder, source in sources.items():
        n_imported, n_misfits = import_trials(study, source, space, settings)
        say(f"imported {n_imported} trials of {folder}, {n_misfits} do not fit this space")


def _run(
    study: Study,
    prepared: PreparedData,
    settings: SearchSettings,
    space: SearchSpace,
    *,
    view: Callable[..., Any],
    trackers: Sequence[Any],
    joined: bool,
) -> Outcome:
    """Run the search; each trial is trained by its family's trainable."""
    shared = Shared(prepared.in_memory(), study.checkpoints, settings.metric, settings.cpus_per_trial, settings.minimise)
    return run_search(
        FamilyTrainable,
        space,
        {"shared": shared, "classes": classes_of(settings.families)},
        settings,
        study=study,
        view=view,
        measure_shares=_measurer(prepared, settings) if settings.measures_gpus else None,
        trackers=trackers,
        may_grow=joined,
    )


def _check_cluster(study: Study, families: Sequence[str], say: Callable[[str], None]) -> None:
    """Run the quick checks of `ecg-tune doctor`: refuse what would make the search fail, report what else looks wrong."""
    storage = study.checkpoints
    examination = examine(folders=[storage.root] if isinstance(storage, LocalStorage) else [], families=families)
    for complaint in examination.complaints:
        if complaint.grave:
            raise UsageError(f"{complaint} (`ecg-tune doctor` shows all)")
        say(f"doctor: {complaint}")


def _measurer(prepared: PreparedData, settings: SearchSettings) -> Callable[[], Mapping[str, float]]:
    """Make a function that measures on a GPU of the cluster which share of it each family's default config needs."""
    context = SpaceContext(settings.profile, settings.epochs)
    configs = {family: resolve(family, SPACES[family].defaults[settings.profile], context) for family in settings.families}

    def measure() -> Mapping[str, float]:
        peaks, total = peak_memories(configs, prepared)
        return gpu_shares(peaks, total)

    return measure


def _say_cost(prepared: PreparedData, settings: SearchSettings) -> None:
    """Where there is no GPU, say what an epoch of each classic config will cost."""
    if torch.cuda.is_available():
        return
    torch.set_num_threads(settings.cpus_per_trial)
    data = learning_data(prepared, torch.device("cpu"))
    for family in settings.families:
        classic = resolve(family, SPACES[family].defaults["full"], SpaceContext("full", settings.epochs))
        print(f"without a GPU one epoch of the classic {family} takes about {duration(epoch_cost_s(classic, data))}")
    print("`--profile small` searches narrower nets on short crops: minutes on two cores", flush=True)
