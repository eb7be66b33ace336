"""`ecg_tune.search`, and what `ecg-tune search` does: make a study, or resume one."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from rich.console import Console

from ecg_tune.api.cost_estimate import cost_line, estimate
from ecg_tune.api.families import say_refused_families
from ecg_tune.api.settings import Request, make_space, read_request, space_context, take_up_space
from ecg_tune.api.study_data import headline
from ecg_tune.cluster.doctor import examine
from ecg_tune.cluster.session import ray_session
from ecg_tune.config import SearchSettings, check_choice, inputs_text
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError, UsageError
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.callbacks import COMPLETE, INTERRUPTED, Callback, Callbacks, installed_callbacks
from ecg_tune.search.interrupts import terminate_ray_as_interrupt
from ecg_tune.search.learnt_priors import learnt_values, with_priors
from ecg_tune.search.on_end import on_end as make_on_end
from ecg_tune.search.progress.views import VIEWS, default_view
from ecg_tune.search.resources import gpu_shares
from ecg_tune.search.resume import COMPARED, DATA, check_comparable, import_trials, nothing_left, retry_failed
from ecg_tune.search.runner import Outcome, run_search
from ecg_tune.search.space import SearchSpace
from ecg_tune.search.trackers import trackers
from ecg_tune.storage import LocalStorage
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.checkpoints import check_checkpoints
from ecg_tune.study.study import Study
from search_spaces import SPACES, resolve
from trainables import FamilyTrainable, Shared, classes_of
from trainables.memory import peak_memories

N_SIMULATED = 3
"""Simulations behind the line that says what a new search costs."""
LARGEST_SMALL = 64
"""Pixels a side of the largest image that the profile `small` suggests."""


def search(
    study: Path | str,
    data: Path | str | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    config: Path | str | None = None,
    import_studies: Sequence[Path | str] = (),
    retry: bool = False,
    address: str | None = None,
    insecure: bool = False,
    progress: str | None = None,
    mlflow: str | None = None,
    wandb: str | None = None,
    tensorboard: bool = False,
    on_end: str | None = None,
    **settings: Any,
) -> Outcome:
    """Search hyper-parameters, or resume a search; a study that is there brings its own settings and data.

    Example:
        >>> outcome = ecg_tune.search("STUDY", "DATA", families="cnn1d,rnn", profile="small", trials=4, max_epochs=2)
        >>> outcome.done
        True

    Args:
        study: Folder of the study.
        data: Prepared data; a new study needs them, None takes those of the study.
        callbacks: Are told of the study, its trials and their epochs, after those of installed packages.
        config: YAML file with settings; those given here win.
        import_studies: Studies whose trials that fit are learnt from.
        retry: Try the trials that failed once more.
        address: Ray cluster to join; None takes RAY_ADDRESS, else starts Ray on this machine.
        insecure: Start or join a Ray that asks for no token.
        progress: "live", "plain" or "jsonl"; None chooses by the output.
        mlflow: URI of MLflow, to log trials there too.
        wandb: Project of Weights & Biases, to log trials there too.
        tensorboard: Write TensorBoard's events to `STUDY/tensorboard`.
        on_end: Command that runs, or http(s) address that is told, when the search has ended.
        **settings: Fields of `ecg_tune.config.SearchSettings`, e.g. `trials=30`, `space={"cnn1d.depth": [3, 4]}`.

    Returns:
        How it ended. An interrupted search is not `done`; the same call resumes it.

    Raises:
        ConfigError: A setting has an unknown name or a value that is not allowed.
        UsageError: Data, study or cluster can't be used; the message says why.
        WorkFailedError: Ray did not start, or trial after trial failed.
    """
    folder, address, say = Path(study), address or os.environ.get("RAY_ADDRESS"), partial(_print, quiet=progress == "jsonl")
    told = Callbacks([*installed_callbacks(say), *callbacks, *([make_on_end(on_end)] if on_end is not None else [])], say)
    request = _read(folder, data, config, settings, has_gpu=partial(_has_gpu, address, insecure=insecure))
    classes_of(request.settings.families)  # a trainable that can't be used is refused before a study is made
    attributes = study_attributes(request.data, request.settings)
    view, logs = _view(progress), trackers(mlflow, wandb, tensorboard, folder=folder, attributes=attributes)
    check_checkpoints(folder, request.settings, say)
    space = make_space(request.settings, request.data, folder)
    sources = _open_sources(folder, attributes, [Path(source) for source in import_studies])
    _announce(request, say)
    space, attributes = _learn(request, attributes, sources, space, say)
    _say_cost(request, space, folder, wanted=progress != "jsonl" and not address)
    with told.ending(folder), _opened(request, folder, attributes) as opened, terminate_ray_as_interrupt():
        told.begin(opened)
        take_up_space(opened, folder, request.settings, request.data, space, say)
        if not (address or sources or retry) and nothing_left(opened, request.settings):
            outcome = Outcome(done=True)  # Ray would start for nothing
        else:
            with ray_session(address, insecure=insecure):
                _import(opened, sources, space, request.settings, say, retry=retry)
                outcome = _run(opened, request, space, say, view=told.around(view, opened), trackers=logs, joined=bool(address))
        told.outcome = outcome.spent or (COMPLETE if outcome.done else INTERRUPTED)
    return outcome


def _read(
    folder: Path, data: Path | str | None, config: Path | str | None, settings: Mapping[str, Any], *, has_gpu: Callable[[], bool]
) -> Request:
    """Read what is searched, and on which data; settings that are None were not given."""
    given = {name: value for name, value in settings.items() if value is not None}
    return read_request(folder, Path(config) if config else None, given, None if data is None else str(data), has_gpu=has_gpu)


def _announce(request: Request, say: Callable[[str], None]) -> None:
    """Say what is searched on, and what was chosen or changes."""
    settings, prepared = request.settings, request.data
    say_refused_families()
    say(headline(prepared))
    if request.note:
        say(request.note)
    if settings.profile == "small" and prepared.image_shape and prepared.image_shape[1] > LARGEST_SMALL:
        side = prepared.image_shape[1]
        times = f"about {(side / LARGEST_SMALL) ** 2:.0f} times that of {LARGEST_SMALL} pixels, the most that `--profile small` computes"
        say(f"stored images keep their {side} pixels: networks are narrow, but an epoch takes {times}")


def _say_cost(request: Request, space: SearchSpace, study: Path, *, wanted: bool) -> None:
    """Say what a new search on this machine will cost; shares of GPUs that are still to be measured can't be simulated."""
    if wanted and not Study.exists(study) and not request.settings.measures_gpus:
        print(cost_line(estimate(study, request.data, request.settings, space, simulations=N_SIMULATED), request.settings), flush=True)


