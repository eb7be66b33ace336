"""Recordings of every format: the same signal out of each, and one line for each file that can't be read."""

from __future__ import annotations

import builtins
import os
from pathlib import Path

import numpy as np
import pyedflib
import pytest

from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.files import find_recordings, read_recordings
from ecg_tune.errors import ConfigError, DataError
from tests.data.recordings.writers import facts, write_csv, write_edf, write_npy, write_wfdb

LEADS = ("V2", "I", "aVF", "II")


@pytest.fixture
def signal_mv() -> np.ndarray:
    """Return a random walk of 2 s at 100 Hz, four leads, in whole microvolts."""
    return np.random.default_rng(0).integers(-50, 51, (200, 4)).cumsum(axis=0) / 1000


def write_all(folder: Path, signal_mv: np.ndarray) -> dict[str, Path]:
    return {
        "wfdb": write_wfdb(folder / "one", signal_mv, LEADS, 100),
        "csv": write_csv(folder / "one.csv", signal_mv, LEADS, 100),
        "npy": write_npy(folder / "one.npy", signal_mv),
        "edf": write_edf(folder / "one.edf", signal_mv, LEADS, 100),
    }


def test_every_format_gives_the_same_recording(tmp_path, signal_mv):
    for kind, path in write_all(tmp_path, signal_mv).items():
        (found,) = read_recordings(path, facts(LEADS, 100) if kind == "npy" else FileFacts())
        assert (found.leads, found.sampling_rate_hz) == (("V2", "I", "AVF", "II"), 100), kind
        np.testing.assert_allclose(found.signal_mv, signal_mv, atol=1e-9, err_msg=kind)


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_wfdb_record_is_found_with_and_without_suffix(tmp_path, signal_mv, suffix):
    base = write_wfdb(tmp_path / "rec_1", signal_mv, LEADS, 100)
    (found,) = read_recordings(f"{base}{suffix}")
    assert found.name == "rec_1"


@pytest.mark.parametrize(("unit", "scale"), [("uV", 1000.0), ("V", 0.001), ("µV", 1000.0)])
def test_units_of_the_file_are_converted(tmp_path, signal_mv, unit, scale):
    paths = [write_csv(tmp_path / "a.csv", signal_mv, LEADS, 100, unit=unit, scale=scale)]
    if unit != "µV":  # WFDB headers are ASCII
        paths.append(write_wfdb(tmp_path / "b", signal_mv, LEADS, 100, unit=unit, scale=scale))
    for path in paths:
        np.testing.assert_allclose(read_recordings(path)[0].signal_mv, signal_mv, atol=1e-9)


def test_edf_units_are_converted(tmp_path, signal_mv):
    path = write_edf(tmp_path / "a.edf", signal_mv, LEADS, 100, unit="mV", scale=1.0)
    np.testing.assert_allclose(read_recordings(path)[0].signal_mv, signal_mv, atol=1e-9)


@pytest.mark.parametrize("names", [("ECG V2", "EKG I", "lead AVF", "Lead II"), ("v2", "MDC_ECG_LEAD_I", "avf", " ii ")])
def test_usual_names_of_leads_are_known(tmp_path, signal_mv, names):
    (found,) = read_recordings(write_csv(tmp_path / "a.csv", signal_mv, names, 100))
    assert found.leads == ("V2", "I", "AVF", "II")


def test_channels_that_are_no_standard_lead_are_left_out_and_named(tmp_path, signal_mv):
    for path in (
        write_csv(tmp_path / "a.csv", signal_mv, ("I", "MLII", "II", "resp"), 100),
        write_wfdb(tmp_path / "b", signal_mv, ("I", "MLII", "II", "resp"), 100),
        write_edf(tmp_path / "c.edf", signal_mv, ("I", "MLII", "II", "resp"), 100),
    ):
        (found,) = read_recordings(path)
        assert (found.leads, found.others) == (("I", "II"), ("MLII", "resp"))
        np.testing.assert_allclose(found.signal_mv, signal_mv[:, [0, 2]], atol=1e-9)


def test_an_array_of_three_dimensions_is_many_recordings(tmp_path, signal_mv):
    write_npy(tmp_path / "a.npy", np.stack([signal_mv, 2 * signal_mv]))
    found = read_recordings(tmp_path / "a.npy", facts(LEADS, 100))
    assert [one.name for one in found] == ["a.npy[0]", "a.npy[1]"]
    np.testing.assert_array_equal(found[1].signal_mv, 2 * signal_mv)


