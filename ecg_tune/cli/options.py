"""Options and small functions that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.config import LEAD_NAMES
from ecg_tune.config.parsing import split_commas
from ecg_tune.data.prepared.dataset import PreparedData

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]
DataFolder = Annotated[
    str, typer.Option("--data", metavar="DIR", help="Prepared data (see `ecg-tune data prepare`), or s3://BUCKET/PREFIX.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Put the data in the place of other prepared data in OUT. The test split's ledger stays.")
]
Device = Annotated[
    str, typer.Option(metavar="NAME", help="Device to use: auto (the GPU if there is one), cpu, or a CUDA device such as cuda:0.")
]
StudyData = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Prepared data, if it has moved since the search.")]


def next_evaluation(data: PreparedData, models: str) -> str:
    """Suggest the command that evaluates models of these data.

    Args:
        models: The command's first words after `evaluate`, e.g. "STUDY".
    """
    if data.n_test_records:
        return f"next: ecg-tune evaluate {models} --out results/"
    return f"next: ecg-tune evaluate {models} --on OTHER_DATA --out results/  (these data have no test split)"


def lead_names(text: str) -> tuple[str, ...]:
    """Read a list of leads in any case (`aVR` is AVR); `all` and `12` mean all twelve."""
    return LEAD_NAMES if text.strip().lower() in ("all", "12") else tuple(name.upper() for name in split_commas(text))


def without_none(**flags: Any) -> dict[str, Any]:
    """Keep the flags that the user gave: those left out are None."""
    return {name: value for name, value in flags.items() if value is not None}
