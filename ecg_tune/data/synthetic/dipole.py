"""Render a 12-lead ECG from a moving heart dipole.

Each wave of a beat is a Gaussian in time with a fixed 3-D direction (McSharry et al., 2003, made three-dimensional as in
Sameni et al., 2007). The dipole is seen by eight leads through Dower's matrix (Dower et al., 1980). Noise enters at the nine
electrodes, so limb leads stay consistent: III, AVR, AVL and AVF follow from I and II before rounding.

Axes: x to the left, y towards the feet, z to the back. Not a simulation of the heart: directions and widths are random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import LEAD_NAMES
from ecg_tune.errors import ConfigError

Array = NDArray[np.float64]

SAMPLING_RATE_HZ, N_SAMPLES = 100, 1000
WAVES = ("P1", "P2", "Q", "R", "S", "LATE", "ST", "T1", "T2", "SPIKE")
ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")
REPOLARISATION = [WAVES.index(name) for name in ("ST", "T1", "T2")]
ATRIAL = [WAVES.index(name) for name in ("P1", "P2")]

DOWER = np.array(
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1
        [0.044, 0.164, -1.387],  # V2
        [0.882, 0.098, -1.277],  # V3
        [1.213, 0.127, -0.601],  # V4
        [1.125, 0.127, -0.086],  # V5
        [0.831, 0.076, 0.230],  # V6
    ]
)
ELECTRODES_TO_LEADS = np.zeros((8, 9))
ELECTRODES_TO_LEADS[:2, :3] = [[-1, 1, 0], [-1, 0, 1]]  # I = LA - RA, II = LL - RA
ELECTRODES_TO_LEADS[2:, :3] = -1 / 3  # chest leads are measured against the mean of the limbs (Wilson, 1934)
ELECTRODES_TO_LEADS[2:, 3:] = np.eye(6)
EIGHT_TO_TWELVE = np.zeros((12, 8))
EIGHT_TO_TWELVE[:2, :2] = np.eye(2)
EIGHT_TO_TWELVE[2:6, :2] = [[-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]]  # III, AVR, AVL, AVF (Einthoven, Goldberger)
EIGHT_TO_TWELVE[6:, 2:] = np.eye(6)


@dataclass(frozen=True)
class Beat:
    """The waves of one beat, in the order of `WAVES`.

    Attributes:
        centre_s: (n_waves,) seconds from the R peak, at a heart rate of 60 per minute.
        width_s: (n_waves,) standard deviations of the Gaussians, seconds.
        dipole_mv: (n_waves, 3) peak dipole along x, y, z, millivolts.
    """

    centre_s: Array
    width_s: Array
    dipole_mv: Array

    def __post_init__(self) -> None:
        if not (self.width_s > 0).all() or not np.isfinite(self.dipole_mv).all():
            raise ConfigError(f"a beat needs positive widths and finite dipoles, but got {self.width_s=} {self.dipole_mv=}")


@dataclass(frozen=True)
class Rhythm:
    """The rhythm of a record: heart rate, its variation, fibrillation and early beats.

    Attributes:
        rate_bpm: Mean heart rate, beats per minute.
        rr_sd: Standard deviation of the beat interval, relative to its mean.
        respiration_hz: Rate of breathing, which sways the interval, the voltage and the baseline.
        arrhythmia: Relative sway of the interval with breathing.
        fibrillation_mv: Amplitude of atrial flicker waves; above 0 no P wave is drawn.
        ectopic_share: Probability that a beat is an early ventricular one.
    """

    rate_bpm: float = 70.0
    rr_sd: float = 0.02
    respiration_hz: float = 0.25
    arrhythmia: float = 0.02
    fibrillation_mv: float = 0.0
    ectopic_share: float = 0.0

    def __post_init__(self) -> None:
        if not 20 <= self.rate_bpm <= 250:
            raise ConfigError(f"rate_bpm must be 20..250, but got {self.rate_bpm!r}")


@dataclass(frozen=True)
class Noise:
    """Disturbances in microvolts, one value an electrode in the order of `ELECTRODES`.

    Attributes:
        muscle_uv, mains_uv, wander_uv: (9,) standard deviation, amplitude, amplitude.
        burst: (start_s, length_s, sd_uv) of a stretch of strong muscle noise at every electrode; None for none.
        loose: Index into `LEAD_NAMES` of a chest lead that shows a constant zero; None for none.
    """

    muscle_uv: Array
    mains_uv: Array
    wander_uv: Array
    burst: tuple[float, float, float] | None = None
    loose: int | None = None

    def __post_init__(self) -> None:
        if self.loose is not None and not 6 <= self.loose < len(LEAD_NAMES):
            raise ConfigError(f"only a chest lead can be loose (index 6..11 of {LEAD_NAMES}), but got loose={self.loose!r}")


@dataclass(frozen=True)
class DipoleParameters:
    """Everything that one record's signal is made from, except its random stream."""

    beat: Beat
    rhythm: Rhythm
    noise: Noise


