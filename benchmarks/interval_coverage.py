"""Check that intervals hold the truth as often as they promise, and paired tests err as rarely, on simulated test splits.

    python benchmarks/interval_coverage.py [--sets 1000] [--patients 150] [--resamples 1000] [--seed 0] [--json]

Five classes, 1 to 4 records a patient; a patient's labels are alike and so are a model's errors on a patient. The true AUC and F1
have a closed form (binormal model, fixed thresholds), so that coverage is a count. Two models of equal quality, whose errors are
independent, give the tests' type-I error. Beside each method stands the same one with every record treated as a patient.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analysis.evaluation.metrics import ECGMetrics
from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, intervals, mean_over_seeds, patient_weights
from analysis.evaluation.statistics.paired_tests import ComparedModel, paired_table

NAMES = ("NORM", "MI", "STTC", "CD", "HYP")
PREVALENCE = np.array([0.44, 0.25, 0.24, 0.23, 0.12])  # about PTB-XL's
DISTANCE = np.array([2.2, 1.9, 1.9, 1.7, 1.5])  # between the means of ill and well, on the logit
HABIT, NOISE = 0.8, 0.6  # a model's error on a patient, and on a record; standard deviations
ALIKE = 0.8  # correlation of a patient's labels, before they are cut to yes and no
CUT = 0.9  # the threshold's place on the logit


@dataclass(frozen=True)
class Simulated:
    """A test split and the predictions of two models of equal quality.

    Attributes:
        labels: (n_records, n_classes).
        probabilities: (2, n_records, n_classes).
        patients: (n_records,).
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float64]
    patients: NDArray[np.intp]


def simulate(rng: np.random.Generator, n_patients: int) -> Simulated:
    """Draw a test split."""
    patients = np.repeat(np.arange(n_patients), rng.integers(1, 5, n_patients))
    shape = (n_patients, len(NAMES))
    own, between = rng.normal(size=(len(patients), len(NAMES))), rng.normal(size=shape)[patients]
    labels = (np.sqrt(ALIKE) * between + np.sqrt(1 - ALIKE) * own > norm.isf(PREVALENCE)).astype(np.uint8)
    habit = HABIT * rng.normal(size=(2, *shape))[:, patients]
    scores = DISTANCE * labels + habit + NOISE * rng.normal(size=(2, *own.shape))
    return Simulated(labels, 1 / (1 + np.exp(-scores)), patients)


def truth() -> dict[str, float]:
    """Return the macro AUC and F1 of infinitely many patients."""
    sd = np.hypot(HABIT, NOISE)
    hits, alarms = norm.sf((CUT - DISTANCE) / sd), norm.sf(CUT / sd)
    positive = PREVALENCE * hits
    f1 = 2 * positive / (positive + (1 - PREVALENCE) * alarms + PREVALENCE)
    return {"auc_roc": float(norm.cdf(DISTANCE / (np.sqrt(2) * sd)).mean()), "f1_score": float(f1.mean())}


def one_set(rng: np.random.Generator, n_patients: int, n_resamples: int, true: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Yield (method, 1 or 0): whether an interval holds the truth, whether a test finds a difference that does not exist."""
    simulated = simulate(rng, n_patients)
    cut = np.full(len(NAMES), 1 / (1 + np.exp(-CUT)))
    seed = int(rng.integers(2**31))
    for unit, patients in (("patients", simulated.patients), ("records", np.arange(len(simulated.patients)))):
        weights = patient_weights(patients, n_resamples=n_resamples, seed=seed)
        models = {}
        for name, probabilities in zip("AB", simulated.probabilities, strict=True):
            runs = [ThresholdedPredictions(probabilities, cut)]
            resamples = mean_over_seeds(simulated.labels, runs, weights)
            values = ECGMetrics(NAMES, cut).calculate_metrics(simulated.labels, probabilities)
            models[name] = ComparedModel(runs, 0, resamples, values)
        bounds = intervals(simulated.labels, models["A"].resamples, class_names=NAMES)["macro_avg"]
        for metric, value in true.items():
            yield f"interval of macro {metric}, {unit}", float(bounds[metric].low <= value <= bounds[metric].high)
        table = paired_table(simulated.labels, patients, models, class_names=NAMES)
        for row in table[table["P"].notna()].to_dict("records"):
            yield f"{row['Test']}: {row['Quantity']}, {unit}", float(row["P"] < 0.05)


def main() -> None:
    """Print one line a method: the share, and its 95 % simulation error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--patients", type=int, default=150)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rng, true = np.random.default_rng(arguments.seed), truth()
    counts: dict[str, list[float]] = defaultdict(list)
    for _ in range(arguments.sets):
        single: dict[str, list[float]] = defaultdict(list)
        for what, value in one_set(rng, arguments.patients, arguments.resamples, true):
            single[what].append(value)
        for what, values in single.items():
            counts[what].append(float(np.mean(values)))  # classes of one set are one observation
    rows: list[dict[str, Any]] = []
    for what, values in counts.items():
        reach = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
        rows.append({"what": what, "share": float(np.mean(values)), "simulation_error": float(reach), "sets": len(values)})
    if arguments.json:
        print(json.dumps({**vars(arguments), "true": true, "rows": rows}))
        return
    print(f"{arguments.sets} test splits of {arguments.patients} patients, {arguments.resamples} resamples; truth {true}")
    for row in rows:
        print(f"{row['what']:<64}{row['share']:>8.3f} ± {row['simulation_error']:.3f}")


if __name__ == "__main__":
    main()
