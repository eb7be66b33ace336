"""`ecg-tune data …`: make, download, prepare and describe data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.cli import download, teach
from ecg_tune.cli.exchange import export_command, import_command
from ecg_tune.cli.flags import option_of
from ecg_tune.cli.options import Replace, lead_names
from ecg_tune.cli.progress_bar import bar
from ecg_tune.config import LARGEST_SEED, DataConfig
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.sources.cinc_headers import read_headers, read_mapping
from ecg_tune.data.sources.prepare import prepare_recordings
from ecg_tune.data.sources.record_list import RecordList, read_record_table
from ecg_tune.data.synthetic import generator as synthetic
from ecg_tune.errors import UsageError

DEFAULTS = DataConfig()

app = typer.Typer(help="Make, download, prepare and describe data sets.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command("synthesize", epilog="Example: ecg-tune data synthesize synthetic/ --records 600")
def synthesize(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to; it must be new or empty.")],
    records: Annotated[int, typer.Option(min=30, max=1_000_000, metavar="N", help="Records to make.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="Seed; equal seeds give equal files.")] = 0,
) -> None:
    """Make a synthetic PTB-XL.

    Writes WFDB files in the layout of the published data set. All that is made from them is marked SYNTHETIC.
    """
    with bar("synthesizing") as progress:
        counts = synthetic.synthesize(out, n_records=records, seed=seed, progress=progress)
    print(f"{out}: {records} SYNTHETIC records ({', '.join(f'{k} {v}' for k, v in counts.items())})")
    print(f"next: ecg-tune data prepare {out} DATA")


app.command("download", epilog=download.EXAMPLE)(download.download_command)
app.command("teach", epilog=teach.EXAMPLE)(teach.teach_command)
Table = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV table of recordings that are not PTB-XL's: columns record, patient_id, one of 0 and 1 for each class, and maybe "
        "split, age, sex, device, site.",
    ),
]
Mapping = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV table code,class of the SNOMED codes in headers' `# Dx:` lines (CinC challenges)."),
]

Damaged = Annotated[str, typer.Option(metavar="NAME", help="Damaged records: `refuse` the data set, or `drop` and count them.")]
EqualRecords = Annotated[
    str,
    typer.Option(metavar="NAME", help="Records that equal one in another split (PTB-XL): `refuse` the data set, or `keep` them."),
]


@app.command("prepare", epilog="Example: ecg-tune data prepare ptb-xl-1.0.3/ DATA --split official --leads all --labels subclass")
def prepare_command(
    source: Annotated[Path, typer.Argument(metavar="PTBXL|FOLDER", help="PTB-XL, or the folder of other recordings.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the prepared data to.")],
    table: Table = None,
    mapping: Mapping = None,
    leads: Annotated[str, option_of(DataConfig, "leads")] = ",".join(DEFAULTS.leads),
    rate: Annotated[int, option_of(DataConfig, "sampling_rate_hz")] = DEFAULTS.sampling_rate_hz,
    split: Annotated[str, option_of(DataConfig, "split")] = DEFAULTS.split,
    labels: Annotated[str, option_of(DataConfig, "labels")] = DEFAULTS.labels,
    rare_classes: Annotated[str, option_of(DataConfig, "rare_classes")] = DEFAULTS.rare_classes,
    limit: Annotated[int | None, option_of(DataConfig, "limit")] = None,
    min_likelihood: Annotated[float, option_of(DataConfig, "min_likelihood")] = DEFAULTS.min_likelihood,
    normalise: Annotated[str, option_of(DataConfig, "normalise")] = DEFAULTS.normalise,
    damaged: Damaged = "refuse",
    equal_records: EqualRecords = "refuse",
    replace: Replace = False,
) -> None:
    """Prepare PTB-XL, or other recordings with --table or --mapping, for training.

    Reads and checks the records, labels them, splits them by patient, and seals the test split.
    """
    if table and mapping:
        raise UsageError("--table and --mapping both say which labels the recordings have: give one of them")
    config = DataConfig(
        leads=lead_names(leads),
        sampling_rate_hz=rate,
        split=split,
        labels=labels,
        rare_classes=rare_classes,
        limit=limit,
        min_likelihood=min_likelihood,
        normalise=normalise,
    )
    records = read_record_table(table) if table else _records_of_headers(source, mapping) if mapping else None
    with bar("reading") as progress:
        if records is None:
            prepare(source, out, config, damaged=damaged, equal=equal_records, replace_other=replace, progress=progress)
        else:
            prepare_recordings(source, out, records, config, damaged=damaged, replace_other=replace, progress=progress)
    print(describe_text(describe(out)))
    print(f"next: ecg-tune search STUDY --data {out}")


def _records_of_headers(folder: Path, mapping: Path) -> RecordList:
    records, unknown = read_headers(folder, read_mapping(mapping))
    if unknown:
        codes = ", ".join(f"{code} ({count})" for code, count in unknown.most_common(10))
        more = ", …" if len(unknown) > 10 else ""
        print(f"{len(unknown)} codes that {mapping} does not name were left out: {codes}{more}")
    return records


app.command("export", epilog="Example: ecg-tune data export DATA TREE --images none")(export_command)
app.command("import", epilog="Example: ecg-tune data import TREE DATA --leads I,II,V2 --rate 100")(import_command)


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
