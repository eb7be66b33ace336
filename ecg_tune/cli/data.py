"""`ecg-tune data …`: make, download, prepare and describe data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.cli import download
from ecg_tune.cli.flags import option_of
from ecg_tune.cli.options import split_commas
from ecg_tune.cli.progress_bar import bar
from ecg_tune.config import DataConfig
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic import generator as synthetic

DEFAULTS = DataConfig()

app = typer.Typer(help="Make, download, prepare and describe data sets.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command("synthesize", epilog="Example: ecg-tune data synthesize synthetic/ --records 600")
def synthesize(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to; it must be new or empty.")],
    records: Annotated[int, typer.Option(min=30, max=1_000_000, metavar="N", help="Records to make.")] = 600,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed; equal seeds give equal files.")] = 0,
) -> None:
    """Make a synthetic PTB-XL.

    Writes WFDB files in the layout of the published data set. All that is made from them is marked SYNTHETIC.
    """
    with bar("synthesizing") as progress:
        counts = synthetic.synthesize(out, n_records=records, seed=seed, progress=progress)
    print(f"{out}: {records} SYNTHETIC records ({', '.join(f'{k} {v}' for k, v in counts.items())})")
    print(f"next: ecg-tune data prepare {out} DATA")


app.command("download", epilog=download.EXAMPLE)(download.download_command)


@app.command("prepare", epilog="Example: ecg-tune data prepare ptb-xl-1.0.3/ DATA --split official")
def prepare_command(
    source: Annotated[Path, typer.Argument(metavar="PTBXL", help="Folder with ptbxl_database.csv and records100/.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the prepared data to.")],
    leads: Annotated[str, option_of(DataConfig, "leads")] = ",".join(DEFAULTS.leads),
    rate: Annotated[int, option_of(DataConfig, "sampling_rate_hz")] = DEFAULTS.sampling_rate_hz,
    split: Annotated[str, option_of(DataConfig, "split")] = DEFAULTS.split,
    min_likelihood: Annotated[float, option_of(DataConfig, "min_likelihood")] = DEFAULTS.min_likelihood,
    normalise: Annotated[str, option_of(DataConfig, "normalise")] = DEFAULTS.normalise,
    damaged: Annotated[
        str, typer.Option(metavar="NAME", help="Damaged records: `refuse` the data set, or `drop` and count them.")
    ] = "refuse",
) -> None:
    """Prepare PTB-XL for training.

    Reads and checks the records, labels them, splits them by patient, and seals the test split.
    """
    config = DataConfig(leads=split_commas(leads), sampling_rate_hz=rate, split=split, min_likelihood=min_likelihood, normalise=normalise)
    with bar("reading") as progress:
        prepare(source, out, config, damaged=damaged, progress=progress)
    print(describe_text(describe(out)))
    print(f"next: ecg-tune search STUDY --data {out}")


@app.command("describe", epilog="Example: ecg-tune data describe DATA --json")
def describe_command(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Prepared data, or s3://BUCKET/PREFIX.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Describe a prepared data set.

    Of the test split only counts are shown; it stays sealed.
    """
    facts = describe(folder)
    print(json.dumps(facts, indent=1, ensure_ascii=False) if as_json else describe_text(facts))
