"""One ECG recording in millivolts, with the names of its leads and its sampling rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.recordings.leads import list_leads, standard_lead
from ecg_tune.errors import DataError

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "v": 1e3}
"""Unit in lower case → millivolts."""
RATES_HZ = (50.0, 20_000.0)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording of one person. Any length, rate and order of leads.

    Attributes:
        signal_mv: (n_samples, n_leads) float64, millivolts; NaN where a sample is missing.
        leads: Names of the columns, as in `LEAD_NAMES`, each once.
        sampling_rate_hz: 50 to 20,000.
        name: For tables and messages.
        others: Channels of the file that are no standard leads; they are not read.

    Raises:
        DataError: The parts do not fit together, or a lead is unknown or there twice.

    Example:
        >>> import numpy as np
        >>> Recording(np.zeros((1000, 2)), leads=("I", "aVR"), sampling_rate_hz=100).leads
        ('I', 'AVR')
    """

    signal_mv: NDArray[np.float64]
    leads: tuple[str, ...]
    sampling_rate_hz: float
    name: str = "recording"
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        signal = np.asarray(self.signal_mv)
        if signal.ndim != 2 or signal.dtype.kind not in "fiu":
            raise DataError(f"{self.name}: a signal is numbers (n_samples, n_leads), but got {signal.dtype} {signal.shape}")
        if signal.shape[1] != len(self.leads):
            hint = ": transpose it" if signal.shape[0] == len(self.leads) else ""
            raise DataError(f"{self.name}: {len(self.leads)} leads are named, but the signal has {signal.shape[1]} columns{hint}")
        object.__setattr__(self, "signal_mv", signal.astype(np.float64, copy=False))
        object.__setattr__(self, "leads", known_leads(self.leads, self.name))
        object.__setattr__(self, "sampling_rate_hz", checked_rate(self.sampling_rate_hz, self.name))

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.signal_mv) / self.sampling_rate_hz


def known_leads(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Name leads as `LEAD_NAMES` does.

    Raises:
        DataError: One is no standard lead, or there twice; names all of them.
    """
    found = [standard_lead(str(name)) for name in names]
    if unknown := [str(name) for name, lead in zip(names, found, strict=True) if lead is None]:
        raise DataError(f"{where}: {list_leads(unknown)} is no standard lead (I, II, III, aVR, aVL, aVF, V1 to V6)")
    leads = tuple(lead for lead in found if lead)
    refuse_twice(leads, where)
    return leads


def refuse_twice(leads: Sequence[str], where: str) -> None:
    """Refuse leads of which one is there twice.

    Raises:
        DataError: Names it.
    """
    if twice := sorted({lead for lead in leads if leads.count(lead) > 1}):
        raise DataError(f"{where} has lead {list_leads(twice)} twice: keep one column of it")


def checked_rate(rate_hz: float, where: str) -> float:
    """Return a sampling rate as a float.

    Raises:
        DataError: Not a number of 50 to 20,000 Hz.
    """
    low, high = RATES_HZ
    if not math.isfinite(rate_hz) or not low <= rate_hz <= high:
        raise DataError(f"{where}: the sampling rate must be {low:g} to {high:g} Hz, but got {rate_hz:g}")
    return float(rate_hz)


def unit_scale(unit: str) -> float | None:
    """Find how many millivolts a unit is; None for what is no voltage. The micro sign and the Greek mu are taken as u."""
    return MILLIVOLTS.get(unit.strip().lower().replace("µ", "u").replace("μ", "u"))


def make_recording(
    columns: NDArray[np.float64], names: Sequence[str], units: Sequence[str], rate_hz: float, *, name: str, others: Sequence[str] = ()
) -> Recording:
    """Keep the standard leads of a file's channels, in millivolts.

    Args:
        columns: (n_samples, n_channels), each in its own unit.
        names, units: One a channel; a unit may be empty for a channel that is no lead.
        others: Channels of the file that are not among the columns.

    Raises:
        DataError: A lead is there twice, or its unit is no voltage.
    """
    leads = [(column, lead) for column, text in enumerate(names) if (lead := standard_lead(text))]
    refuse_twice([lead for _, lead in leads], name)
    scales = []
    for column, lead in leads:
        scale = unit_scale(units[column])
        if scale is None:
            raise DataError(f"{name}: lead {list_leads([lead])} is in {units[column]!r}, not in mV, uV or V: correct the unit in the file")
        scales.append(scale)
    no_leads = [str(text).encode("ascii", "backslashreplace").decode() for text in names if standard_lead(text) is None]
    with np.errstate(over="ignore"):  # to infinity, which is refused where it is used
        signal_mv = columns[:, [column for column, _ in leads]] * np.array(scales)
    return Recording(signal_mv, tuple(lead for _, lead in leads), rate_hz, name, (*no_leads, *others))