def test_a_table_with_semicolons_and_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("\ufefftime_ms;I_uV\n0;100\n2;200\n4;\n")
    (found,) = read_recordings(tmp_path / "a.csv")
    assert found.sampling_rate_hz == 500
    np.testing.assert_array_equal(found.signal_mv[:, 0], [0.1, 0.2, np.nan])


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("0.1,0.2\n0.1,0.2\n", {}, "first line names no lead; write the names there"),
        ("", {}, "first line names no lead"),
        ("I,II\n0.1,0.2\n", {"units": "mv"}, "does not say its sampling rate: pass --rate HZ, or give it a column time_s"),
        ("I,II\n0.1,0.2\n", {"sampling_rate_hz": 100}, "does not say its units: pass --units mv or --units uv"),
        ("time_s,I\n0,1\n0.01,1\n", {"units": "mv", "sampling_rate_hz": 500}, "says 100 Hz, but --rate says 500"),
        ("time_s,I_uV\n0,1\n0.01,1\n", {"units": "mv"}, "says uV, but --units says mv"),
        ("time_s,I_nV\n0,1\n0.01,1\n", {}, "lead I is in 'nV', not in mV, uV or V"),
        ("time_s,I_mV\n0,1\n0.01,1\n", {"leads": ("II",)}, "names the leads I, but --leads says II"),
        ("time_s,I_mV\n0,1\n0.01,abc\n", {}, "line 3, column I_mV: 'abc' is not a number"),
        ("time_s,I_mV\n0,1\n0.01,1_0\n", {}, "line 3, column I_mV: '1_0' is not a number"),
        ("time_s,I_mV\n0,1\n0.0_1,1\n", {}, "line 3, column time_s: '0.0_1' is not a number"),
        ("time_s,I_mV\n0,1\n0.01,\u0661\n", {}, "line 3, column I_mV: '\u0661' is not a number"),
        ("time_s,time_ms,I_mV\n0,0,1\n0.01,10,1\n", {}, "has the columns of time time_s and time_ms: keep one"),
        ("time,I_mV,Time\n0,1,0\n0.01,1,0.01\n", {}, "has the columns of time time and Time: keep one"),
        ("time_s;I_mV\n0;1,5\n0.01;1\n", {}, r"line 2, column I_mV: '1,5' is not a number \(with a point"),
        ("time_s,I_mV\n0,1\n0.01\n", {}, "line 3: 1 values, but the first line names 2 columns"),
        ("time_s,I_mV\n0,1\n0.01,1\n0.5,1\n", {}, "time_s does not rise in equal steps"),
        ("time_s,I_mV\n0,1\n0,1\n", {}, "time_s does not rise in equal steps"),
        ("time_s,I_mV,lead i (mV)\n0,1,1\n0.01,1,1\n", {}, "has lead I twice"),
        ("time_s,I_mV\n0,1\n1,1\n", {}, "the sampling rate must be 50 to 20000 Hz, but got 1"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(tmp_path, text, given, said):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_recordings(tmp_path / "a.csv", FileFacts(**given))


def test_a_binary_file_named_csv_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"I,II\n\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a\.csv is not a CSV file of text"):
        read_recordings(tmp_path / "a.csv")


def test_numbers_without_leads_rate_and_units_are_refused_with_the_flags(tmp_path, signal_mv):
    path = write_npy(tmp_path / "a.npy", signal_mv)
    with pytest.raises(DataError, match=r"pass --leads NAMES and --rate HZ and --units mv\|uv"):
        read_recordings(path)
    with pytest.raises(DataError, match=r"holds numbers only: pass --units mv\|uv"):
        read_recordings(path, FileFacts(LEADS, 100))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(5), r"must hold numbers \(n_samples, n_leads\) .* but holds float64 \(5,\)"),
        (np.zeros((5, 4), complex), "it holds complex128, not numbers"),
        (np.array([[{}]], dtype=object), r"is not an array of numbers \(\.npy\)"),
        (np.zeros((0, 200, 4)), r"a\.npy holds no sample: its shape is \(0, 200, 4\)"),
        (np.zeros((4, 9)), r"--leads names 4 leads, but the array has the shape \(4, 9\): transpose it"),
    ],
)
def test_another_array_is_refused(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=said):
        read_recordings(tmp_path / "a.npy", facts(LEADS, 100))


def test_a_pickle_named_npy_is_refused_and_not_run(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    (tmp_path / "a.npy").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match=r"a\.npy is not an array of numbers"):
        read_recordings(tmp_path / "a.npy", facts(LEADS, 100))
    assert not (tmp_path / "ran").exists()


def test_an_array_whose_header_promises_more_than_the_file_holds_is_refused(tmp_path, signal_mv):
    path = write_npy(tmp_path / "a.npy", signal_mv)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.npy is not an array of numbers"):
        read_recordings(path, facts(LEADS, 100))


