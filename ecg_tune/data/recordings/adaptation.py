"""Turn a recording into what a model takes, or say why it can't be: leads, units, length, sampling rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.ptbxl.quality import LARGEST_UV
from ecg_tune.data.recordings.leads import list_leads
from ecg_tune.data.recordings.recording import Recording
from ecg_tune.data.recordings.resampling import filter_length_s, resample
from ecg_tune.errors import DataError

LARGEST_MV, SMALLEST_MV = LARGEST_UV / 1000, 0.01
"""No sample of an ECG is larger, and no whole ECG has a smaller range: such a signal is in other units."""
SHORTEST_SHARE = 0.8
"""Of the model's length: what is shorter is refused, what is longer is padded."""


@dataclass(frozen=True)
class SignalFormat:
    """What a model takes.

    Attributes:
        leads: In this order.
        n_samples: Of a whole record.
    """

    leads: tuple[str, ...]
    sampling_rate_hz: int
    n_samples: int

    @property
    def duration_s(self) -> float:
        """Length of a record in seconds."""
        return self.n_samples / self.sampling_rate_hz


@dataclass(frozen=True, eq=False)
class AdaptedSignal:
    """A recording in the form that a model takes.

    Attributes:
        signal_mv: (n_samples, n_leads) float64, millivolts.
        notes: What was done to it, one sentence each.
    """

    signal_mv: NDArray[np.float64]
    notes: tuple[str, ...]


def adapt(recording: Recording, wanted: SignalFormat) -> AdaptedSignal:
    """Choose the model's leads by name, take its length from the start, resample, and pad at the end.

    A longer recording is cropped to its first seconds. One that lacks up to a fifth of the length is padded with its last
    sample. Leads and seconds that the model does not take are not examined.

    Raises:
        DataError: A lead is missing or constant, a sample is missing, the recording is too short, or the values can't be
            millivolts. The message names the recording and the remedy.

    Example:
        >>> import numpy as np
        >>> from ecg_tune.data.recordings.adaptation import SignalFormat
        >>> from ecg_tune.data.recordings.recording import Recording
        >>> time_s = np.arange(6000) / 500
        >>> beats = Recording(np.sin(7 * time_s)[:, None] * [1.0, 0.5], leads=("II", "I"), sampling_rate_hz=500)
        >>> adapted = adapt(beats, SignalFormat(("I", "II"), sampling_rate_hz=100, n_samples=1000))
        >>> adapted.signal_mv.shape, adapted.notes
        ((1000, 2), ('used the first 10 s of 12 s', 'resampled from 500 to 100 Hz'))
    """
    signal, notes = _chosen_leads(recording, wanted), []
    missing_s = wanted.duration_s - recording.duration_s
    if missing_s > (1 - SHORTEST_SHARE) * wanted.duration_s + 1e-9:
        raise DataError(
            f"{recording.name} lasts {recording.duration_s:.3g} s, but the model takes {wanted.duration_s:g} s, "
            f"at least {SHORTEST_SHARE * wanted.duration_s:g} s of them: give a longer recording"
        )
    n_used = round(min(len(signal), wanted.duration_s * recording.sampling_rate_hz))
    check_signal(signal[:n_used], wanted.leads, recording.name)
    signal = _with_margin(signal, n_used, filter_length_s(recording.sampling_rate_hz, wanted.sampling_rate_hz) * recording.sampling_rate_hz)
    if n_used < len(recording.signal_mv):
        notes.append(f"used the first {wanted.duration_s:g} s of {recording.duration_s:.4g} s")
    if abs(recording.sampling_rate_hz / wanted.sampling_rate_hz - 1) > 1e-6:
        notes.append(f"resampled from {recording.sampling_rate_hz:.6g} to {wanted.sampling_rate_hz} Hz")
        signal = resample(signal, recording.sampling_rate_hz, wanted.sampling_rate_hz)
    signal = signal[: wanted.n_samples]
    if n_padded := wanted.n_samples - len(signal):
        signal = np.pad(signal, ((0, n_padded), (0, 0)), mode="edge")
        if n_padded > 1:  # one sample is rounding
            notes.append(f"padded the last {n_padded / wanted.sampling_rate_hz:.3g} s with the last sample")
    return AdaptedSignal(signal, tuple(notes))


def _chosen_leads(recording: Recording, wanted: SignalFormat) -> NDArray[np.float64]:
    """Choose the model's leads in its order, (n_samples, n_leads)."""
    if missing := [lead for lead in wanted.leads if lead not in recording.leads]:
        others = f" (and {', '.join(recording.others)})" if recording.others else ""
        raise DataError(
            f"{recording.name} lacks {list_leads(missing)}: the model takes {list_leads(wanted.leads)}, "
            f"the recording has {list_leads(recording.leads)}{others}"
        )
    return recording.signal_mv[:, [recording.leads.index(lead) for lead in wanted.leads]]


def _with_margin(signal: NDArray[np.float64], n_used: int, margin: float) -> NDArray[np.float64]:
    """Cut a signal behind what is used, and leave the filter of the resampling as many samples as it reaches, unless some are missing."""
    longer = signal[: n_used + int(margin) + 1]
    return longer if np.isfinite(longer).all() else signal[:n_used]


def check_signal(signal_mv: NDArray[np.float64], leads: tuple[str, ...], name: str) -> None:
    """Refuse a signal with missing samples or constant leads, and one that can't be in millivolts.

    Args:
        signal_mv: (n_samples, n_leads).
        name: The recording, for messages.

    Raises:
        DataError: Names what is wrong and the remedy.
    """
    gaps = ~np.isfinite(signal_mv)
    if gaps.any():
        which = [lead for lead, column in zip(leads, gaps.T, strict=True) if column.any()]
        count = f"{int(gaps.sum())} sample{'s are' if gaps.sum() > 1 else ' is'}"
        raise DataError(f"{name}: {count} missing (NaN or infinite) in {list_leads(which)}: give a recording without gaps")
    low, high = signal_mv.min(axis=0), signal_mv.max(axis=0)
    if max(high.max(), -low.min()) > LARGEST_MV:
        raise DataError(
            f"{name}: values reach {max(high.max(), -low.min()):.4g} mV, and an ECG stays below {LARGEST_MV:g} mV: if they are "
            "microvolts, correct the unit in the file, or say --units uv where it has none; else take out the offset or the artefact"
        )
    if 0 < (high - low).max() < SMALLEST_MV:
        raise DataError(
            f"{name}: the values span {(high - low).max():.2g} mV, and an ECG spans more than {SMALLEST_MV:g} mV: if they are volts "
            "or millivolts, correct the unit in the file, or say --units v or --units mv where it has none"
        )
    if which := [lead for lead, bottom, top in zip(leads, low, high, strict=True) if bottom == top]:
        raise DataError(f"{name}: {list_leads(which)} is constant, as with a loose electrode: give a recording with a signal there")
