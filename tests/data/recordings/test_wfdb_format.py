"""WFDB records: read by their own headers, segment by segment, and refused with the reason where a header can't be meant so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.files import read_recordings
from ecg_tune.errors import DataError
from tests.data.recordings.writers import write_wfdb

LEADS = ("V2", "I", "aVF", "II")


@pytest.fixture
def signal_mv() -> np.ndarray:
    """Return a random walk of 2 s at 100 Hz, four leads, in whole microvolts."""
    return np.random.default_rng(0).integers(-50, 51, (200, 4)).cumsum(axis=0) / 1000


def write_segments(folder: Path, signal_mv: np.ndarray, lines: str = "a 150\nb 50", **second: object) -> Path:
    """Write a record of two segments; the second with its own leads, unit, scale or baseline."""
    leads, unit, scale, baseline = ({"leads": LEADS, "unit": "mV", "scale": 1.0, "baseline": 0} | second).values()
    write_wfdb(folder / "a", signal_mv[:150], LEADS, 100)
    order = [LEADS.index(lead) for lead in leads]
    wfdb.wrsamp(
        "b", fs=100, units=[unit] * len(leads), sig_name=list(leads), p_signal=signal_mv[150:, order] * scale, fmt=["16"] * len(leads),
        adc_gain=[2000.0 / scale] * len(leads), baseline=[baseline] * len(leads), write_dir=str(folder),
    )  # fmt: skip
    (folder / "both.hea").write_text(f"both/{len(lines.splitlines())} 4 100 200\n{lines}\n")
    return folder / "both"


@pytest.mark.parametrize(
    "second",
    [{}, {"leads": LEADS[::-1]}, {"unit": "uV", "scale": 1000.0}, {"baseline": 500}],
    ids=["of another gain", "of another order of leads", "of another unit", "of another baseline"],
)
def test_a_segment_is_read_by_its_own_header(tmp_path, signal_mv, second):
    (found,) = read_recordings(write_segments(tmp_path, signal_mv, **second))
    assert found.leads == ("V2", "I", "AVF", "II")
    np.testing.assert_allclose(found.signal_mv, signal_mv, atol=1e-9)


def test_a_segment_without_samples_that_lays_out_the_others_is_no_gap(tmp_path, signal_mv):
    (found,) = read_recordings(write_segments(tmp_path, signal_mv, "both_layout 0\na 150\nb 50"))
    np.testing.assert_allclose(found.signal_mv, signal_mv, atol=1e-9)


@pytest.mark.parametrize(
    ("lines", "second", "said"),
    [
        ("a 150\n~ 50", {}, r"both: samples 150 to 199 are missing \(a gap between segments\)"),
        ("a 150\nb 60", {}, "says 200 samples, but its segments have 210"),
        ("a 140\nb 60", {}, "says 140 samples of a, which has 150"),
        ("a 150\nc 50", {}, r"names the segment c, whose header c\.hea is not beside it"),
        ("a 150\nboth 50", {}, "names the segment both, which itself is of segments"),
        ("a 150\n../b 50", {}, r"'\.\./b 50' does not name a segment beside it"),
        ("a 150\nb 50", {"leads": LEADS[:3]}, "both: II is missing in some of its segments"),
        ("both_layout 0", {}, "says 200 samples, but its segments have 0"),
    ],
)
def test_segments_that_do_not_join_are_refused(tmp_path, signal_mv, lines, second, said):
    with pytest.raises(DataError, match=said):
        read_recordings(write_segments(tmp_path, signal_mv, lines, **second))


def test_a_segment_that_was_changed_or_has_another_rate_is_refused(tmp_path, signal_mv):
    base = write_segments(tmp_path, signal_mv)
    content = (tmp_path / "b.dat").read_bytes()
    (tmp_path / "b.dat").write_bytes(b"\1\1" + content[2:])
    with pytest.raises(DataError, match=r"b was changed \(checksum of V2"):
        read_recordings(base)
    (tmp_path / "b.dat").write_bytes(content)
    header = tmp_path / "b.hea"
    header.write_text(header.read_text().replace("b 4 100 50", "b 4 200 50"))
    with pytest.raises(DataError, match=r"both\.hea says 100 Hz, but its segment b 200"):
        read_recordings(base)


@pytest.mark.parametrize("fmt", ["16", "212", "516"])
def test_signals_of_several_files_are_read_together(tmp_path, signal_mv, fmt):
    lines = ["r 4 100 200"]
    for name, channels, gain, baseline in (("r_1", [0, 1], 1000.0, 5), ("r_2", [2, 3], 500.0, -7)):
        wfdb.wrsamp(
            name, fs=100, units=["mV"] * 2, sig_name=[LEADS[k] for k in channels], p_signal=np.clip(signal_mv[:, channels], -1, 1),
            fmt=[fmt] * 2, adc_gain=[gain] * 2, baseline=[baseline] * 2, write_dir=str(tmp_path),
        )  # fmt: skip
        lines += (tmp_path / f"{name}.hea").read_text().splitlines()[1:]
    (tmp_path / "r.hea").write_text("\n".join(lines) + "\n")
    np.testing.assert_allclose(read_recordings(tmp_path / "r")[0].signal_mv, np.clip(signal_mv, -1, 1), atol=0.0011)


def changed_header(folder: Path, signal_mv: np.ndarray, old: str, new: str, encoding: str = "utf-8") -> Path:
    base = write_wfdb(folder / "one", signal_mv, LEADS, 100)
    header = base.with_suffix(".hea")
    assert old in header.read_text()
    header.write_text(header.read_text().replace(old, new), encoding=encoding)
    return base


@pytest.mark.parametrize("rate", ["-100", "nan", "100,5", "1000e-1", "1e308", "0", "0.0", "100/x", "Hz"])
def test_a_sampling_rate_that_is_no_positive_number_is_refused(tmp_path, signal_mv, rate):
    said = rf"one\.hea: the sampling rate is '{rate}', not a positive number: write the rate into its first line"
    with pytest.raises(DataError, match=said):
        read_recordings(changed_header(tmp_path, signal_mv, "one 4 100 200", f"one 4 {rate} 200"))


@pytest.mark.parametrize(("rate", "hz"), [("100.5", 100.5), ("100.", 100), ("360/1000", 360), ("360/1000(-5.5)", 360)])
def test_a_sampling_rate_may_have_a_point_and_a_counter(tmp_path, signal_mv, rate, hz):
    (found,) = read_recordings(changed_header(tmp_path, signal_mv, "one 4 100 200", f"one 4 {rate} 200 12:00:00 01/02/2026"))
    assert found.sampling_rate_hz == hz
    np.testing.assert_allclose(found.signal_mv, signal_mv, atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("one 4 100 200", "one 4", "it states no sampling rate"),
        ("one 4 100 200", "one -4 100 200", "its first line is 'one -4 100 200'"),
        ("one 4 100 200", "one 0 100 200", "says 0 signals, and 4 lines follow"),
        ("one 4 100 200", "one 99999999 100 200", "says 99999999 signals, and 4 lines follow"),
        ("one 4 100 200", "one 4 100 0", "says 0 samples: write how many there are"),
        ("one 4 100 200", "one 4 100 100000000000", r"one\.dat has 1600 bytes, too few for 100000000000 samples"),
        ("1000.0(0)/mV", "1e-320/mV", "the gain of signal 1 is 1e-320, which no recorder has"),
        ("1000.0(0)/mV", "1e308/mV", "the gain of signal 1 is 1e308, which no recorder has"),
        ("1000.0(0)/mV", "1e999/mV", "the gain of signal 1 is 1e999, which no recorder has"),
        ("1000.0(0)/mV", "nan/mV", "the gain of signal 1 is 'nan/mV', which is not of WFDB's form"),
        ("1000.0(0)/mV", "1000,5/mV", "the gain of signal 1 is '1000,5/mV', which is not of WFDB's form"),
        ("1000.0(0)/mV", f"1000({10**20})/mV", "the baseline of signal 1 is 100000000000000000000, beyond 32 bits"),
        (" 16 1000", " 17 1000", "signal 1 is of format '17', not of 8, 16"),
        (" 16 1000", " 16x2 1000", "one.hea has channels of several rates"),
    ],
)
def test_a_header_that_can_not_be_meant_so_is_refused(tmp_path, signal_mv, old, new, said):
    with pytest.raises(DataError, match=said):
        read_recordings(changed_header(tmp_path, signal_mv, old, new))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_unit_with_the_micro_sign_is_microvolts(tmp_path, signal_mv, encoding):
    for unit in ("\u00b5V", "\u03bcV")[: 2 if encoding == "utf-8" else 1]:
        base = changed_header(tmp_path, signal_mv, "1000.0(0)/mV", f"1(0)/{unit}", encoding)
        np.testing.assert_allclose(read_recordings(base)[0].signal_mv, signal_mv, atol=1e-9)
        with pytest.raises(DataError, match=r"one says .V, but --units says mv"):
            read_recordings(base, FileFacts(units="mv"))


def test_a_damaged_wfdb_record_is_refused(tmp_path, signal_mv):
    base = write_wfdb(tmp_path / "one", signal_mv, LEADS, 100)
    dat = base.with_suffix(".dat")
    whole = dat.read_bytes()
    dat.write_bytes(whole[:50])
    with pytest.raises(DataError, match=r"one\.dat has 50 bytes, too few for 200 samples, as one\.hea says: it was cut"):
        read_recordings(base)
    dat.write_bytes(b"\1\1" + whole[2:])
    with pytest.raises(DataError, match=r"one was changed \(checksum of V2"):
        read_recordings(base)
    dat.unlink()
    with pytest.raises(DataError, match=r"one\.hea names one\.dat, which is not beside it: fetch the signal file too"):
        read_recordings(base)


def test_a_signal_file_without_header_is_refused(tmp_path):
    (tmp_path / "one.dat").write_bytes(b"12")
    with pytest.raises(DataError, match=r"one\.dat has no header one\.hea beside it"):
        read_recordings(tmp_path / "one.dat")


def test_a_header_that_names_a_file_elsewhere_is_refused(tmp_path, signal_mv):
    (tmp_path / "in").mkdir()
    write_wfdb(tmp_path / "one", signal_mv, LEADS, 100)
    header = (tmp_path / "one.hea").read_text().replace("one.dat", "../one.dat")
    (tmp_path / "in" / "one.hea").write_text(header)
    with pytest.raises(DataError, match=r"one\.hea: the file of signal 1 is '\.\./one\.dat', which is not of WFDB's form"):
        read_recordings(tmp_path / "in" / "one")


@pytest.mark.parametrize("gain", ["0/mV", "0", "0.0(0)/mV"])
def test_a_wfdb_record_without_gain_is_refused(tmp_path, signal_mv, gain):
    base = write_wfdb(tmp_path / "one", signal_mv, LEADS, 100)
    header = base.with_suffix(".hea")
    header.write_text(header.read_text().replace("1000.0(0)/mV", gain))
    with pytest.raises(DataError, match=r"one\.hea states no gain for signal 1, so its amplitude is unknown"):
        read_recordings(base)


def test_a_unit_of_wfdb_that_is_no_voltage_is_refused(tmp_path, signal_mv):
    base = write_wfdb(tmp_path / "one", signal_mv, LEADS, 100, unit="mmHg")
    with pytest.raises(DataError, match="lead V2 is in 'mmHg', not in mV, uV or V"):
        read_recordings(base)


def test_a_pipe_in_the_place_of_a_signal_file_is_refused(tmp_path, signal_mv):
    path = write_wfdb(tmp_path / "x", signal_mv, LEADS, 100)
    (tmp_path / "x.dat").unlink()
    os.mkfifo(tmp_path / "x.dat")
    with pytest.raises(DataError, match=r"x\.hea names x\.dat, a folder, a pipe or a device"):
        read_recordings(path)
