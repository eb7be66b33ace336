"""Find the recordings of a folder, and read one by the format of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ecg_tune.data.recordings.csv_format import read_csv
from ecg_tune.data.recordings.edf_format import read_edf
from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.npy_format import read_npy
from ecg_tune.data.recordings.recording import Recording
from ecg_tune.data.recordings.wfdb_format import read_wfdb
from ecg_tune.errors import DataError

READERS: Mapping[str, Callable[[Path, FileFacts], list[Recording]]] = {
    ".hea": read_wfdb,
    ".dat": read_wfdb,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".npy": read_npy,
    ".edf": read_edf,
    ".bdf": read_edf,
}
"""Suffix → reader. A name without one of these suffixes is a WFDB record if its header is there."""
NOTHING = FileFacts()


def read_recordings(path: Path | str, facts: FileFacts = NOTHING) -> list[Recording]:
    """Read a file's recordings; only a NumPy file can hold more than one.

    Args:
        path: A WFDB record (with or without suffix), or a .csv, .npy or .edf file.
        facts: What the file does not say itself.

    Raises:
        DataError: It can't be read, or its leads, rate or units are not known. The message names the file and the remedy.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("one.csv").write_text("time_s,I (mV),II (mV)\\n0.00,0.1,0.2\\n0.01,0.1,0.3\\n")
        >>> (recording,) = read_recordings("one.csv")
        >>> recording.leads, recording.sampling_rate_hz, recording.signal_mv.shape
        (('I', 'II'), 100.0, (2, 2))
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.exists():
        if Path(f"{path}.hea").is_file():
            return read_wfdb(path, facts)
        if not path.exists():
            header = "" if reader else f", and there is no WFDB header {path.name}.hea"
            raise DataError(f"{path} does not exist{header}: check the name")
        raise DataError(f"{path} is of no known format: give a WFDB record (.hea), or a .csv, .npy or .edf file")
    if not path.is_file():  # reading a pipe waits for its writer, a device may never end
        raise DataError(f"{path} is a folder, a pipe or a device: give a file with a recording")
    try:
        return reader(path, facts)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def find_recordings(places: Sequence[Path]) -> tuple[list[Path], int]:
    """List files, with all recordings below folders in their place, each once.

    Args:
        places: Files and folders, in the order of the result.

    Returns:
        The files, and how many files of other kinds lie in the folders.

    Raises:
        DataError: A folder holds no recording.
    """
    found: dict[Path, None] = {}
    n_others = 0
    for place in places:
        if not place.is_dir():
            found[place] = None
            continue
        files = sorted(path for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
        recordings = [path for path in files if path.suffix.lower() in READERS and not _has_header(path)]
        n_others += sum(path.suffix.lower() not in READERS for path in files)
        if not recordings:
            raise DataError(f"{place} holds no recording (.hea, .csv, .npy, .edf)")
        found |= dict.fromkeys(recordings)
    return list(found), n_others


def _has_header(path: Path) -> bool:
    """Tell whether a file is a signal file, which is read through the header beside it."""
    return path.suffix.lower() == ".dat" and path.with_suffix(".hea").is_file()
