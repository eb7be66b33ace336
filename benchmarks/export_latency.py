"""Latency of every family from raw millivolts to probabilities: torch against ONNX Runtime, one thread each, batches of 1 and of 32.

    python benchmarks/export_latency.py [--profile both] [--families cnn1d,resnet1d] [--batches 1,32] [--json]

The default config of each profile with random weights, on 10 s of three leads at 100 Hz. The two take turns, call by call, so that other
work on the machine slows both; medians, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from command_line import names_of, numbers, run_script
from numpy.typing import NDArray

from ecg_tune.config import PROFILES
from ecg_tune.export.formats import FORMATS, export
from ecg_tune.export.graph import Graph
from ecg_tune.export.parity import model_run, random_signals
from ecg_tune.models import MODELS, n_parameters
from ecg_tune.training.predictor import Predictor
from search_spaces import SPACES, SpaceContext, resolve
from search_spaces.conformance import network_of

BATCHES = (1, 32)
N_SAMPLES, LEADS = 1000, ("I", "II", "V2")
N_CALLS, LIMIT_S = 15, 20.0
"""Calls of each, and the seconds after which no further one begins; three are made anyway."""


def medians_s(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Let calls take turns, after one of each that does not count, and return each one's median seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    begin = time.perf_counter()
    for turn in range(N_CALLS):
        if turn >= 3 and time.perf_counter() - begin > LIMIT_S:
            break
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def row_of(family: str, profile: str, batches: list[int], folder: Path) -> dict[str, Any]:
    """Export one default config, compare it with torch, and measure both."""
    config = resolve(family, SPACES[family].defaults[profile], SpaceContext(profile, 5))
    torch.manual_seed(0)
    network = network_of(config)
    predictor = Predictor(network, config, normalisation={"kind": "global", "scale_mv": 0.24}, sampling_rate_hz=100, leads=LEADS).eval()
    out, run = folder / f"{family}_{profile}.onnx", model_run(predictor)
    signals = {"random signals": random_signals(N_SAMPLES, len(LEADS))[:3]}
    found = export(Graph([predictor], n_samples=N_SAMPLES), {}, out, to=FORMATS["onnx"], reference=run, signals_uv=signals)
    exported = FORMATS["onnx"].open(out)
    row: dict[str, Any] = {"family": family, "profile": profile, "parameters": n_parameters(network)}
    row |= {"megabytes": out.stat().st_size / 1e6, "difference": found["random signals"]}
    for n in batches:
        signal: NDArray[np.float32] = np.random.default_rng(0).normal(0, 0.24, (n, N_SAMPLES, len(LEADS))).astype(np.float32)
        found_s = medians_s({"torch": lambda signal=signal: run(signal), "onnxruntime": lambda signal=signal: exported(signal)})
        row[f"batch_{n}"] = {name: round(1000 * value, 3) for name, value in found_s.items()}
    out.unlink()
    return row


def line_of(row: dict[str, Any]) -> str:
    """Write one line of the Markdown table."""
    cells = [f"`{row['family']}`", row["profile"], f"{row['megabytes']:.1f}", f"{row['difference']:.0e}"]
    for n in BATCHES:
        times = row.get(f"batch_{n}")
        if times is None:
            cells += ["–"] * 3
        else:
            cells += [f"{times['torch']:,.1f}", f"{times['onnxruntime']:,.1f}", f"{times['torch'] / times['onnxruntime']:.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a Markdown table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="both", choices=(*PROFILES, "both"))
    parser.add_argument("--families", type=names_of(MODELS.built_in), default=list(MODELS.built_in), help="comma-separated")
    parser.add_argument("--batches", type=numbers, default=list(BATCHES), help="1 alone where 32 take minutes, as in VGG-16")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    profiles = tuple(PROFILES) if arguments.profile == "both" else (arguments.profile,)
    cases = [(family, profile) for profile in reversed(profiles) for family in arguments.families]
    if not arguments.json:
        print(f"{platform.machine()}, one thread, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}; milliseconds a call\n")
        heads = [f"{name}, batch {n}" for n in BATCHES for name in ("torch", "onnxruntime", "torch / onnxruntime")]
        print(f"| family | profile | MB | difference | {' | '.join(heads)} |\n|{'---|' * 10}", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for family, profile in cases:
            rows.append(row_of(family, profile, arguments.batches, Path(folder)))
            if not arguments.json:
                print(line_of(rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps({"threads": 1, "rows": rows}))


if __name__ == "__main__":
    run_script(main)
