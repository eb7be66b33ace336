"""`ecg-tune retrain`: train the best trials again, with several seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecg_tune.cli.options import Device, StudyData, StudyFolder, pick_device

if TYPE_CHECKING:
    from analysis.retrain import Job
    from ecg_tune.training.checkpoint import SavedModel

EXAMPLE = "Example: ecg-tune retrain STUDY --top 2 --seeds 3"


def retrain(
    study: StudyFolder,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 3,
    data: StudyData = None,
    device: Device = "auto",
) -> None:
    """Retrain the best trials on the training part and write STUDY/models. The test part stays sealed."""
    from pathlib import Path

    from analysis.retrain import retrain as run
    from ecg_tune.data.prepared import open_prepared
    from ecg_tune.search.study import open_study

    opened = open_study(study)
    prepared = open_prepared(data or Path(opened.user_attrs["data_path"]))

    def show(job: Job, saved: SavedModel) -> None:
        change = saved.validation_macro_auc - job.search_value
        print(
            f"{job.name} (trial {job.trial}, seed {job.seed}): validation macro AUC {saved.validation_macro_auc:.4f} "
            f"after {saved.epochs} epochs, {saved.seconds:.0f} s ({change:+.4f} against the search)",
            flush=True,
        )

    manifest = run(opened, prepared, study, top=top, seeds=seeds, device=pick_device(device), on_done=show)
    for model in manifest["models"]:
        sd = "" if model["validation_macro_auc_sd"] is None else f" ± {model['validation_macro_auc_sd']:.4f} (sd over {seeds} seeds)"
        mean, said = model["validation_macro_auc_mean"], model["search_value"]
        print(f"{model['name']}: {mean:.4f}{sd}; the search said {said:.4f}, winner's curse {said - mean:+.4f}")
    print(f"wrote {study / 'models'}\nnext: ecg-tune evaluate {study} --out results/")
