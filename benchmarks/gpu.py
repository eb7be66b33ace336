"""Measure training on a GPU in one run of less than eight minutes: epochs at PTB-XL's size, images against memory, networks against peak.

    python benchmarks/gpu.py [--data DATA] [--budget-s 400] [--json]
    python benchmarks/gpu.py --device cpu --tiny          # tries everything on a CPU, in seconds; the numbers mean nothing

* epochs: seconds of an epoch with validation of each family's default, records repeated to 17,000 and 2,100. Floating-point operations
  a second by those of a large matrix product, in bfloat16 on a GPU. An epoch of more than 60 s is timed on its first records, and scaled.
* images: images a second, and how much longer they take than filling their memory.
* packed: trials of one family that train at once on the device, each in a process; epochs a second of all, by those of one alone.

What the budget leaves no time for is named. Needs torch and numpy alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from command_line import names_of, numbers, run_script
from default_configs import read_defaults
from epoch import epoch_flops
from packed import epoch_of, measure_packed, waiting
from side_by_side import Records, add_records, alternating_seconds, product_flops_per_s, read_records

from ecg_tune.config import ImageConfig, TrialConfig
from ecg_tune.models import MODELS, trial_config
from ecg_tune.transforms.images import IMAGES, make_images

SIZES, TINY = (17_000, 2_100), (24, 16)
LONGEST_EPOCH_S = 60.0


class Budget:
    """Runs works until their time is spent; `left_out` names the others."""

    def __init__(self, seconds: float) -> None:
        self.end, self.left_out = time.perf_counter() + seconds, list[str]()

    def run(self, name: str, work: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the row that a work gives, or no row."""
        if time.perf_counter() > self.end:
            self.left_out.append(name)
            return []
        return [work()]


def measure_epoch(config: TrialConfig, records: Records, device: torch.device) -> dict[str, Any]:
    """Time one epoch; before, a short one, which warms up and says how long the whole would be."""
    short = records.repeated(min(10 * config.training.batch_size, len(records.train)), min(128, len(records.validation)))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = alternating_seconds({"epoch": epoch_of(config, short, device)}, repeats=1, clock=time.perf_counter)["epoch"]
    flops = epoch_flops(config, records)
    seconds *= flops / epoch_flops(config, short)
    is_whole = seconds <= LONGEST_EPOCH_S
    if is_whole:
        step = epoch_of(config, records, device)
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
    memory_mb = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return {"epoch_s": seconds, "whole": is_whole, "flops_per_s": flops / seconds, "peak_memory_mb": memory_mb}


def measure_images(kind: str, size: int, records: Records, device: torch.device, *, repeats: int) -> dict[str, Any]:
    """Measure the images a second of a batch, and how much longer they take than filling their memory."""
    signals = torch.from_numpy(records.train.signals_uv).to(device).float() / 1000
    make = partial(make_images, signals, ImageConfig(kind, size))
    output = torch.empty_like(make())
    works = {"images": waiting(device, make), "write": waiting(device, partial(output.fill_, 1))}
    times = alternating_seconds(works, repeats=repeats, clock=time.perf_counter)
    n_images, n_bytes = output.shape[0] * output.shape[1], output.numel() * output.element_size()
    rates = {"images_per_s": n_images / times["images"], "bytes_per_s": n_bytes / times["images"]}
    return {"kind": kind, "size": size, **rates, "over_write": times["images"] / times["write"]}