def _print(text: str, *, quiet: bool) -> None:
    """Print a line for people; where programs read standard output it goes to standard error."""
    print(text, flush=True, file=sys.stderr if quiet else sys.stdout)


def _opened(request: Request, folder: Path, attributes: StudyAttributes) -> Study:
    return Study.open_or_create(folder, attributes, storage=request.settings.storage)


def _view(progress: str | None) -> Callable[..., Any]:
    """Choose the view by its name, else by where the output goes."""
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
        same = opened[source].attributes.data_fingerprint == attributes.data_fingerprint
        check_comparable(attributes, opened[source], COMPARED if same else [name for name in COMPARED if name != DATA])
    return opened


def _learn(
    request: Request, attributes: StudyAttributes, sources: dict[Path, Study], space: SearchSpace, say: Callable[[str], None]
) -> tuple[SearchSpace, StudyAttributes]:
    """Take the studies on other data out of the sources, believe in the parameters of their best trials, and remember these."""
    learnt, families = dict(request.learnt_priors), request.settings.families
    for folder, source in list(sources.items()):
        theirs = source.attributes
        if theirs.data_fingerprint != attributes.data_fingerprint:
            values = learnt_values(source, space, families)
            learnt |= values
            del sources[folder]
            say(
                f"{folder} was searched on other data ({(theirs.data_fingerprint or 'not recorded')[:12]}, split {theirs.split}, "
                f"{inputs_text(theirs.leads, theirs.images)}), its values don't compare: no trial is imported, {len(values)} parameters of "
                "its best configs are priors of this study"
            )
    return with_priors(space, learnt, families), dataclasses.replace(attributes, learnt_priors=learnt or None)


def _import(
    study: Study,
    sources: Mapping[Path, Study],
    space: SearchSpace,
    settings: SearchSettings,
    say: Callable[[str], None],
    *,
    retry: bool,
) -> None:
    """Import the trials of other studies that fit this space, and add those that failed once more, when that is wanted."""
    for folder, source in sources.items():
        n_imported, n_misfits = import_trials(study, source, space, settings)
        say(f"imported {n_imported} trials of {folder}, {n_misfits} do not fit this space")
    if retry:
        say(f"failed trials that are tried again: {retry_failed(study)}")


def _run(
    study: Study,
    request: Request,
    space: SearchSpace,
    say: Callable[[str], None],
    *,
    view: Callable[..., Any],
    trackers: Sequence[Any],
    joined: bool,
) -> Outcome:
    """Run the search, on a cluster that was joined after a look at it; each trial is trained by its family's trainable."""
    settings, prepared = request.settings, request.data
    if joined:
        _check_cluster(study, prepared, settings.families, say)
    shared = Shared(prepared.in_memory(), study.checkpoints, settings.metric, settings.cpus_per_trial, settings.minimise, settings.timing)
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


def _check_cluster(study: Study, prepared: PreparedData, families: Sequence[str], say: Callable[[str], None]) -> None:
    """Run the quick checks of `ecg-tune doctor`: refuse what would make the search fail, report what else looks wrong."""
    storage = study.checkpoints
    folders = [storage.root] if isinstance(storage, LocalStorage) else []
    needed = prepared.reads_images_here
    examination = examine(
        folders=folders, families=families, data=prepared.location if needed else None, fingerprint=prepared.fingerprint, data_needed=needed
    )
    for complaint in examination.complaints:
        if complaint.grave:
            raise UsageError(f"{complaint} (`ecg-tune doctor` shows all)")
        say(f"doctor: {complaint}")


def _measurer(prepared: PreparedData, settings: SearchSettings) -> Callable[[], Mapping[str, float]]:
    """Make a function that measures on a GPU of the cluster which share of it each family's default config needs."""
    context = space_context(prepared, settings.profile, settings.epochs)
    configs = {family: resolve(family, SPACES[family].defaults[settings.profile], context) for family in settings.families}

    def measure() -> Mapping[str, float]:
        peaks, total = peak_memories(configs, prepared)
        return gpu_shares(peaks, total)

    return measure


def _has_gpu(address: str | None, *, insecure: bool) -> bool:
    """Look whether trials can get a GPU: of this machine, or of the cluster that is joined."""
    if not address:
        return torch.cuda.is_available()
    with ray_session(address, insecure=insecure):
        return bool(ray.cluster_resources().get("GPU", 0))
