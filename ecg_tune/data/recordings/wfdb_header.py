"""Read the header of a WFDB record (`header(5)`). What `wfdb` would guess or skip is refused, with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg_tune.data.recordings.recording import checked_rate
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import LARGEST_HEADER, check_size

BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 1.33, "311": 1.33}
BYTES |= dict.fromkeys(("508", "516", "524"), 1e-5)
"""Format that `wfdb` reads → the fewest bytes that a sample takes; the last three are FLAC, which packs silence to almost nothing."""
GAINS = (1e-12, 1e12)
LARGEST_BASELINE = 2**31
GAP = "~"
RECORD = re.compile(r"[-\w]+(?:/(\d{1,9}))? +(\d{1,9})(?: +(\S+)(?: +(\d{1,18})(?: .*)?)?)?", re.ASCII)
RATE = re.compile(r"(\d+\.?\d*|\.\d+)(?:/-?\d*\.?\d*(?:\(-?\d*\.?\d*\))?)?", re.ASCII)
SEGMENT = re.compile(r"([-\w]+|~) +(\d{1,18})", re.ASCII)
GAIN = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\((-?\d{1,99})\))?(?:/(\S+))?", re.ASCII)
INTEGER = re.compile(r"-?\d{1,99}", re.ASCII)
FIELDS = {
    "file": re.compile(r"[-\w]+\.?\w*", re.ASCII),
    "format": re.compile(r"(\d+)(?:x([1-9]\d{0,8}))?(?::(\d{1,9}))?(?:\+\d{1,9})?", re.ASCII),
    "gain": GAIN,
} | dict.fromkeys(("ADC resolution", "ADC zero", "first value", "checksum", "block size"), INTEGER)
"""The fields of a signal's line before its name → their form."""


@dataclass(frozen=True)
class Signal:
    """One signal as its header describes it.

    Attributes:
        gain: Steps a unit.
        baseline: The step of 0.
        skew: Samples by which it lags behind in its file.
        checksum: The sum of its samples modulo 65536; None where the header leaves it out.
    """

    file: str
    format: str
    skew: int
    gain: float
    baseline: int
    unit: str
    checksum: int | None
    name: str


@dataclass(frozen=True)
class Header:
    """The header of one record.

    Attributes:
        n_samples: Of each signal; 0 where the header leaves it out.
        signals: None for a record of segments.
        segments: Name, or `GAP`, and number of samples of each; none for a record with its own signals.
    """

    path: Path
    rate_hz: float
    n_samples: int
    signals: tuple[Signal, ...]
    segments: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """The record's name, which is its file's."""
        return self.path.name.removesuffix(".hea")


def read_header(path: Path) -> Header:
    """Read a header strictly.

    Raises:
        DataError: A line is not of WFDB's form, there are too few or too many of them, or a signal has no gain, for which `wfdb`
            assumes 200 steps a millivolt; names the file, what it says and what to correct.
    """
    first, *lines = _lines(path) or [""]
    match = RECORD.fullmatch(first)
    if match is None:
        raise DataError(f"{path.name}: its first line is {first[:60]!r}, not the record's name, signals, rate and samples: correct it")
    n_segments, n_signals, n_samples = (int(match[group] or 0) for group in (1, 2, 4))
    rate = RATE.fullmatch(match[3] or "")
    if rate is None or float(rate[1]) == 0:
        said = f"the sampling rate is {match[3][:40]!r}, not a positive number" if match[3] else "it states no sampling rate"
        raise DataError(f"{path.name}: {said}: write the rate into its first line in Hz, as in 500 or 360.5")
    if match[4] and not n_samples:
        raise DataError(f"{path.name}: its first line says {match[4]} samples: write how many there are")
    what, stated = ("segments", n_segments) if match[1] else ("signals", n_signals)
    if not stated or stated != len(lines):
        raise DataError(f"{path.name}: its first line says {stated} {what}, and {len(lines)} lines follow: correct the header")
    segments = _segments(path, lines, n_samples) if match[1] else ()
    signals = () if match[1] else tuple(_signal(path, number, line) for number, line in enumerate(lines, 1))
    if len({signal.skew for signal in signals} - {0}) > 1:
        raise DataError(f"{path.name}: its signals have several skews, which can't be read: write it without (`xform`)")
    return Header(path, checked_rate(float(rate[1]), path.name), n_samples, signals, segments)


def _lines(path: Path) -> list[str]:
    """Split a header into its lines without comments, tabs and spaces at the ends."""
    check_size(path, most=LARGEST_HEADER)
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = (line.replace("\t", " ").strip() for line in re.split(r"[\r\n]+", text))
    return [line for line in lines if line and not line.startswith("#")]


def _segments(path: Path, lines: Sequence[str], n_samples: int) -> tuple[tuple[str, int], ...]:
    """Parse the lines of segments."""
    segments = []
    for line in lines:
        match = SEGMENT.fullmatch(line)
        if match is None:
            raise DataError(f"{path.name}: {line[:60]!r} does not name a segment beside it and its number of samples: correct it")
        segments.append((match[1], int(match[2])))
    total = sum(length for _, length in segments)
    if n_samples not in (0, total):
        raise DataError(f"{path.name}: its first line says {n_samples} samples, but its segments have {total}: correct the header")
    return tuple(segments)


def _signal(path: Path, number: int, line: str) -> Signal:
    """Parse the line of a signal; a field that is left out has WFDB's default, except for the gain."""
    *fields, name = (re.split(" +", line, maxsplit=len(FIELDS)) + [""] * len(FIELDS))[: len(FIELDS) + 1]
    for (what, form), text in zip(FIELDS.items(), fields, strict=True):
        if text and not form.fullmatch(text):
            raise DataError(f"{path.name}: the {what} of signal {number} is {text[:40]!r}, which is not of WFDB's form: correct it")
    file, kind, gain, _, zero, _, checksum, _ = fields
    parts, format_ = GAIN.fullmatch(gain), FIELDS["format"].fullmatch(kind)
    if parts is None or float(parts[1]) == 0 == float(re.split("[eE]", parts[1])[0]):
        raise DataError(f"{path.name} states no gain for signal {number}, so its amplitude is unknown: write the gain into the header")
    if not GAINS[0] <= abs(float(parts[1])) <= GAINS[1]:
        raise DataError(f"{path.name}: the gain of signal {number} is {parts[1][:40]}, which no recorder has: correct the header")
    if format_ is None or format_[1] not in BYTES:
        raise DataError(f"{path.name}: signal {number} is of format {kind[:40]!r}, not of {', '.join(BYTES)}: convert it (`xform`)")
    if int(format_[2] or 1) > 1:
        raise DataError(f"{path.name} has channels of several rates: write its ECG leads as a record of their own (`xform`)")
    baseline = int(parts[2] or zero or 0)
    if abs(baseline) > LARGEST_BASELINE:
        raise DataError(f"{path.name}: the baseline of signal {number} is {baseline}, beyond 32 bits: correct the header")
    return Signal(
        file=file,
        format=format_[1],
        skew=int(format_[3] or 0),
        gain=float(parts[1]),
        baseline=baseline,
        unit=parts[3] or "mV",
        checksum=int(checksum) if checksum else None,
        name=name or "unnamed",
    )