@pytest.mark.parametrize("content", [b"", b"nothing", b"0" + b" " * 400, b"0".ljust(236) + b"1       10      1   " + b" " * 400])
def test_what_is_no_edf_is_refused(tmp_path, content):
    (tmp_path / "a.edf").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.edf (can't be read as EDF|has \d+ bytes)"):
        read_recordings(tmp_path / "a.edf")


def test_a_cut_edf_is_refused_and_nothing_is_printed(tmp_path, signal_mv, capfd):
    path = write_edf(tmp_path / "a.edf", signal_mv, LEADS, 100)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.edf has \d+ bytes, but its header says \d+: it was cut, fetch it again"):
        read_recordings(path)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("n_records", "more", "said"),
    [
        (b"2", b"\0" * 100, r"a\.edf has \d+ bytes, more than the \d+ its header says"),
        (b"1", b"", r"a\.edf has \d+ bytes, more than the \d+ its header says"),
        (b"-1", b"", r"a\.edf does not say how many data records it has \(-1\)"),
        (b"1_0", b"", r"a\.edf can't be read as EDF \(it has no such header\)"),
    ],
)
def test_an_edf_whose_header_counts_other_records_is_not_called_cut(tmp_path, signal_mv, n_records, more, said):
    path = write_edf(tmp_path / "a.edf", signal_mv, LEADS, 100)
    content = path.read_bytes()
    path.write_bytes(content[:236] + n_records.ljust(8) + content[244:] + more)
    with pytest.raises(DataError, match=said):
        read_recordings(path)


def test_edf_leads_of_several_rates_are_refused(tmp_path):
    common = {"dimension": "uV", "physical_max": 32767, "physical_min": -32767, "digital_max": 32767, "digital_min": -32767}
    with pyedflib.EdfWriter(str(tmp_path / "a.edf"), 2) as file:
        file.setSignalHeaders(
            [
                {"label": lead, "sample_frequency": rate, "transducer": "", "prefilter": "", **common}
                for lead, rate in (("I", 100), ("II", 200))
            ]
        )
        file.writeSamples([np.zeros(100), np.zeros(200)])
    with pytest.raises(DataError, match=r"a\.edf has leads of several sampling rates \(100, 200 Hz\)"):
        read_recordings(tmp_path / "a.edf")


def test_edf_without_a_lead_or_a_unit_is_refused(tmp_path, signal_mv):
    with pytest.raises(DataError, match=r"has no standard lead .* its channels are A, B, C, D"):
        read_recordings(write_edf(tmp_path / "a.edf", signal_mv, "ABCD", 100))
    path = write_edf(tmp_path / "b.edf", signal_mv, LEADS, 100, unit="")
    with pytest.raises(DataError, match="does not say its units: pass --units mv or --units uv"):
        read_recordings(path)
    np.testing.assert_allclose(read_recordings(path, FileFacts(units="uv"))[0].signal_mv, signal_mv, atol=1e-9)


def test_edf_without_its_library_says_what_to_install(tmp_path, signal_mv, monkeypatch):
    path = write_edf(tmp_path / "a.edf", signal_mv, LEADS, 100)
    real = builtins.__import__

    def without(name, *rest):
        if name == "pyedflib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"needs pyedflib: pip install 'ecg-tune\[edf\]'"):
        read_recordings(path)


def test_files_that_are_missing_or_of_no_known_format_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone does not exist, and there is no WFDB header gone\.hea"):
        read_recordings(tmp_path / "gone")
    with pytest.raises(DataError, match=r"gone\.hea does not exist: check the name"):
        read_recordings(tmp_path / "gone.hea")
    (tmp_path / "a.xml").touch()
    with pytest.raises(DataError, match=r"a\.xml is of no known format: give a WFDB record"):
        read_recordings(tmp_path / "a.xml")


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".edf", ".hea"])
def test_folders_and_pipes_with_the_name_of_a_recording_are_refused(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(DataError, match=rf"{name}\{suffix} is a folder, a pipe or a device: give a file with a recording"):
            read_recordings(tmp_path / f"{name}{suffix}")


@pytest.mark.parametrize(("given", "said"), [({"units": "volt"}, "units must be mv, uv or v, but got 'volt'")])
def test_unknown_units_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        FileFacts(**given)


def test_what_the_user_says_is_checked():
    with pytest.raises(DataError, match="--leads: V9 is no standard lead"):
        FileFacts(leads=("I", "V9"))
    with pytest.raises(DataError, match="--leads has lead I twice"):
        FileFacts(leads=("I", "i"))
    with pytest.raises(DataError, match="--rate: the sampling rate must be 50 to 20000 Hz, but got nan"):
        FileFacts(sampling_rate_hz=float("nan"))


def test_a_folder_gives_each_recording_once_and_counts_the_rest(tmp_path, signal_mv):
    write_all(tmp_path, signal_mv)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "in").mkdir()
    write_csv(tmp_path / "in" / "two.csv", signal_mv, LEADS, 100)
    found, n_others = find_recordings([tmp_path, tmp_path / "one.csv"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["in/two.csv", "one.csv", "one.edf", "one.hea", "one.npy"]
    assert n_others == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no recording"):
        find_recordings([tmp_path / "empty"])
