"""Draw a healthy beat; people differ in axis, voltage, widths and intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.synthetic.dipole import ATRIAL, REPOLARISATION, WAVES, Beat

Array = NDArray[np.float64]

Q, S, ST = (WAVES.index(name) for name in ("Q", "S", "ST"))
QRS = [WAVES.index(name) for name in ("Q", "R", "S", "LATE")]

TYPICAL = {  # wave: centre s, width s, dipole mV along x (left), y (feet), z (back)
    "P1": (-0.165, 0.018, (0.03, 0.08, -0.04)),
    "P2": (-0.130, 0.018, (0.05, 0.05, 0.03)),
    "Q": (-0.027, 0.009, (-0.13, -0.06, -0.38)),
    "R": (0.000, 0.012, (1.22, 0.64, 0.05)),
    "S": (0.029, 0.011, (-0.17, -0.04, 0.80)),
    "LATE": (0.052, 0.010, (0.0, 0.0, 0.0)),
    "ST": (0.110, 0.035, (0.03, 0.03, -0.05)),
    "T1": (0.225, 0.050, (0.14, 0.11, -0.11)),
    "T2": (0.275, 0.034, (0.20, 0.15, -0.15)),
    "SPIKE": (-0.075, 0.004, (0.0, 0.0, 0.0)),
}


def normal_beat(*, sex: int, age: int, patient: np.random.Generator, record: np.random.Generator) -> Beat:
    """Draw a healthy beat. Axis, voltages and widths vary between patients, and a little between a patient's records.

    Args:
        sex: 0 male, 1 female (lower voltage, flatter ST).
        age: Years; the axis turns left with age.
        patient: Random stream of the patient, the same for all records.
        record: Random stream of the record.
    """
    centre = np.array([TYPICAL[name][0] for name in WAVES])
    width = np.array([TYPICAL[name][1] for name in WAVES])
    dipole = np.array([TYPICAL[name][2] for name in WAVES])
    voltage = np.exp(patient.normal(0, 0.19)) * (0.9 if sex else 1.05)
    dipole[QRS] *= voltage * np.exp(patient.normal(0, 0.14, (len(QRS), 1)))
    dipole[REPOLARISATION] *= np.exp(patient.normal(-0.05, 0.25) + record.normal(0, 0.12))
    dipole[ATRIAL] *= np.exp(patient.normal(0, 0.2, (2, 1)))
    dipole[ST] *= 0.7 if sex else 1.1
    dipole += patient.normal(0, 0.12, dipole.shape) * np.linalg.norm(dipole, axis=1, keepdims=True)
    tilt = patient.normal(0, 17) - 0.25 * (min(age, 90) - 50)
    turn = patient.normal(0, 11)
    dipole[QRS] = dipole[QRS] @ _rotation(tilt, turn).T
    dipole[REPOLARISATION] = dipole[REPOLARISATION] @ _rotation(0.5 * tilt + patient.normal(0, 8), 0.5 * turn + patient.normal(0, 10)).T
    beat = widen(Beat(centre, width, dipole), np.exp(patient.normal(0, 0.07)))
    centre, width, dipole = beat.centre_s.copy(), beat.width_s.copy(), beat.dipole_mv.copy()
    centre[ATRIAL] -= np.clip(patient.normal(0, 0.016), -0.03, 0.045)
    centre[REPOLARISATION] *= np.exp(patient.normal(0, 0.05) + record.normal(0, 0.015))
    return Beat(centre, width, dipole)


def widen(beat: Beat, factor: float) -> Beat:
    """Make the QRS `factor` times as long; ST and T come later by half of the added time."""
    centre, width = beat.centre_s.copy(), beat.width_s.copy()
    onset = centre[Q] - 2 * width[Q]
    gain = (factor - 1) * (centre[S] - onset)
    centre[QRS] = onset + factor * (centre[QRS] - onset)
    width[QRS] *= factor
    centre[REPOLARISATION] += 0.5 * gain
    return Beat(centre, width, beat.dipole_mv)


def _rotation(tilt_deg: float, turn_deg: float) -> Array:
    """Build the (3, 3) matrix that turns in the horizontal plane, then tilts in the frontal one (positive towards the feet)."""
    a, b = np.radians([tilt_deg, turn_deg])
    frontal = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    horizontal = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    return np.asarray(frontal @ horizontal)
