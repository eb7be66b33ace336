"""The names of the twelve standard leads as files write them."""

from __future__ import annotations

import re

from ecg_tune.config import LEAD_NAMES

SHOWN = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}
PREFIX = re.compile(r"(?:(?:ECG|EKG|LEAD)[ _]+|MDC_ECG_LEAD_)")


def standard_lead(name: str) -> str | None:
    """Find the lead that a file means, as in `LEAD_NAMES`; None for everything else.

    Case does not matter, and "ECG", "EKG", "Lead" or IEEE 11073's "MDC_ECG_LEAD_" may stand before the name. What is not
    exactly a standard lead is none: "MLII" and "-aVR" are recorded in other ways.

    Example:
        >>> standard_lead("ECG aVF"), standard_lead("lead ii"), standard_lead("MLII")
        ('AVF', 'II', None)
    """
    plain = PREFIX.sub("", " ".join(name.split()).upper(), count=1)
    return plain if plain in LEAD_NAMES else None


def list_leads(names: object) -> str:
    """Write names of leads or channels as a list for messages, e.g. "I, aVR, V1"."""
    return ", ".join(SHOWN.get(str(name), str(name)) for name in names) or "none"  # type: ignore[attr-defined]
