"""Change a healthy beat and rhythm as each SCP statement does, by severity.

A severity of 1 is a textbook case, 0.3 is easily overlooked, 0 changes nothing. Every record, normal ones too, also gets small
unlabelled changes, so that no signal gives its labels away perfectly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ecg_tune.data.synthetic.beats import widen
from ecg_tune.data.synthetic.dipole import WAVES, Beat, Rhythm
from ecg_tune.data.synthetic.statements import STATEMENTS, diagnoses

Vector = tuple[float, float, float]

P1, P2, Q, R, S, LATE, ST, T1, T2, SPIKE = range(len(WAVES))

SEVERITY_MEDIAN, SEVERITY_SPREAD = 0.66, 0.42
HIDDEN_SEVERITY = 0.22
LIKELIHOOD_FACTORS = {100.0: 1.0, 80.0: 0.9, 50.0: 0.75, 35.0: 0.65, 15.0: 0.55, 0.0: 0.9}


def draw_severities(codes: Mapping[str, float], rng: np.random.Generator) -> dict[str, float]:
    """Draw a severity for each diagnostic statement, and one small unlabelled change of every superclass.

    Args:
        codes: Statement → likelihood in percent; an unlikely statement is milder on average.

    Returns:
        Statement → severity, log-normal, at most 1.6.
    """
    severities: dict[str, float] = {}
    for superclass in ("MI", "STTC", "CD", "HYP"):
        shares = diagnoses(superclass)
        hidden = str(rng.choice(list(shares), p=list(shares.values())))
        severities[hidden] = abs(rng.normal(0, HIDDEN_SEVERITY))
    for code, likelihood in codes.items():
        if code in EFFECTS and "diagnostic" in STATEMENTS[code].kinds:
            severity = SEVERITY_MEDIAN * np.exp(rng.normal(0, SEVERITY_SPREAD)) * LIKELIHOOD_FACTORS[likelihood]
            severities[code] = float(min(severity, 1.6))
    return severities


def diseased_beat(beat: Beat, severities: Mapping[str, float]) -> Beat:
    """Apply each statement's effect to a beat, in the order of `EFFECTS`: voltage, conduction, scar, repolarisation."""
    for code, effect in EFFECTS.items():
        if code in severities:
            beat = effect(beat, severities[code])
    return beat


def draw_rhythm(codes: Iterable[str], rng: np.random.Generator) -> Rhythm:
    """Draw a rhythm that fits the rhythm statements among `codes`; without one, sinus rhythm at 60 to 98 per minute."""
    codes = set(codes)
    slow, fast, fibrillation = "SBRAD" in codes, "STACH" in codes, "AFIB" in codes
    low, high = (44, 58) if slow else (101, 125) if fast else (60, 60) if "PACE" in codes else (60, 98)
    rate = rng.uniform(low, high) if slow or fast else float(np.clip(rng.normal(74 + 10 * fibrillation, 10), low, high + 0.01))
    return Rhythm(
        rate_bpm=float(rate),
        rr_sd=0.18 if fibrillation else 0.003 if "PACE" in codes else 0.015,
        respiration_hz=float(rng.uniform(0.18, 0.33)),
        arrhythmia=0.12 if "SARRH" in codes else 0.0 if fibrillation or "PACE" in codes else float(rng.uniform(0.005, 0.04)),
        fibrillation_mv=float(rng.uniform(0.03, 0.07)) if fibrillation else 0.0,
        ectopic_share=float(rng.uniform(0.12, 0.25)) if "PVC" in codes else 0.0,
    )


def _add(beat: Beat, severity: float, changes: Mapping[int, Vector]) -> Beat:
    """Add vectors (mV), times `severity`, to waves of a beat."""
    dipole = beat.dipole_mv.copy()
    for wave, vector in changes.items():
        dipole[wave] += severity * np.array(vector)
    return Beat(beat.centre_s, beat.width_s, dipole)


def _scale(beat: Beat, factors: Mapping[int, float]) -> Beat:
    dipole = beat.dipole_mv.copy()
    for wave, factor in factors.items():
        dipole[wave] *= factor
    return Beat(beat.centre_s, beat.width_s, dipole)


def _shift(beat: Beat, waves: list[int], seconds: float) -> Beat:
    centre = beat.centre_s.copy()
    centre[waves] += seconds
    return Beat(centre, beat.width_s, beat.dipole_mv)


def _blur_late(beat: Beat, seconds: float) -> Beat:
    """Make the last wave of QRS wider by `seconds` (one standard deviation)."""
    width = beat.width_s.copy()
    width[LATE] += seconds
    return Beat(beat.centre_s, width, beat.dipole_mv)


def _infarction(direction: Vector) -> Callable[[Beat, float], Beat]:
    """Make the effect of a scar that faces `direction`: in leads there Q waves, lost R, raised ST and inverted T."""
    x, y, z = direction
    q, st, t = -0.46, 0.085, -0.14
    changes = {Q: (q * x, q * y, q * z), R: (-0.25 * x, -0.25 * y, -0.25 * z), ST: (st * x, st * y, st * z), T2: (t * x, t * y, t * z)}

    def effect(beat: Beat, severity: float) -> Beat:
        dipole = beat.dipole_mv.copy()
        dipole[Q] *= max(0.0, 1 - 0.5 * severity)
        width = beat.width_s.copy()
        width[Q] *= 1 + 0.35 * severity
        return _add(Beat(beat.centre_s, width, dipole), severity, changes)

    return effect


