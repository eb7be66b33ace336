"""Check that the interval of the expected calibration error holds the truth as often as it promises, on simulated test splits.

    python benchmarks/ece_coverage.py [--sets 1000] [--resamples 500] [--seed 0] [--json]

A model states a logit; the true one is slope x stated + shift + a wave. 1 to 3 records a patient, alike in logit and in label. The
true ECE is that of 150,000 patients. The last rows are the mean over five classes of the same patients, one well calibrated and
four not, each in its own way. "Narrow" is the interval before it is widened to hold the measured value, too.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.evaluation.statistics.calibration import calibration, estimates, mean_calibration, patient_signs, true_eces

MANY = 150_000


@dataclass(frozen=True)
class Fault:
    """How a class' probabilities depart from the truth, and the mean of the stated logit."""

    name: str
    slope: float = 1.0
    shift: float = 0.0
    wave: float = 0.0
    mean: float = -1.0


OVER = Fault("overconfident and too low", 0.7, 0.3)
ALONE = (
    OVER,
    Fault("slightly so", 0.85, 0.1),
    Fault("too low", shift=0.5),
    Fault("a wave", wave=0.6),
    Fault("overconfident, rare class", 0.7, 0.3, mean=-2.5),
    Fault("none"),
)
TOGETHER = (OVER, Fault("none"), Fault("too low", shift=0.5, mean=-1.5), Fault("", 0.5, mean=-0.5), Fault("", 0.8, 0.2, 0.3, -2.0))


def simulate(
    rng: np.random.Generator, n_patients: int, faults: tuple[Fault, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.intp]]:
    """Return labels and probabilities, (n_records, n_classes), and patients, (n_records,)."""
    patients = np.repeat(np.arange(n_patients), rng.integers(1, 4, n_patients))
    shape = (len(patients), len(faults))
    stated = 1.2 * rng.normal(size=(n_patients, len(faults)))[patients] + 0.8 * rng.normal(size=shape)
    stated += np.array([fault.mean for fault in faults])
    slope, shift, wave = (np.array([getattr(fault, name) for fault in faults]) for name in ("slope", "shift", "wave"))
    luck = np.where(rng.random(shape) < 0.5, rng.random((n_patients, len(faults)))[patients], rng.random(shape))
    return luck < expit(slope * stated + shift + wave * np.sin(2.5 * stated)), expit(stated), patients


def one_row(name: str, faults: tuple[Fault, ...], n_patients: int, sets: int, resamples: int, seed: int) -> dict[str, Any]:
    """Return the shares of test splits whose interval lies above, holds, and lies below the truth, and whose narrow one holds it."""
    labels, probabilities, _ = simulate(np.random.default_rng([seed, 0]), MANY, faults)
    once = np.ones((len(labels), 1))
    columns = range(len(faults))
    true = float(np.mean([calibration(labels[:, k], probabilities[:, k], once, once).values["ECE"] for k in columns]))
    above, below, narrow, width = 0, 0, 0, 0.0
    for number in range(1, sets + 1):
        labels, probabilities, patients = simulate(np.random.default_rng([seed, number]), n_patients, faults)
        once, signs = np.ones((len(labels), 1)), patient_signs(patients, n_resamples=resamples, seed=number)
        classes = [calibration(labels[:, k], probabilities[:, k], once, signs) for k in columns]
        _, low, high = estimates(found := mean_calibration(classes), patients)["ECE"]
        above, below, width = above + (true < low), below + (true > high), width + high - low
        narrow += low <= true <= true_eces(found)[1]
    covered = 1 - (above + below) / sets
    error = 1.96 * np.sqrt(covered * (1 - covered) / sets)
    row = {"what": name, "patients": n_patients, "true": true, "holds": covered, "simulation_error": float(error)}
    return {**row, "narrow_holds": narrow / sets, "too_high": above / sets, "too_low": below / sets, "width": width / sets}


def main() -> None:
    """Print one line a kind of miscalibration and number of patients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    plan = [(fault.name, (fault,), n) for fault in ALONE for n in (60, 300, 1000)]
    plan += [("mean over five classes", TOGETHER, n) for n in (60, 300, 1000)]
    rows = []
    if not arguments.json:
        print(f"{'miscalibration':<28}{'patients':>9}{'true ECE':>10}{'holds':>16}{'narrow':>9}{'too high':>10}{'too low':>9}{'width':>8}")
    for name, faults, n_patients in plan:
        rows.append(one_row(name, faults, n_patients, arguments.sets, arguments.resamples, arguments.seed))
        if not arguments.json:
            r = rows[-1]
            holds = f"{r['holds']:.3f} ± {r['simulation_error']:.3f}"
            line = f"{name:<28}{n_patients:>9}{r['true']:>10.3f}{holds:>16}{r['narrow_holds']:>9.3f}"
            line += f"{r['too_high']:>10.3f}{r['too_low']:>9.3f}{r['width']:>8.3f}"
            print(line, flush=True)
    if arguments.json:
        print(json.dumps({**vars(arguments), "rows": rows}))


if __name__ == "__main__":
    main()
