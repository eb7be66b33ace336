"""`ecg-tune retrain`: train the best trials again, with several seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecg_tune.cli.options import Device, StudyData, StudyFolder, headline, pick_device
from ecg_tune.cli.there import Insecure, is_there, run_there
from ecg_tune.errors import EcgTuneError, WorkFailedError

if TYPE_CHECKING:
    from analysis.retrain import Job, Outcome

EXAMPLE = "Example: ecg-tune retrain STUDY --top 2 --per-family --seeds 3"


def retrain(
    context: typer.Context,
    study: StudyFolder,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 3,
    per_family: Annotated[bool, typer.Option("--per-family", help="Take the best of each family, not of the whole study.")] = False,
    data: StudyData = None,
    device: Device = "auto",
    address: Annotated[
        str | None, typer.Option(metavar="A", help="auto or HOST:PORT: train on all machines of this cluster; a Jobs address: from there.")
    ] = None,
    insecure: Insecure = False,
) -> None:
    """Retrain the best trials on the training part and write STUDY/models. The test part stays sealed."""
    if address and is_there(address):
        run_there(context, address, insecure=insecure, changes={"address": "auto"})
        return
    from analysis.retrain import retrain as run
    from ecg_tune.cluster.spread import trainers
    from ecg_tune.data.prepared import open_prepared
    from ecg_tune.search.study import data_folder, open_study

    opened = open_study(study)
    prepared = open_prepared(data or data_folder(opened, study))

    print(headline(prepared))
    which: dict[str, Any] = {"top": top, "seeds": seeds, "per_family": per_family, "on_done": _show}
    if address:
        with trainers(address, insecure=insecure, device=device) as (spread, kind):
            manifest = run(opened, prepared.in_memory(), study.resolve(), device=kind, map=spread, **which)
    else:
        manifest = run(opened, prepared, study, device=pick_device(device), **which)
    _show_models(manifest, seeds)
    _show_missing(manifest, top, per_family=per_family)
    if manifest["failed"]:
        raise WorkFailedError(f"{len(manifest['failed'])} trainings failed, the first with: {manifest['failed'][0]['error']}")
    print(f"wrote {study / 'models'}\nnext: ecg-tune evaluate {study} --out results/")


def _show(job: Job, outcome: Outcome) -> None:
    said = f"{job.name} (trial {job.trial}, seed {job.seed}): "
    if isinstance(outcome, EcgTuneError):
        print(f"{said}failed: {outcome}", flush=True)
        return
    change = "" if job.search_value is None else f" ({outcome.validation_macro_auc - job.search_value:+.4f} against the search)"
    trained = f"after {outcome.epochs} epochs, {outcome.seconds:.0f} s"
    print(f"{said}validation macro AUC {outcome.validation_macro_auc:.4f} {trained}{change}", flush=True)


def _show_models(manifest: Mapping[str, Any], seeds: int) -> None:
    for model in manifest["models"]:
        mean, said = model["validation_macro_auc_mean"], model["search_value"]
        sd = "" if model["validation_macro_auc_sd"] is None else f" ± {model['validation_macro_auc_sd']:.4f} (sd over {seeds} seeds)"
        curse = "" if said is None else f"; the search said {said:.4f}, winner's curse {said - mean:+.4f}"
        print(f"{model['name']}: {mean:.4f}{sd}{curse}")


def _show_missing(manifest: Mapping[str, Any], top: int, *, per_family: bool) -> None:
    if manifest["failed"]:
        return
    found = Counter(model["family"] if per_family else "the study" for model in manifest["models"])
    for where, number in found.items():
        if number < top:
            print(f"{top} trials were asked for, {where} has {number} complete")
