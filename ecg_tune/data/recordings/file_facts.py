"""What a user says of files that don't say it themselves: leads, sampling rate, units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ecg_tune.data.recordings.leads import list_leads
from ecg_tune.data.recordings.recording import checked_rate, known_leads, unit_scale
from ecg_tune.errors import ConfigError, DataError


@dataclass(frozen=True)
class FileFacts:
    """What the user says about files that don't say it themselves.

    Attributes:
        leads: Names of the columns; empty when the file names them.
        sampling_rate_hz: None when the file says it.
        units: "mv", "uv" or "v"; empty when the file says it.
    """

    leads: tuple[str, ...] = ()
    sampling_rate_hz: float | None = None
    units: str = ""

    def __post_init__(self) -> None:
        if self.units and unit_scale(self.units) is None:
            raise ConfigError(f"units must be mv, uv or v, but got {self.units!r}")
        known_leads(self.leads, "--leads")
        if self.sampling_rate_hz is not None:
            checked_rate(self.sampling_rate_hz, "--rate")

    def check(self, where: str, *, leads: Iterable[str] = (), rate_hz: float | None = None, units: Iterable[str] = ()) -> None:
        """Compare with what a file says itself.

        Args:
            leads: Its standard leads.
            units: Those of its standard leads.

        Raises:
            DataError: The file says something else; names both.
        """
        there = tuple(leads)
        if self.leads and there and known_leads(self.leads, "--leads") != there:
            raise DataError(f"{where} names the leads {list_leads(there)}, but --leads says {list_leads(self.leads)}: leave --leads out")
        if self.sampling_rate_hz is not None and rate_hz is not None and abs(self.sampling_rate_hz / rate_hz - 1) > 1e-3:
            raise DataError(
                f"{where} says {rate_hz:g} Hz, but --rate says {self.sampling_rate_hz:g}: leave --rate out, or correct the file"
            )
        for unit in units:
            if self.units and unit_scale(unit) not in (None, unit_scale(self.units)):
                raise DataError(f"{where} says {unit}, but --units says {self.units}: leave --units out, or correct the unit in the file")
