"""Time the statistics of an evaluation: every metric of every model, resampled, compared and calibrated.

    python benchmarks/evaluation.py [--records 3000] [--models 6] [--seeds 1] [--resamples 1000] [--json]

MADE-UP predictions; networks and figures are not in it. The target is 60 s on 2 cores for the defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.evaluation.metrics import ECGMetrics, mean_metrics
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.evaluation.statistics.bootstrap import intervals, mean_over_seeds, patient_weights
from analysis.evaluation.statistics.calibration_table import calibration_table
from analysis.evaluation.statistics.decision import decision_table
from analysis.evaluation.statistics.paired_tests import ComparedModel, paired_table
from analysis.evaluation.statistics.subgroups import subgroup_table
from analysis.retraining.ensemble import best_members
from analysis.retraining.platt import platt_parameters
from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import Array, f1_thresholds

PREVALENCE = (0.44, 0.25, 0.24, 0.23, 0.12)
T = TypeVar("T")


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        """Do the work and add its time to the stage."""
        started = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
        return result


def made_up_split(name: str, n_records: int, rng: np.random.Generator) -> Split:
    """Make a split without signals."""
    labels = (rng.random((n_records, 5)) < PREVALENCE).astype(np.uint8)
    records = {"patient_id": np.sort(rng.integers(0, int(n_records * 0.88), n_records)), "sex": rng.integers(0, 2, n_records)}
    records |= {"age": rng.integers(20, 90, n_records).astype(float), "device": rng.choice(["A", "B", "C"], n_records)}
    records |= {"site": rng.integers(0, 8, n_records), "flags": rng.integers(0, 2, n_records), "ecg_id": np.arange(n_records)}
    return Split(name, np.zeros((n_records, 1, 1), np.int16), labels, records)


def made_up_predictions(validation: Split, test: Split, rng: np.random.Generator) -> SeedPredictions:
    """Return one model file's predictions, fitted on validation as an evaluation does."""
    validation_p, test_p = (1 / (1 + np.exp(1 - 2.2 * split.labels - rng.normal(size=split.labels.shape))) for split in (validation, test))
    thresholds = f1_thresholds(validation.labels, validation_p), sensitivity_thresholds(validation.labels, validation_p)
    return SeedPredictions(0, 0.9, validation_p, test_p, *thresholds, platt_parameters(validation.labels, validation_p))


def run(n_records: int, n_models: int, n_seeds: int, n_resamples: int) -> dict[str, float]:
    """Return the seconds of each stage."""
    rng, clock = np.random.default_rng(0), Clock()
    validation, test = (made_up_split(name, n_records, rng) for name in ("validation", "test"))
    models = {
        f"Model{i}": ModelPredictions(f"Model{i}", tuple(made_up_predictions(validation, test, rng) for _ in range(n_seeds)))
        for i in range(n_models)
    }
    labels, patients = test.labels, test.records["patient_id"]
    on_validation = {f"{name} {seed}": one.validation for name, model in models.items() for seed, one in enumerate(model.seeds)}
    clock("ensemble", lambda: best_members(validation.labels, on_validation))
    weights = clock("drawing patients", lambda: patient_weights(patients, n_resamples=n_resamples))
    pairs = {}
    for name, model in models.items():
        metrics = [ECGMetrics(CLASS_NAMES, r.thresholds).calculate_metrics(labels, r.probabilities) for r in model.at_f1_thresholds]
        resamples = clock("metrics and intervals", lambda m=model: mean_over_seeds(labels, m.at_f1_thresholds, weights))  # type: ignore[misc]
        clock("metrics and intervals", lambda r=resamples: intervals(labels, r, class_names=CLASS_NAMES))  # type: ignore[misc]
        for runs in (model.at_half, model.at_sensitivity_thresholds):
            other: dict[str, Array] = clock(
                "metrics and intervals",
                lambda r=runs, k=resamples: mean_over_seeds(labels, r, weights, known_ranks=k),  # type: ignore[misc]
            )
            clock("metrics and intervals", lambda o=other: intervals(labels, o, class_names=CLASS_NAMES))  # type: ignore[misc]
        pairs[name] = ComparedModel(model.at_f1_thresholds, model.chosen, resamples, mean_metrics(metrics))
    first = next(iter(models.values()))
    clock("pairs", lambda: paired_table(labels, patients, pairs, class_names=CLASS_NAMES))
    clock("calibration", lambda: calibration_table(labels, patients, models, weights, class_names=CLASS_NAMES))
    clock("decision curves", lambda: decision_table(labels, first, weights, class_names=CLASS_NAMES))
    clock("subgroups", lambda: subgroup_table(test, [seed.test for seed in first.seeds], weights, class_names=CLASS_NAMES))
    return clock.seconds


def main() -> None:
    """Print one line a stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("records", 3000), ("models", 6), ("seeds", 1), ("resamples", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with threadpool_limits(2):
        busy = time.process_time()
        seconds = run(arguments.records, arguments.models, arguments.seeds, arguments.resamples)
        busy = time.process_time() - busy
    total = sum(seconds.values())
    if arguments.json:
        print(json.dumps({**vars(arguments), "cores": os.cpu_count(), "seconds": seconds, "total_s": total, "cpu_s": busy}))
        return
    for stage, value in seconds.items():
        print(f"{stage:<24}{value:>8.1f} s")
    print(f"{'together':<24}{total:>8.1f} s, {busy:.1f} s of processor time; at most 2 cores")


if __name__ == "__main__":
    main()
