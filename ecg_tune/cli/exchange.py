"""`ecg-tune data export` and `ecg-tune data import`: plain arrays for other programs, and from them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import typer

from ecg_tune.cli.options import Replace, lead_names
from ecg_tune.cli.progress_bar import bar
from ecg_tune.config.parsing import split_commas
from ecg_tune.data.exchange.layout import IMAGE_FOLDERS, NO_IMAGES
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import BACKENDS, IMAGE_SIZE, KINDS, export_tree
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.data.prepared.taught import is_taught
from ecg_tune.errors import UsageError


def export_command(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Prepared data, or s3://BUCKET/PREFIX.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; it must not exist.")],
    images: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help=f"Images to write, comma-separated of {', '.join(KINDS)}; `{NO_IMAGES}` for signals alone.",
            show_default="the stored images, or else all, computed from the signals",
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, max=512, metavar="N", help="Side of computed images, in pixels.", show_default=str(IMAGE_SIZE))
    ] = None,
    backend: Annotated[str, typer.Option(metavar="NAME", help=f"Computes the images: {' or '.join(BACKENDS)} (slow, equal).")] = "torch",
    batch_size: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="Records a file.")] = 100,
    include_test: Annotated[bool, typer.Option("--include-test", help="Open the test split too; its ledger gets a line.")] = False,
) -> None:
    """Export prepared data as plain .npy files.

    Writes signals/ in millivolts, images/ (the stored ones, or else Gramian angular and Markov transition fields) and labels/, in batches.
    """
    if re.match(r"\w+:/", str(out)):
        raise UsageError(f"{out} is no folder: export to this machine, then copy it with the bucket's own tool")
    data = open_prepared(folder)
    kinds = None if images is None else () if images == NO_IMAGES else split_commas(images)
    begun = time.monotonic()
    with bar("exporting") as progress:
        export_tree(
            data,
            out,
            images=kinds,
            image_size=image_size,
            backend=backend,
            include_test=include_test,
            batch_size=batch_size,
            on_start=lambda size: print(f"{out}: {size / 1e9:.2f} GB to write", flush=True),
            progress=progress,
        )
    test = "with the test split" if include_test else "the test split stays sealed"
    test += "; what teachers say is left out" if is_taught(data.manifest) else ""
    print(f"wrote {out} in {time.monotonic() - begun:.0f} s; {test}{'; SYNTHETIC' if data.synthetic else ''}")


def import_command(
    tree: Annotated[Path, typer.Argument(metavar="TREE", help="Folder as `data export` writes it: labels/ and signals/ or images/.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the prepared data to.")],
    class_names: Annotated[
        str, typer.Option(metavar="NAMES", help="Columns of the labels, comma-separated [default: NORM,MI,STTC,CD,HYP]")
    ] = "",
    leads: Annotated[str, typer.Option(metavar="LEADS", help="Leads of the signals' last axis, comma-separated.")] = "",
    rate: Annotated[int | None, typer.Option(min=1, max=100_000, metavar="HZ", help="Sampling rate.")] = None,
    units: Annotated[str, typer.Option(metavar="UNIT", help="Unit of the signals: mv, uv or v.")] = "mv",
    images: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Folder of images to train on as they are: {' or '.join(IMAGE_FOLDERS)}; `{NO_IMAGES}` computes them from the signals.",
            show_default="the only folder of a tree that others made, or that has no signals",
        ),
    ] = None,
    replace: Replace = False,
) -> None:
    """Import plain .npy files as prepared data.

    A tree of `data export` says by itself what it holds; for others with signals give --leads and --rate. A tree may hold images alone.
    """
    with bar("importing") as progress:
        import_tree(
            tree,
            out,
            class_names=split_commas(class_names),
            leads=lead_names(leads) if leads else (),
            sampling_rate_hz=rate,
            units=units,
            images=images,
            replace_other=replace,
            progress=progress,
        )
    print(describe_text(describe(out)))
    print(f"next: ecg-tune search STUDY --data {out}")