def measure(arguments: argparse.Namespace, read: Records) -> dict[str, Any]:
    """Measure what the arguments ask for."""
    device, tiny, began, budget = torch.device(arguments.device), arguments.tiny, time.perf_counter(), Budget(arguments.budget_s)
    sizes = TINY if tiny else SIZES
    records = read.repeated(*sizes)
    size = 256 if tiny else 8192
    peaks = {name: product_flops_per_s(device, getattr(torch, name), size=size) for name in ("float32", "bfloat16")}
    batch, epochs, images, packed = read.repeated(8 if tiny else 256, 1), [], [], []
    for pixels in (48,) if tiny else (48, 224):
        for kind in IMAGES:
            work = partial(measure_images, kind, pixels, batch, device, repeats=2 if tiny else 10)
            images += budget.run(f"{kind} {pixels} px", work)
    for profile in arguments.profiles:
        for family in arguments.families:
            config = trial_config(read_defaults(profile)[family])
            for row in budget.run(f"{family} {profile}", partial(measure_epoch, config, records, device)):
                peak = peaks["bfloat16" if device.type == "cuda" else "float32"]
                epochs.append({"family": family, "profile": profile, **row, "of_peak": row["flops_per_s"] / peak})
    for n_trials in arguments.packed:
        packed += budget.run(f"{n_trials} packed", partial(measure_packed, arguments.packed_family, read, sizes, device, n_trials))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    facts = {"device": name, "source": read.source, "records": sizes, "product_flops_per_s": peaks}
    took = {"left_out": budget.left_out, "seconds": time.perf_counter() - began}
    return {**facts, "images": images, "epochs": epochs, "packed": packed, **took}


def print_tables(found: dict[str, Any]) -> None:
    """Print one table a part."""
    peaks = ", ".join(f"{value / 1e12:.2f} in {name}" for name, value in found["product_flops_per_s"].items())
    print(f"{found['device']}, {found['source']}, {found['seconds']:.0f} s; matrix product, TFLOP/s: {peaks}")
    print(f"\n{'image':<7}{'px':>5}{'images/s':>12}{'GB/s':>8}{'over writing':>14}")
    for r in found["images"]:
        print(f"{r['kind']:<7}{r['size']:>5}{r['images_per_s']:>12,.0f}{r['bytes_per_s'] / 1e9:>8.1f}{r['over_write']:>13.1f}×")
    print(f"\n{'family':<11}{'profile':<9}{'s an epoch':>11}{'TFLOP/s':>9}{'of peak':>9}{'memory MB':>11}")
    for r in found["epochs"]:
        memory = "–" if r["peak_memory_mb"] is None else f"{r['peak_memory_mb']:,.0f}"
        scaled = "" if r["whole"] else "  scaled from its first batches"
        numbers = f"{r['epoch_s']:>11.2f}{r['flops_per_s'] / 1e12:>9.3f}{r['of_peak']:>9.1%}{memory:>11}"
        print(f"{r['family']:<11}{r['profile']:<9}{numbers}{scaled}")
    print(f"\n{'trials at once':<15}{'s an epoch':>11}{'epochs/s':>10}{'by one':>8}")
    for r in found["packed"]:
        gain = r["epochs_per_s"] / found["packed"][0]["epochs_per_s"]
        print(f"{r['trials']:<15}{r['epoch_s']:>11.2f}{r['epochs_per_s']:>10.2f}{gain:>7.1f}×")
    if found["left_out"]:
        print(f"\nno time left for: {', '.join(found['left_out'])}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_records(parser)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="24 records and small sizes")
    parser.add_argument("--profiles", type=names_of(("small", "full")), default=["small", "full"], help="comma-separated")
    parser.add_argument("--families", type=names_of(MODELS.built_in), default=list(MODELS.built_in), help="comma-separated")
    parser.add_argument("--packed", type=numbers, default=[1, 2, 4, 8], help="trials at once, comma-separated")
    parser.add_argument("--packed-family", choices=MODELS.built_in, default="cnn1d")
    parser.add_argument("--budget-s", type=float, default=400, help="begin nothing after so many seconds")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no GPU here: give --device cpu --tiny to try the script")
    found = measure(arguments, read_records(arguments))
    if arguments.json:
        print(json.dumps(found))
    else:
        print_tables(found)


if __name__ == "__main__":
    run_script(main)
