"""`ecg-tune search`: make a study, or go on with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecg_tune.cli.options import DataFolder, StudyFolder, headline
from ecg_tune.cli.settings import command_line, make_space, read_settings, takes_settings
from ecg_tune.errors import ConfigError, WorkFailedError

if TYPE_CHECKING:
    import optuna

    from ecg_tune.config import SearchSettings
    from ecg_tune.data.prepared import PreparedData
    from ecg_tune.search.runner import Outcome
    from ecg_tune.search.space import SearchSpace

EXAMPLE = "Example: ecg-tune search STUDY --data DATA --families rnn,resnet,fusion --profile small --trials 12 --max-epochs 4"


@takes_settings
def search(
    study: StudyFolder,
    data: DataFolder,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML with these settings; flags win.")] = None,
    import_study: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Learn from another study's trials that fit.")] = None,
    progress: Annotated[str | None, typer.Option(help="live, plain or jsonl; default live in a terminal, else plain.")] = None,
    mlflow: Annotated[str | None, typer.Option(metavar="URI", help="Log trials to MLflow too.")] = None,
    wandb: Annotated[str | None, typer.Option(metavar="PROJECT", help="Log trials to Weights & Biases too.")] = None,
    *,
    flags: dict[str, Any],
) -> None:
    """Search hyper-parameters. The same command again goes on where the study stands, however it ended."""
    from ecg_tune.cli.status import summary
    from ecg_tune.data.prepared import open_prepared
    from ecg_tune.search.lock import hold_study
    from ecg_tune.search.loggers import callbacks
    from ecg_tune.search.study import best_trials, last_failure, study_exists

    settings, prepared = read_settings(config, flags), open_prepared(data)
    view, trackers = _view(progress), callbacks(mlflow, wandb, name=study.resolve().name)
    space = make_space(settings, prepared, study)
    quiet = progress == "jsonl"
    _print(headline(prepared), quiet)
    if settings.profile == "full" and not study_exists(study) and not quiet:
        _say_cost(prepared, settings)
    with hold_study(study):
        opened = _opened(study, prepared, settings, space, import_study or [], quiet=quiet)
        outcome = _run(opened, study, prepared, settings, space, view=view, trackers=trackers)
    _print(summary(opened, study), quiet)
    again = command_line("search", study, data, config, flags)
    if not outcome.done:
        print(f"ecg-tune: interrupted; go on with: {again}", file=sys.stderr)
        raise typer.Exit(130)
    if not outcome.spent and not best_trials(opened, 1):
        raise WorkFailedError(f"no trial was completed; {last_failure(opened)}")
    _print(_next(study, outcome, again), quiet)


def _next(study: Path, outcome: Outcome, again: str) -> str:
    """Return what to do after a search that ended."""
    if outcome.spent:
        return f"ended by {_option(outcome.spent)}; go on with: {again}  (with a larger {_option(outcome.spent)})"
    return f"more trials: the same command with a larger --trials\nnext: ecg-tune dashboard {study}; ecg-tune retrain {study} --top 2"


def _option(setting: str) -> str:
    return "--" + setting.replace("_", "-")


def _print(text: str, quiet: bool) -> None:
    """Print a line for people; where programs read standard output it goes to standard error."""
    print(text, flush=True, file=sys.stderr if quiet else sys.stdout)


def _view(progress: str | None) -> Callable[..., Any]:
    from rich.console import Console

    from ecg_tune.config import check_choice
    from ecg_tune.search.progress import VIEWS, default_view

    console = Console()
    name = default_view(console) if progress is None else progress
    check_choice("progress", name, VIEWS)
    return lambda tally: VIEWS[name](tally, console)


def _opened(
    folder: Path, prepared: PreparedData, settings: SearchSettings, space: SearchSpace, others: Sequence[Path], *, quiet: bool
) -> optuna.Study:
    """Open or make the study, with the trials imported from others."""
    from ecg_tune.search.continued import import_rows
    from ecg_tune.search.study import create_study, open_study, study_attributes

    opened = create_study(folder, study_attributes(prepared, settings))
    for other in others:
        if other.resolve() == folder.resolve():
            raise ConfigError(f"--import-study {other} is the study itself: name another one")
        taken, misfits = import_rows(opened, open_study(other), space, settings)
        _print(f"imported {taken} trials of {other}, {misfits} do not fit this space", quiet)
    return opened


def _run(
    opened: optuna.Study,
    folder: Path,
    prepared: PreparedData,
    settings: SearchSettings,
    space: SearchSpace,
    *,
    view: Callable[..., Any],
    trackers: Sequence[Any],
) -> Outcome:
    from ecg_tune.search.runner import run_search
    from trainables import TRAINABLES, Shared

    shared = Shared(prepared.in_memory(), folder.resolve(), settings.metric, settings.cpus_per_trial, settings.minimise)
    return run_search(
        TRAINABLES[settings.families[0]],
        space,
        {"shared": shared},
        settings,
        study=opened,
        folder=folder,
        view=view,
        measure_shares=_measurer(prepared, settings) if settings.gpu_share else None,
        callbacks=trackers,
    )


def _measurer(prepared: PreparedData, settings: SearchSettings) -> Callable[[], Mapping[str, float]]:
    """Return a function that measures, on a GPU of the cluster, what share each family's default needs."""
    from ecg_tune.search.resources import gpu_shares
    from search_spaces import SPACES, SpaceContext, resolve
    from trainables.memory import peak_memories

    context = SpaceContext(settings.profile, settings.epochs)
    configs = {family: resolve(family, SPACES[family].defaults[settings.profile], context) for family in settings.families}

    def measure() -> Mapping[str, float]:
        peaks, total = peak_memories(configs, prepared)
        return gpu_shares(peaks, total)

    return measure


def _say_cost(prepared: PreparedData, settings: SearchSettings) -> None:
    """Where there is no GPU, say what an epoch of each classic config will cost."""
    import torch

    from ecg_tune.search.tally import duration
    from ecg_tune.training.learner import learning_data
    from ecg_tune.training.probe import epoch_cost_s
    from search_spaces import SPACES, SpaceContext, resolve

    if torch.cuda.is_available() or "RAY_ADDRESS" in os.environ:
        return
    torch.set_num_threads(settings.cpus_per_trial)
    data = learning_data(prepared, torch.device("cpu"))
    for family in settings.families:
        classic = resolve(family, SPACES[family].defaults["full"], SpaceContext("full", settings.epochs))
        print(f"without a GPU one epoch of the classic {family} takes about {duration(epoch_cost_s(classic, data))}")
    print("`--profile small` searches narrower nets on short crops: minutes on two cores", flush=True)