def render(parameters: DipoleParameters, rng: np.random.Generator) -> NDArray[np.int16]:
    """Make one record of 10 s at 100 Hz.

    Einthoven's law I + III = II holds within 2 microvolts, the effect of rounding.

    Returns:
        (1000, 12) int16 microvolts, leads in the order of `LEAD_NAMES`.
    """
    dipole_mv = _dipole(parameters.beat, parameters.rhythm, rng)
    electrodes_uv = _electrode_noise(parameters.noise, parameters.rhythm.respiration_hz, rng)
    eight_uv = 1000 * dipole_mv @ DOWER.T + electrodes_uv @ ELECTRODES_TO_LEADS.T
    twelve_uv = eight_uv @ EIGHT_TO_TWELVE.T
    if parameters.noise.loose is not None:
        twelve_uv[:, parameters.noise.loose] = 0
    signal: NDArray[np.int16] = np.rint(np.clip(twelve_uv, -9500, 9500)).astype(np.int16)
    return signal


def frontal_axis_deg(beat: Beat) -> float:
    """Compute the electrical axis of QRS in the frontal plane from its net areas in leads I and AVF.

    Returns:
        -180..180 degrees; 0 is left, 90 towards the feet.
    """
    qrs = slice(WAVES.index("Q"), WAVES.index("ST"))
    area = (beat.dipole_mv[qrs] * beat.width_s[qrs, None]).sum(0)
    lead_i, lead_ii = DOWER[:2] @ area
    return float(np.degrees(np.arctan2((lead_ii - lead_i / 2) * 2 / np.sqrt(3), lead_i)))


def _dipole(beat: Beat, rhythm: Rhythm, rng: np.random.Generator) -> Array:
    """Add up the waves of all beats to the heart's dipole; (n_samples, 3) millivolts."""
    times, intervals, ectopic = _beats(rhythm, rng)
    n_beats = times.size
    centre = np.tile(beat.centre_s, (n_beats, 1))
    width = np.tile(beat.width_s, (n_beats, 1))
    dipole = np.tile(beat.dipole_mv, (n_beats, 1, 1))
    stretch = np.sqrt(intervals)[:, None]  # QT grows with the root of the interval (Bazett, 1920)
    centre[:, REPOLARISATION] *= stretch
    width[:, REPOLARISATION] *= stretch
    voltage = 1 + 0.04 * np.sin(2 * np.pi * rhythm.respiration_hz * times) + rng.normal(0, 0.01, n_beats)
    dipole *= voltage[:, None, None]
    if rhythm.fibrillation_mv > 0:
        dipole[:, ATRIAL] = 0
    _make_ectopic(centre, width, dipole, ectopic)
    seconds = np.arange(N_SAMPLES) / SAMPLING_RATE_HZ
    moments = (times[:, None] + centre).ravel()
    shapes = np.exp(-0.5 * ((seconds - moments[:, None]) / width.ravel()[:, None]) ** 2)  # (beats * waves, samples)
    total: Array = shapes.T @ dipole.reshape(-1, 3)
    return total + _flicker(rhythm.fibrillation_mv, seconds, rng)


