"""What each model costs: size, arithmetic, latency, training time."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from analysis.evaluation.metrics import count
from analysis.evaluation.provenance import WIDTH
from analysis.retraining.candidates import Candidate
from ecg_tune.data.loaders import millivolts, read_images
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.metrics import Array
from ecg_tune.models.cost import cost
from ecg_tune.training.model_file import SavedModel, build_predictor, load_saved
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.signals import evaluation_crops

BATCHES = (1, 64)
FEWEST, MOST, ENOUGH_S = 3, 20, 0.5  # passes, passes, seconds
RULES = (
    "MACs: multiply-accumulate operations of the network for one record, all its crops, without images and normalisation. Latency: "
    "median [quartiles] of one call from a record in memory to probability, with all standardising, crops and images that the model "
    "computes, on validation records, after one pass to warm up; it holds for this machine only. Training: seconds over all seeds, "
    "as the model files say, on whatever machine that was; the search is not in it."
)


def cost_table(candidates: Sequence[Candidate], data: PreparedData, *, device: str) -> pd.DataFrame:
    """Measure the cost, one row a model. Latency is that of its first seed's file; all seeds have one size."""
    return pd.DataFrame([_row(candidate, data, device) for candidate in candidates])


def latency_s(predictor: Predictor, split: Split, *, device: str, batch: int, clock: Callable[[], float] = time.perf_counter) -> Array:
    """Time calls on one batch in seconds, (n_passes,): `FEWEST` to `MOST` calls, no more once `ENOUGH_S` seconds have passed.

    Args:
        split: Its records are repeated where they are fewer than `batch`. Stored images are read before the clock starts.
        clock: Seconds.
    """
    rows = np.arange(batch) % len(split)
    signal = torch.tensor(split.signals_uv[rows], device=device)
    images = (read_images(split.images, rows, device),) if predictor.stored_images else ()
    predictor.to(device).eval()
    seconds: list[float] = []
    with torch.inference_mode():
        predictor(millivolts(signal), *images).sum().item()
        while len(seconds) < FEWEST or (len(seconds) < MOST and sum(seconds) < ENOUGH_S):
            started = clock()
            predictor(millivolts(signal), *images).sigmoid().sum().item()  # waits for the device
            seconds.append(clock() - started)
    return np.array(seconds)


def cost_lines(table: pd.DataFrame) -> list[str]:
    """Write the section of the detailed report."""
    where = f"Latency on {table['Latency_Device'].iloc[0]} with {table['Latency_Threads'].iloc[0]} thread(s) of PyTorch."
    lines = ["COST", *textwrap.wrap(f"{RULES} {where}", WIDTH), ""]
    width = max(12, int(table["Model"].str.len().max()) + 2)
    lines.append(
        f"{'':<{width}}{'parameters':>11}{'million MACs':>14}{'  ms, 1 record':<26}{'  ms, 64 records':<26}{'training s':>11}{'seeds':>6}"
    )
    for row in table.to_dict("records"):
        cells = [
            f"  {row[f'Latency_ms_batch_{n}']:.4g} [{row[f'Latency_ms_batch_{n}_q25']:.4g}, {row[f'Latency_ms_batch_{n}_q75']:.4g}]"
            for n in BATCHES
        ]
        size = f"{row['Parameters']:>11,}{row['MACs_per_record'] / 1e6:>14,.1f}"
        lines.append(f"{row['Model']:<{width}}{size}{cells[0]:<26}{cells[1]:<26}{row['Training_s']:>11.0f}{row['Seeds']:>6}")
    epochs = ", ".join(f"{row.Model} {count(row.Epochs_mean)}" for row in table.itertuples())
    return [*lines, "", *textwrap.wrap(f"Epochs trained, mean over seeds: {epochs}", WIDTH)]


def _row(candidate: Candidate, data: PreparedData, device: str) -> dict[str, object]:
    saved = candidate.seeds[0]
    predictor = build_predictor(load_saved(candidate.files[0]))
    inputs, macs = _macs(saved, predictor, data)
    row: dict[str, object] = {"Model": candidate.name, "Family": saved.config.family, "Input": inputs}
    row |= {"Parameters": saved.n_parameters, "MACs_per_record": macs}
    for batch in BATCHES:
        milliseconds = 1000 * latency_s(predictor, data.validation, device=device, batch=batch)
        low, median, high = np.percentile(milliseconds, [25, 50, 75])
        name = f"Latency_ms_batch_{batch}"
        row |= {name: median, f"{name}_q25": low, f"{name}_q75": high, f"{name}_passes": len(milliseconds)}
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    row |= {"Latency_Device": name, "Latency_Threads": torch.get_num_threads()}
    seconds = [seed.seconds for seed in candidate.seeds]
    row |= {"Seeds": len(seconds), "Training_s": sum(seconds), "Training_s_per_seed": float(np.mean(seconds))}
    return row | {"Epochs_mean": float(np.mean([seed.epochs for seed in candidate.seeds]))}


def _macs(saved: SavedModel, predictor: Predictor, data: PreparedData) -> tuple[str, int]:
    """Describe the network's input, and count the MACs of one record."""
    n_leads, n_classes = len(data.leads), len(data.class_names)
    size = cost(saved.config, n_leads=n_leads, n_samples=data.n_samples, sampling_rate_hz=data.sampling_rate_hz, n_classes=n_classes)
    crops = evaluation_crops(torch.zeros(1, data.n_samples, n_leads), predictor.length).shape[1]
    return f"{crops} x ({size.inputs})" if crops > 1 else size.inputs, size.macs * crops
