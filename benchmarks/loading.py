"""Compare how fast records come from a PTB-XL folder to a first batch, with a plain loop over wfdb and with reading the bytes alone.

    python benchmarks/loading.py [PTBXL] [--records 1000] [--json]

Without a folder, synthetic records are written first. CPU time, after a first reading that puts all files into the page cache. Steps:

* read: `read_record` of every record, against `wfdb.rdsamp`; the limit is reading the bytes of its two files.
* prepare: folder → prepared data, against the loop that users write: table, labels, `wfdb.rdsamp` of every record, three leads, `np.save`.
  The limit is reading the same bytes.
* first batch: prepared data → 32 standardised records, against the same from the loop's files; the limit is reading the files it needs.
"""

from __future__ import annotations

import argparse
import ast
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import wfdb
from command_line import run_script
from side_by_side import alternating_seconds

from ecg_tune.config import DataConfig
from ecg_tune.data.loaders import create_signal_dataloader
from ecg_tune.data.prepared.dataset import FILES, open_prepared
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.ptbxl.records import read_record
from ecg_tune.data.ptbxl.tables import read_ptbxl
from ecg_tune.data.synthetic.generator import synthesize

BATCH = 32
LEADS = [0, 1, 7]
"""I, II and V2 in PTB-XL's order."""
STEPS = {"read": "wfdb.rdsamp", "prepare": "a loop over wfdb", "first_batch": "np.load of the loop's files"}


def read_bytes(root: Path, names: list[str]) -> None:
    """Read the files of some records, and do nothing with them."""
    for name in names:
        (root / f"{name}.hea").read_bytes()
        (root / f"{name}.dat").read_bytes()


def loop_over_wfdb(root: Path, names: set[str], out: Path) -> None:
    """Load some records as most projects on PTB-XL do: labels by pandas, signals by wfdb one by one, everything kept as .npy."""
    table = pd.read_csv(root / "ptbxl_database.csv", index_col="ecg_id")
    table = table[table.filename_lr.isin(names)]
    statements = pd.read_csv(root / "scp_statements.csv", index_col=0)
    class_of = statements[statements.diagnostic == 1].diagnostic_class
    classes = [{class_of[code] for code in ast.literal_eval(codes) if code in class_of.index} for codes in table.scp_codes]
    labels = np.array([[name in own for name in ("NORM", "MI", "STTC", "CD", "HYP")] for own in classes], dtype=np.float32)
    signals = np.array([wfdb.rdsamp(str(root / name))[0] for name in table.filename_lr])[:, :, LEADS]
    for split, rows in {"train": table.strat_fold <= 8, "validation": table.strat_fold == 9, "test": table.strat_fold == 10}.items():
        chosen = rows.to_numpy() & (labels.max(axis=1) > 0)
        np.save(out / f"{split}_signals.npy", signals[chosen])
        np.save(out / f"{split}_labels.npy", labels[chosen])


def first_batch_of_loop(folder: Path) -> torch.Tensor:
    """Load the loop's files, standardise, and shuffle."""
    signals, labels = (torch.from_numpy(np.load(folder / f"train_{kind}.npy")).float() for kind in ("signals", "labels"))
    validation = [torch.from_numpy(np.load(folder / f"validation_{kind}.npy")).float() for kind in ("signals", "labels")]
    assert len(validation) == 2
    data = torch.utils.data.TensorDataset(signals / signals.std(), labels)
    return next(iter(torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)))[0]


def first_batch(folder: Path) -> torch.Tensor:
    """Open prepared data, which checks every array's SHA-256, and make a batch."""
    data = open_prepared(folder)
    loader = create_signal_dataloader(data.train, batch_size=BATCH, shuffle_seed=0)
    return next(iter(loader))[0] / data.normalisation["scale_mv"]


def measure(root: Path, names: list[str], *, repeats: int) -> dict[str, dict[str, float]]:
    """Time all steps; milliseconds a record (of the first batch: altogether) and ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        ours, loop = Path(scratch) / "ours", Path(scratch) / "loop"
        loop.mkdir()
        files = [ours / split / file for split in ("train", "validation") for file in FILES]
        works: dict[str, tuple[Callable[[], object], Callable[[], object], Callable[[], object]]] = {
            "read": (
                lambda: [read_record(root, name, sampling_rate_hz=100) for name in names],
                lambda: [wfdb.rdsamp(str(root / name)) for name in names],
                lambda: read_bytes(root, names),
            ),
            "prepare": (
                lambda: prepare(root, ours, DataConfig(split="official", limit=len(names))),
                lambda: loop_over_wfdb(root, set(names), loop),
                lambda: read_bytes(root, names),
            ),
            "first_batch": (
                lambda: first_batch(ours),
                lambda: first_batch_of_loop(loop),
                lambda: [file.read_bytes() for file in files],
            ),
        }
        rows = {}
        for step, three in works.items():
            times = alternating_seconds(dict(zip(("ours", "peer", "bytes"), three, strict=True)), repeats=repeats)
            ms = {f"{name}_ms": seconds * 1e3 / (1 if step == "first_batch" else len(names)) for name, seconds in times.items()}
            rows[step] = {**ms, "speedup": times["peer"] / times["ours"], "over_bytes": times["ours"] / times["bytes"]}
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ptbxl", type=Path, nargs="?", help="PTB-XL folder, whole or a part [default: synthetic records]")
    parser.add_argument("--records", type=int, default=1000, help="so many, evenly from the table; all where it has fewer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root, source = arguments.ptbxl, "PTB-XL"
        if root is None:
            root, source = Path(scratch) / "ptbxl", "SYNTHETIC records"
            synthesize(root, n_records=arguments.records)
        names = list(read_ptbxl(root).limited(arguments.records).filenames[100])
        rows = measure(root, names, repeats=arguments.repeats)
    if arguments.json:
        figures = {f"{step}_{key}": value for step, row in rows.items() for key, value in row.items()}
        print(json.dumps({**figures, "records": len(names), "source": source}))
        return
    print(f"{len(names)} records, {source}; CPU ms a record, of the first batch ms altogether")
    print(f"{'step':<13}{'ours':>9}{'peer':>9}{'bytes':>9}{'faster':>9}{'over bytes':>12}  peer")
    for step, r in rows.items():
        numbers = f"{r['ours_ms']:>9.3f}{r['peer_ms']:>9.3f}{r['bytes_ms']:>9.3f}{r['speedup']:>8.1f}×{r['over_bytes']:>11.1f}×"
        print(f"{step:<13}{numbers}  {STEPS[step]}")


if __name__ == "__main__":
    run_script(main)
