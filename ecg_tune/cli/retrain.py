"""`ecg-tune retrain`: train the best trials again, with several seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from analysis.retraining.ensemble import NEAR_THE_BEST, HeldOut
from analysis.retraining.ensemble_file import members_text
from ecg_tune.api.retrain import MOST_FOLDS, MOST_SEEDS, RACERS, SEEDS, TOP, wanted
from ecg_tune.api.retrain import retrain as retrain_trials
from ecg_tune.api.study_data import open_study_data
from ecg_tune.cli.options import Device, StudyData, StudyFolder, next_evaluation
from ecg_tune.cli.remote import Insecure, is_jobs_address, run_remotely
from ecg_tune.config import MOST_TRIALS
from ecg_tune.errors import WorkFailedError
from ecg_tune.study.race_result import raced_in

Top = Annotated[
    int | None, typer.Option("--top", min=1, max=MOST_TRIALS, metavar="N", help=f"Retrain the best N trials.  [default: {TOP}]")
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds", min=1, max=MOST_SEEDS, metavar="N", help=f"Trainings of each trial, each with another seed.  [default: {SEEDS}]"
    ),
]
PerFamily = Annotated[bool, typer.Option("--per-family", help="Take the best N trials of each family, not of the whole study.")]
Trials = Annotated[
    list[int] | None,
    typer.Option("--trial", min=0, max=MOST_TRIALS, metavar="N", help="Retrain this trial, e.g. one of the Pareto front. May be repeated."),
]
Race = Annotated[
    bool,
    typer.Option(
        "--race",
        help=f"Race the best N trials (--top, {RACERS} unless given): one seed each, two more for the better half, four more for the "
        "better quarter, ranked by their means. The search's own value is not counted.",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        min=2,
        max=MOST_FOLDS,
        metavar="K",
        help="With --race: race over K folds of the train split (by patient, the same for all) instead of seeds on validation, which the "
        "search has looked at. The finalists are then trained on all of train, --seeds times.",
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
    folds: Folds = None,
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
    if address and is_jobs_address(address):
        run_remotely(context, address, insecure=insecure, changes={"address": "auto"})
        return

    manifest = retrain_trials(
        study, top=top, seeds=seeds, per_family=per_family, trials=trial or (), race=race, folds=folds, on=on, data=data,
        device=device, address=address, insecure=insecure, say=partial(print, flush=True),
    )  # fmt: skip
    _show_models(manifest)
    if not trial and not race:
        _show_missing(manifest, wanted(top, race=race), per_family=per_family)
    if manifest["failed"]:
        raise WorkFailedError(f"{len(manifest['failed'])} trainings failed, the first with: {manifest['failed'][0]['error']}")
    print(f"wrote {study / 'models'}\n{next_evaluation(open_study_data(study, data), str(study))}")


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
        members = members_text((member["name"], member["weight"]) for member in ensemble["members"])
        print(f"Ensemble, chosen on validation: {members}; macro AUC there {ensemble['validation_macro_auc']:.4f}, which flatters it")
        if "held_out" in ensemble:
            print(f"its members chosen on one half of the patients, scored on the other: {HeldOut(**ensemble['held_out']).text()}")
    elif sum(len(model["seeds"]) for model in manifest["models"]) > 1:
        print(f"no ensemble: no other training comes within {NEAR_THE_BEST} of the best one on validation")


def _show_missing(manifest: Mapping[str, Any], top: int, *, per_family: bool) -> None:
    if manifest["failed"]:
        return
    n_models = Counter(model["family"] if per_family else "the study" for model in manifest["models"])
    for where, number in n_models.items():
        if number < top:
            print(f"{top} trials were asked for, {where} has {number} complete")