def _beats(rhythm: Rhythm, rng: np.random.Generator) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Draw the beats of a record, with some before its start and after its end.

    Returns:
        (n_beats,) each: R-peak times in seconds, the interval before each in seconds, and which beats are ectopic.
    """
    mean_s = 60 / rhythm.rate_bpm
    n_beats = int(14 / mean_s / max(1 - 2.5 * rhythm.rr_sd, 0.4)) + 2
    phase = 2 * np.pi * (rhythm.respiration_hz * mean_s * np.arange(n_beats) + rng.random())
    relative = 1 + rhythm.arrhythmia * np.sin(phase) + rng.normal(0, rhythm.rr_sd, n_beats)
    intervals = mean_s * np.clip(relative, 0.5, 1.8)
    ectopic = rng.random(n_beats) < rhythm.ectopic_share
    ectopic[1:] &= ~ectopic[:-1]
    early = np.where(ectopic, 0.65, 1.0)
    early[1:] += 0.35 * ectopic[:-1]  # the pause that follows makes up for the early beat
    times = np.cumsum(intervals * early) - 1.5 - rng.random() * mean_s
    inside = (times > -1.0) & (times < 11.0)
    return times[inside], intervals[inside], ectopic[inside]


def _make_ectopic(centre: Array, width: Array, dipole: Array, ectopic: NDArray[np.bool_]) -> None:
    """Turn the beats marked in `ectopic` (n_beats,) into wide ventricular ones, in place: no P, opposite T."""
    r, late, t1, t2 = (WAVES.index(name) for name in ("R", "LATE", "T1", "T2"))
    dipole[ectopic] = 0
    dipole[ectopic, r] = (-0.5, 0.9, 0.7)
    dipole[ectopic, late] = (-0.3, 0.5, 0.7)
    dipole[ectopic, t1] = (0.2, -0.3, -0.35)
    dipole[ectopic, t2] = (0.1, -0.2, -0.2)
    centre[ectopic, late] = 0.06
    width[ectopic, r] = width[ectopic, late] = 0.03


def _flicker(amplitude_mv: float, seconds: Array, rng: np.random.Generator) -> Array:
    """Make the atrial waves of fibrillation from three drifting tones of 4 to 8 per second; (n_samples, 3) millivolts."""
    if amplitude_mv <= 0:
        return np.zeros((seconds.size, 3))
    rates_hz, phases = rng.uniform(4, 8, 3), rng.uniform(0, 2 * np.pi, 3)
    drift = 0.15 * np.sin(2 * np.pi * 0.7 * seconds[:, None] + phases)
    tones = np.sin(2 * np.pi * (seconds[:, None] * rates_hz + drift) + phases).sum(axis=1)
    flicker: Array = amplitude_mv * tones[:, None] * np.array([0.2, 0.5, -0.5])
    return flicker


def _electrode_noise(noise: Noise, respiration_hz: float, rng: np.random.Generator) -> Array:
    """Make the noise at each electrode: muscle, mains and baseline wander; (n_samples, 9) microvolts."""
    seconds = np.arange(N_SAMPLES) / SAMPLING_RATE_HZ
    white = rng.standard_normal((N_SAMPLES + 1, len(ELECTRODES)))
    muscle_sd = np.tile(noise.muscle_uv, (N_SAMPLES, 1))
    if noise.burst is not None:
        start_s, length_s, sd_uv = noise.burst
        muscle_sd += sd_uv * np.exp(-0.5 * ((seconds - start_s) / (length_s / 2)) ** 2)[:, None]
    muscle = muscle_sd * (0.8 * white[1:] - 0.6 * white[:-1])
    tones = np.array([respiration_hz, 0.05 + 0.08 * rng.random()])
    phases = rng.random((len(ELECTRODES), 2)) * 0.25 + rng.random(2)  # breathing moves all electrodes nearly together
    wander = np.sin(2 * np.pi * (seconds[:, None, None] * tones + phases)) @ np.array([0.7, 0.6])
    hum = np.sin(2 * np.pi * (49.7 + 0.25 * rng.random()) * seconds + 2 * np.pi * rng.random())
    total: Array = muscle + wander * noise.wander_uv + hum[:, None] * noise.mains_uv
    return total
