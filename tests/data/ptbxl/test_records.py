"""One record's files: the fast path against `wfdb`, the fallback, and everything that must be refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.ptbxl.records import read_record
from ecg_tune.errors import DamagedRecordError

NAME = "records100/00000/00001_lr"
Signal = NDArray[np.int16]


@pytest.fixture
def signal_uv() -> Signal:
    return np.rint(np.random.default_rng(1).normal(0, 300, size=(1000, 12))).astype(np.int16)


@pytest.fixture
def folder(tmp_path: Path, signal_uv: Signal, put_record: Callable[..., None]) -> Path:
    put_record(tmp_path / NAME, signal_uv)
    return tmp_path


@pytest.fixture
def without_wfdb(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a plain record went through wfdb")

    monkeypatch.setattr(wfdb, "rdrecord", refuse)


def _edit_header(folder: Path, old: str, new: str, count: int = -1) -> None:
    path = folder / f"{NAME}.hea"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


@pytest.mark.usefixtures("without_wfdb")
def test_a_plain_record_is_read_without_wfdb(folder: Path, signal_uv: Signal) -> None:
    read = read_record(folder, NAME, sampling_rate_hz=100)
    assert read.dtype == np.int16
    assert (read == signal_uv).all()


@pytest.mark.parametrize(("rate_hz", "column"), [(100, "lr"), (500, "hr")])
def test_real_records_are_bit_identical_to_wfdb(ptbxl: Path, rate_hz: int, column: str) -> None:
    for ecg_id in (1, 2, 57, 100):
        name = f"records{rate_hz}/00000/{ecg_id:05d}_{column}"
        expected, _ = wfdb.rdsamp(str(ptbxl / name))
        assert np.array_equal(read_record(ptbxl, name, sampling_rate_hz=rate_hz) / 1000.0, expected)


@pytest.mark.parametrize("fmt", ["16", "24", "212"])
@pytest.mark.parametrize("gain", [1000.0, 500.0])
def test_other_wfdb_forms_give_the_same_microvolts(tmp_path: Path, signal_uv: Signal, fmt: str, gain: float) -> None:
    even_uv = signal_uv // 2 * 2
    wfdb.wrsamp(
        "00001_lr", fs=100, units=["mV"] * 12, sig_name=list(LEAD_NAMES), p_signal=even_uv / 1000.0, fmt=[fmt] * 12,
        adc_gain=[gain] * 12, baseline=[3] * 12, write_dir=str(tmp_path),
    )  # fmt: skip
    assert (read_record(tmp_path, "00001_lr", sampling_rate_hz=100) == even_uv).all()


def test_a_unit_other_than_millivolts_is_converted(folder: Path, signal_uv: Signal) -> None:
    _edit_header(folder, "1000.0(0)/mV", "1.0(0)/uV")
    assert (read_record(folder, NAME, sampling_rate_hz=100) == signal_uv).all()


def test_a_unit_that_is_no_voltage_is_refused(folder: Path) -> None:
    _edit_header(folder, "/mV", "/mmHg", 1)
    with pytest.raises(DamagedRecordError, match="unit mmHg is not a voltage"):
        read_record(folder, NAME, sampling_rate_hz=100)


def test_voltages_beyond_sixteen_bits_are_refused(folder: Path) -> None:
    _edit_header(folder, "1000.0(0)/mV", "10.0(0)/mV")
    with pytest.raises(DamagedRecordError, match=r"beyond 32\.767 mV"):
        read_record(folder, NAME, sampling_rate_hz=100)


@pytest.mark.parametrize("end", [".hea", ".dat"])
def test_a_missing_file_is_named_with_the_remedy(folder: Path, end: str) -> None:
    (folder / (NAME + end)).unlink()
    with pytest.raises(DamagedRecordError, match=rf"00001_lr\{end} is missing .*--damaged drop"):
        read_record(folder, NAME, sampling_rate_hz=100)


def test_a_cut_signal_file_is_refused(folder: Path) -> None:
    path = folder / f"{NAME}.dat"
    path.write_bytes(path.read_bytes()[:-24])
    with pytest.raises(DamagedRecordError, match="holds 23976 bytes, not 24000"):
        read_record(folder, NAME, sampling_rate_hz=100)


def test_one_changed_sample_breaks_the_checksum(folder: Path) -> None:
    path = folder / f"{NAME}.dat"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedRecordError, match="checksum of lead"):
        read_record(folder, NAME, sampling_rate_hz=100)


def test_the_checksum_is_verified_on_the_way_through_wfdb_too(folder: Path) -> None:
    test_one_changed_sample_breaks_the_checksum(folder)
    _edit_header(folder, "1000.0(0)/mV", "1000.5(0)/mV")
    with pytest.raises(DamagedRecordError, match=r"was changed \(checksum of "):
        read_record(folder, NAME, sampling_rate_hz=100)


def test_two_samples_changed_places_break_the_initial_value(folder: Path, signal_uv: Signal) -> None:
    swapped = signal_uv.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    swapped.tofile(folder / f"{NAME}.dat")
    with pytest.raises(DamagedRecordError, match="does not begin with the header's initial values"):
        read_record(folder, NAME, sampling_rate_hz=100)


def test_a_changed_file_fails_its_listed_hash(folder: Path) -> None:
    right = hashlib.sha256((folder / f"{NAME}.dat").read_bytes()).hexdigest()
    read_record(folder, NAME, sampling_rate_hz=100, checksums={f"{NAME}.dat": right})
    with pytest.raises(DamagedRecordError, match=r"00001_lr\.dat was changed or cut"):
        read_record(folder, NAME, sampling_rate_hz=100, checksums={f"{NAME}.dat": "0" * 64})


@pytest.mark.parametrize("gain", ["1000.0(0)/mV", "1000.5(0)/mV"], ids=["plain", "through wfdb"])
def test_swapped_leads_are_refused(tmp_path: Path, signal_uv: Signal, put_record: Callable[..., None], gain: str) -> None:
    put_record(tmp_path / NAME, signal_uv, leads=["II", "I", *LEAD_NAMES[2:]])
    _edit_header(tmp_path, "1000.0(0)/mV", gain)
    with pytest.raises(DamagedRecordError, match="leads are II,I,III"):
        read_record(tmp_path, NAME, sampling_rate_hz=100)


def test_lead_names_in_another_case_are_the_same_leads(folder: Path, signal_uv: Signal) -> None:
    _edit_header(folder, "AVR", "aVR")
    assert (read_record(folder, NAME, sampling_rate_hz=100) == signal_uv).all()


def test_another_rate_or_length_is_refused(folder: Path, signal_uv: Signal, put_record: Callable[..., None]) -> None:
    with pytest.raises(DamagedRecordError, match="header says 100 Hz, not 500 Hz"):
        read_record(folder, NAME, sampling_rate_hz=500)
    put_record(folder / NAME, signal_uv[:900])
    with pytest.raises(DamagedRecordError, match="header says 900 samples, not 1000"):
        read_record(folder, NAME, sampling_rate_hz=100)


@pytest.mark.parametrize("gain", ["1000.0(0)/mV", "1000.5(0)/mV"], ids=["plain", "through wfdb"])
def test_a_header_that_names_another_records_file_is_refused(folder: Path, gain: str) -> None:
    _edit_header(folder, "1000.0(0)/mV", gain)
    _edit_header(folder, "00001_lr.dat", "00002_lr.dat")
    with pytest.raises(DamagedRecordError, match="names another record's file, 00002_lr"):
        read_record(folder, NAME, sampling_rate_hz=100)


@pytest.mark.parametrize("gain", ["1000.0(0)/mV", "1001.0(0)/mV"], ids=["plain", "through wfdb"])
def test_a_missing_sample_is_refused_with_its_lead(folder: Path, signal_uv: Signal, put_record: Callable[..., None], gain: str) -> None:
    signal_uv[500, 4] = -32768
    put_record(folder / NAME, signal_uv)
    _edit_header(folder, "1000.0(0)/mV", gain)
    with pytest.raises(DamagedRecordError, match=r"samples are missing \(NaN\) in AVL"):
        read_record(folder, NAME, sampling_rate_hz=100)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"00001_lr\.hea: its first line is ''"),
        ("nonsense\n", "its first line is 'nonsense'"),
        ("00001_lr 0 100 1000\n", "says 0 signals, and 0 lines follow"),
        ("00001_lr/2 12 100 1000\na 500\nb 500\n", "is a record of segments, and PTB-XL has none"),
    ],
)
def test_a_header_that_is_none_is_refused(folder: Path, content: str, said: str) -> None:
    (folder / f"{NAME}.hea").write_text(content)
    with pytest.raises(DamagedRecordError, match=said):
        read_record(folder, NAME, sampling_rate_hz=100)
