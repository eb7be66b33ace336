"""`ecg-tune data teach`: let networks that see more leads teach those that see fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.api.retrain import MOST_FOLDS
from ecg_tune.api.teach import FOLDS, teach
from ecg_tune.cli.options import Device
from ecg_tune.config import MOST_TRIALS

EXAMPLE = "Example: ecg-tune data teach DATA DATA_TAUGHT --study STUDY_12"


def teach_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Prepared data, e.g. with three leads.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the data with teachers to.")],
    study: Annotated[
        Path,
        typer.Option(
            "--study", metavar="STUDY", help="Study of the same records with other leads, e.g. all twelve, whose best config teaches."
        ),
    ],
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial",
            min=0,
            max=MOST_TRIALS,
            metavar="N",
            help="This trial's config teaches.",
            show_default="the winner of the race, or the best",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            "--folds",
            min=2,
            max=MOST_FOLDS,
            metavar="K",
            help="Train K teachers, each on all folds of train but one, whose records it teaches.",
        ),
    ] = FOLDS,
    study_data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The study's prepared data, if they have moved.")] = None,
    device: Device = "auto",
) -> None:
    """Let networks that see more leads teach (distillation).

    Write a copy of DATA whose train records hold, beside their labels, the probabilities that the study's best config gives them; each
    comes from a network that was trained without the record. A search then learns from both: `training: {distillation: 0.5}` in its
    --config file.
    """
    manifest = teach(data, out, study, folds=folds, trial=trial, study_data=study_data, device=device)
    print(f"teachers: {manifest['taught']['text']}{' (SYNTHETIC data)' if manifest['synthetic'] else ''}")
    print(f"wrote {out}, data {manifest['fingerprint'][:12]}")
    print(f"next: ecg-tune search STUDY --data {out} --config FILE, with `training: {{distillation: 0.5}}` in FILE")
