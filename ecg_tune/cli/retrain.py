"""`ecg-tune retrain`: train the best trials again, with several seeds."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from analysis.retraining.race import n_trainings, plan_race
from analysis.retraining.retrain import chosen_trials, named_trials, retrain_winners
from analysis.retraining.retrain import retrain as retrain_trials
from analysis.retraining.training_jobs import Job, Mapper, Outcome, one_by_one
from ecg_tune.cli.device import Device, pick_device
from ecg_tune.cli.options import StudyData, StudyFolder, headline
from ecg_tune.cli.remote import Insecure, is_jobs_address, run_remotely
from ecg_tune.cluster.parallel import training_pool
from ecg_tune.config import check_choice
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import EcgTuneError, UsageError, WorkFailedError
from ecg_tune.search.progress.stats import duration
from ecg_tune.study.race_result import raced_in
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.model_file import TRAIN, TRAIN_AND_VALIDATION

TOP, RACERS = 3, 8
Top = Annotated[int | None, typer.Option("--top", min=1, metavar="N", help=f"Retrain the best N trials.  [default: {TOP}]")]
SEEDS = 3
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, metavar="N", help=f"Trainings of each trial, each with another seed.  [default: {SEEDS}]")
]
PerFamily = Annotated[bool, typer.Option("--per-family", help="Take the best N trials of each family, not of the whole study.")]
Trials = Annotated[
    list[int] | None,
    typer.Option("--trial", min=0, metavar="N", help="Retrain this trial, e.g. one of the Pareto front. May be repeated."),
]
Race = Annotated[
    bool,
    typer.Option(
        "--race",
        help=f"Race the best N trials (--top, {RACERS} unless given): one seed each, two more for the better half, four more for the "
        "better quarter, ranked by their means. The search's own value is not counted.",
    ),
]
Splits = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="SPLIT",
        help="Splits to train on: train, or train+validation. For the second, a reference model that is trained on train "
        "alone tells when to stop and which thresholds fit.",
    ),
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT|URL",
        help="Train on all machines of this Ray cluster. With a URL of Ray Jobs, STUDY is a path on the cluster.  "
        "[default: RAY_ADDRESS, else this machine]",
    ),
]
EXAMPLE = "Example: ecg-tune retrain STUDY --top 2 --per-family --seeds 3"


def retrain(
    context: typer.Context,
    study: StudyFolder,
    top: Top = None,
    seeds: Seeds = None,
    per_family: PerFamily = False,
    trial: Trials = None,
    race: Race = False,
    on: Splits = "train",
    data: StudyData = None,
    device: Device = "auto",
    address: ClusterAddress = None,
    insecure: Insecure = False,
) -> None:
    """Retrain the best trials of a study with several seeds.

    Writes STUDY/models, several trainings at once, and chooses an ensemble of them on validation. The same command again skips
    what is finished. The test split stays sealed.
    """
    _check_flags(trial, top=top, per_family=per_family, race=race, seeds=seeds)
    if address and is_jobs_address(address):
        run_remotely(context, address, insecure=insecure, changes={"address": "auto"})
        return

    check_choice("split to retrain on", on, (TRAIN, TRAIN_AND_VALIDATION))
    opened = Study.open(study)
    prepared = open_prepared(data or opened.data_path).in_memory()
    print(headline(prepared))
    progress = Progress()
    wanted = top or (RACERS if race else TOP)
    trials = named_trials(opened, trial) if trial else chosen_trials(opened, top=wanted, per_family=per_family)
    single = len(trials) * (seeds or SEEDS) <= 1
    if race and trials:
        _show_race_plan(trials)
    with _trainers(address or os.environ.get("RAY_ADDRESS"), insecure=insecure, device=device, single=single) as (mapper, trainer_device):
        train = retrain_winners if race else partial(retrain_trials, seeds=seeds or SEEDS)
        manifest = train(
            opened, prepared, study.resolve(), trials, on=on, device=trainer_device,
            on_start=progress.start, on_done=progress.done, map=mapper,
        )  # fmt: skip
    _show_models(manifest)
    if not trial and not race:
        _show_missing(manifest, wanted, per_family=per_family)
    _end(manifest, study)


def _check_flags(trial: list[int] | None, *, top: int | None, per_family: bool, race: bool, seeds: int | None) -> None:
    if trial and (per_family or top):
        raise UsageError(f"--trial {trial[0]} names what to retrain: leave --top and --per-family out")
    if race and (trial or seeds):
        raise UsageError("--race gives each trial its seeds, and races the best ones: leave --trial and --seeds out, give --top")


def _end(manifest: Mapping[str, Any], study: Path) -> None:
    """Print the next command, or raise the first failure."""
    if manifest["failed"]:
        raise WorkFailedError(f"{len(manifest['failed'])} trainings failed, the first with: {manifest['failed'][0]['error']}")
    print(f"wrote {study / 'models'}\nnext: ecg-tune evaluate {study} --out results/")


@contextmanager
def _trainers(address: str | None, *, insecure: bool, device: str, single: bool) -> Iterator[tuple[Mapper, str]]:
    """Open what runs the trainings, with the device they use; no Ray where only one training can run at once."""
    kind = device if address else pick_device(device)
    if not address and (single or _parallel_trainings(kind) == 1):
        yield one_by_one, kind
        return
    with training_pool(address, insecure=insecure, device=kind) as pool:
        yield pool


def _parallel_trainings(device: str) -> int:
    """Count the trainings that this machine can run at once: one on a named GPU, else one a GPU or one a core."""
    if device == "cuda":
        return torch.cuda.device_count()
    return 1 if device.startswith("cuda") else os.cpu_count() or 1


class Progress:
    """Prints a line as each training ends, with how many there are and about how long the others take."""

    def __init__(self) -> None:
        self.n_jobs = self.n_done = 0
        self.started = time.monotonic()

    def start(self, n_jobs: int, n_kept: int) -> None:
        """Start a round of trainings."""
        self.n_jobs, self.n_done, self.started = n_jobs, 0, time.monotonic()
        kept = f", {n_kept} were finished before" if n_kept else ""
        print(f"{n_jobs} trainings to do{kept}", flush=True)

    def done(self, job: Job, outcome: Outcome) -> None:
        """Print how one training ended."""

        self.n_done += 1
        label = f"{job.name} (trial {job.trial}, seed {job.seed})" + (" on train+validation" if job.reference else "")
        left = (time.monotonic() - self.started) / self.n_done * (self.n_jobs - self.n_done)
        end = f"; about {duration(left)} left" if left else ""
        print(f"[{self.n_done}/{self.n_jobs}] {label}: {_describe_outcome(job, outcome)}{end}", flush=True)


def _describe_outcome(job: Job, outcome: Outcome) -> str:
    if isinstance(outcome, EcgTuneError):
        return f"failed: {outcome}"
    trained = f"{outcome.epochs} epochs, {outcome.seconds:.0f} s"
    if job.reference:
        return f"{trained}, as its reference model's best"
    change = "" if job.search_value is None else f" ({outcome.validation_macro_auc - job.search_value:+.4f} against the search)"
    return f"validation macro AUC {outcome.validation_macro_auc:.4f}{change}, {trained}"


def _show_race_plan(trials: Sequence[Trial]) -> None:
    """Say before the race what it costs, by the seconds of the trials in the search."""
    rounds = ", ".join(f"{racers} with {seeds} seed{'s' if seeds > 1 else ''}" for racers, seeds in plan_race(len(trials)))
    seconds = [trial.seconds for trial in trials if trial.seconds]
    time_text = f"; about {duration(sum(seconds) / len(seconds) * n_trainings(len(trials)))} of training" if seconds else ""
    print(f"race of {len(trials)} trials: {rounds}; {n_trainings(len(trials))} trainings{time_text}", flush=True)


def _show_models(manifest: Mapping[str, Any]) -> None:
    for place, racer in enumerate(raced_in(manifest), 1):
        print(f"{place}. trial {racer.trial}: {racer.text()}")
    for model in manifest["models"]:
        mean, in_search = model["validation_macro_auc_mean"], model["search_value"]
        sd = (
            ""
            if model["validation_macro_auc_sd"] is None
            else f" ± {model['validation_macro_auc_sd']:.4f} (sd over {len(model['seeds'])} seeds)"
        )
        curse = "" if in_search is None else f"; the search said {in_search:.4f}, winner's curse {in_search - mean:+.4f}"
        print(f"{model['name']}: validation macro AUC {mean:.4f}{sd}{curse}")
    if ensemble := manifest["ensemble"]:
        weights = ", ".join(f"{name} {weight:.3f}" for name, weight in ensemble["weights"].items())
        print(f"Ensemble, chosen on validation: {weights}; macro AUC there {ensemble['validation_macro_auc_mean']:.4f}, which flatters it")


def _show_missing(manifest: Mapping[str, Any], top: int, *, per_family: bool) -> None:
    if manifest["failed"]:
        return
    n_models = Counter(model["family"] if per_family else "the study" for model in manifest["models"])
    for where, number in n_models.items():
        if number < top:
            print(f"{top} trials were asked for, {where} has {number} complete")