def _ischaemia(direction: Vector, *, st: float, flat: float) -> Callable[[Beat, float], Beat]:
    """Make the effect of ischaemia of the wall that faces `direction`: ST falls by `st` mV there, T flattens, then inverts."""
    x, y, z = direction

    def effect(beat: Beat, severity: float) -> Beat:
        flatter = max(-0.5, 1 - flat * severity)
        return _add(_scale(beat, {T1: flatter, T2: flatter}), severity, {ST: (-st * x, -st * y, -st * z)})

    return effect


def _left_bundle(beat: Beat, severity: float) -> Beat:
    """Change a beat as a left bundle branch block does: no septal force, long slurred forces to the left and back, opposite ST and T."""
    wide = _blur_late(
        widen(_scale(beat, {Q: max(0.0, 1 - severity), R: 1 - 0.15 * min(severity, 1)}), 1 + 0.5 * severity), 0.012 * severity
    )
    depolarisation: dict[int, Vector] = {Q: (0.2, 0.0, 0.1), S: (0.45, 0.1, 0.3), LATE: (0.75, 0.15, 0.5)}
    repolarisation: dict[int, Vector] = {ST: (-0.12, -0.03, -0.15), T1: (-0.25, -0.08, -0.15), T2: (-0.3, -0.1, -0.15)}
    return _add(wide, severity, depolarisation | repolarisation)


def _right_bundle(extent: float) -> Callable[[Beat, float], Beat]:
    """Make the effect of a right bundle branch block: late forces to the right and front, QRS longer by the share `extent`."""

    def effect(beat: Beat, severity: float) -> Beat:
        wide = _blur_late(widen(beat, 1 + extent * severity), 0.02 * extent * severity)
        return _add(
            wide,
            severity * (0.3 + 2.5 * extent),
            {LATE: (-0.45, 0.0, -0.58), T1: (0.0, 0.0, 0.06), T2: (0.02, 0.0, 0.12), S: (0.0, 0.0, -0.3)},
        )

    return effect


def _fascicle(y: float) -> Callable[[Beat, float], Beat]:
    """Make the effect of a fascicular block: early forces along -y, late forces along y; the axis turns with them."""

    def effect(beat: Beat, severity: float) -> Beat:
        changes: dict[int, Vector] = {Q: (0.05, -0.25 * y, 0.0), R: (0.0, 0.75 * y, 0.0), S: (-0.1 * y * y, 0.65 * y, 0.0)}
        return _add(widen(beat, 1 + 0.08 * severity), severity, changes)

    return effect


def _left_hypertrophy(beat: Beat, severity: float) -> Beat:
    larger = _scale(widen(beat, 1 + 0.06 * severity), {R: 1 + 0.7 * severity, S: 1 + 1.0 * severity, Q: 1 + 0.15 * severity})
    return _add(larger, severity, {ST: (-0.07, -0.05, -0.04), T1: (-0.08, -0.06, 0.0), T2: (-0.15, -0.10, -0.04)})


def _right_hypertrophy(beat: Beat, severity: float) -> Beat:
    changes: dict[int, Vector] = {R: (-0.8, 0.15, -0.5), S: (-0.4, 0.0, -0.55), P1: (0.0, 0.08, -0.03), T2: (0.05, -0.03, 0.15)}
    return _add(beat, severity, changes)


def _left_atrium(beat: Beat, severity: float) -> Beat:
    return _shift(_add(beat, severity, {P2: (0.09, 0.06, 0.14)}), [P2], 0.025 * severity)


EFFECTS: dict[str, Callable[[Beat, float], Beat]] = {
    "LVH": _left_hypertrophy,
    "RVH": _right_hypertrophy,
    "LAO/LAE": _left_atrium,
    "IVCD": lambda beat, severity: widen(beat, 1 + 0.45 * severity),
    "IRBBB": _right_bundle(0.2),
    "CRBBB": _right_bundle(0.45),
    "CLBBB": _left_bundle,
    "LAFB": _fascicle(-1.0),
    "LPFB": _fascicle(0.8),
    "1AVB": lambda beat, severity: _shift(beat, [P1, P2], -0.07 * severity),
    "PACE": lambda beat, severity: _add(_left_bundle(_scale(beat, {P1: 0.2, P2: 0.2}), severity), severity, {SPIKE: (0.9, 1.2, 0.0)}),
    "IMI": _infarction((0.0, 1.0, 0.05)),
    "ASMI": _infarction((0.1, 0.0, -1.1)),
    "AMI": _infarction((0.4, 0.0, -1.0)),
    "LMI": _infarction((1.1, -0.2, 0.2)),
    "ALMI": _infarction((0.8, -0.1, -0.8)),
    "ILMI": _infarction((0.7, 0.9, 0.1)),
    "NDT": _ischaemia((0.6, 0.4, -0.2), st=0.03, flat=1.0),
    "NST_": _ischaemia((0.7, 0.5, -0.3), st=0.13, flat=0.5),
    "ISC_": _ischaemia((0.7, 0.4, -0.6), st=0.12, flat=1.1),
    "ISCAL": _ischaemia((0.9, 0.0, -0.8), st=0.12, flat=1.2),
    "ISCIN": _ischaemia((0.1, 1.0, 0.0), st=0.12, flat=0.9),
    "DIG": _ischaemia((0.9, 0.5, -0.4), st=0.18, flat=0.5),
    "LNGQT": lambda beat, severity: _shift(_scale(beat, {T1: 1 - 0.2 * severity}), [T1, T2], 0.06 * severity),
}
