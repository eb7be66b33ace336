"""What it saves that a training keeps the memory of freed arrays (`ecg_tune.training.freed_memory`): an epoch's seconds with and without.

    python benchmarks/freed_memory.py [--families cnn1d,resnet1d,resnet,rnn] [--pairs 3] [--records 300] [--json]

Each measurement is a process of its own on one thread: the default `small` configs on a made-up data set, one epoch to warm up, then three.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from command_line import names_of, run_script

from ecg_tune.config import DataConfig
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.ptbxl.prepare import prepare
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.training import learner as training
from ecg_tune.training.freed_memory import keep_freed_memory
from search_spaces import SPACES, SpaceContext, resolve

N_EPOCHS = 3


def measure(data: Path, families: list[str], *, kept: bool) -> dict[str, dict[str, float]]:
    """Return seconds and page faults of an epoch of each family, in this process."""
    if kept:
        keep_freed_memory()
    torch.set_num_threads(1)
    training.keep_freed_memory = lambda: False  # what the product does by itself
    loaded, measured = training.learning_data(open_prepared(data), torch.device("cpu")), {}
    for family in families:
        config = resolve(family, SPACES[family].defaults["small"], SpaceContext("small", N_EPOCHS + 1))
        learner = training.Learner(config, loaded, seed=0)
        learner.step()
        faults, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
        for _ in range(N_EPOCHS):
            learner.step()
        seconds = (time.perf_counter() - started) / N_EPOCHS
        measured[family] = {"seconds": seconds, "faults": (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / N_EPOCHS}
    return measured


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=names_of(SPACES), default=["cnn1d", "resnet1d", "resnet", "rnn"], help="comma-separated")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--records", type=int, default=300, help="of the made-up data set")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=("kept", "given back"), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.data, arguments.families, kept=arguments.one == "kept")))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        synthesize(Path(folder) / "ptbxl", n_records=arguments.records, seed=0)
        prepare(Path(folder) / "ptbxl", data, DataConfig())
        command = [sys.executable, __file__, "--families", ",".join(arguments.families), "--data", str(data), "--one"]
        pairs = [
            {one: json.loads(subprocess.check_output([*command, one], text=True)) for one in ("given back", "kept")}
            for _ in range(arguments.pairs)
        ]
    results = {
        family: {
            "ratio": float(np.median([pair["kept"][family]["seconds"] / pair["given back"][family]["seconds"] for pair in pairs])),
            **{one: float(np.median([pair[one][family]["faults"] for pair in pairs])) for one in ("given back", "kept")},
        }
        for family in arguments.families
    }
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{'family':<12}{'seconds, kept / given back':>28}{'page faults an epoch, kept':>28}{'given back':>12}")
    for family, row in results.items():
        print(f"{family:<12}{row['ratio']:>28.2f}{row['kept']:>28,.0f}{row['given back']:>12,.0f}")


if __name__ == "__main__":
    run_script(main)
