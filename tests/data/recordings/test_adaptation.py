"""A recording becomes what a model takes, or is refused: leads, length, rate, amplitude, gaps."""

from __future__ import annotations

import numpy as np
import pytest
import wfdb

from ecg_tune.data.recordings.adaptation import SignalFormat, adapt
from ecg_tune.data.recordings.recording import Recording
from ecg_tune.data.recordings.resampling import resample
from ecg_tune.errors import DataError

WANTED = SignalFormat(("I", "II", "V2"), sampling_rate_hz=100, n_samples=1000)


def waves(n_samples: int = 1000, rate_hz: float = 100, leads: tuple[str, ...] = ("I", "II", "V2")) -> Recording:
    """Return a recording of sine waves below 40 Hz, another in each lead."""
    time_s = np.arange(n_samples) / rate_hz
    columns = [np.sin(2 * np.pi * (3 + 5 * ("I", "II", "V2", "V6").index(lead)) * time_s) for lead in leads]
    return Recording(np.stack(columns, axis=1), leads, rate_hz)


def test_leads_are_chosen_by_name_in_the_order_of_the_model():
    plain, shuffled = adapt(waves(), WANTED), adapt(waves(leads=("V6", "V2", "II", "I")), WANTED)
    np.testing.assert_array_equal(shuffled.signal_mv, plain.signal_mv)
    assert plain.notes == ()


@pytest.mark.parametrize("rate_hz", [128, 200, 250, 257.5, 360, 500, 1000])
def test_a_wave_at_another_rate_becomes_the_same_wave(rate_hz):
    found = adapt(waves(round(10 * rate_hz), rate_hz), WANTED)
    ahead = Recording(waves(4000, 400).signal_mv, ("I", "II", "V2"), 400)  # 1.25 ms are half a sample at 400 Hz
    time_s = np.arange(1000) / 100 + 0.00125
    expected = np.stack([np.sin(2 * np.pi * f * time_s) for f in (3, 8, 13)], axis=1)
    np.testing.assert_allclose(found.signal_mv[20:-20], expected[20:-20], atol=0.01)
    assert found.notes == (f"resampled from {rate_hz:g} to 100 Hz",)
    assert ahead.duration_s == 10


def test_what_lies_above_the_nyquist_frequency_does_not_fold_down():
    high = np.sin(2 * np.pi * 60 * np.arange(5000) / 500)[:, None]
    assert np.abs(resample(high, 500, 100)[20:-20]).max() < 0.002


def test_a_500_hz_record_of_ptb_xl_becomes_its_100_hz_record(ptbxl):
    names = sorted((ptbxl / "records500").rglob("*_hr.hea"))[::10]
    for name in names:
        high = wfdb.rdrecord(str(name.with_suffix(""))).p_signal
        low = wfdb.rdrecord(str(name.with_suffix("")).replace("records500", "records100").replace("_hr", "_lr")).p_signal
        difference = (resample(high, 500, 100) - low)[20:-20]
        assert np.sqrt((difference**2).mean()) < 0.001, name
        assert np.abs(difference).max() < 0.010, name


def test_there_and_back_gives_the_signal():
    signal = waves().signal_mv
    np.testing.assert_allclose(resample(resample(signal, 100, 500), 500, 100)[20:-20], signal[20:-20], atol=0.005)


@pytest.mark.parametrize("rate_hz", [100, 500])
def test_a_longer_recording_is_cropped_to_its_first_seconds(rate_hz):
    found = adapt(waves(round(12.5 * rate_hz), rate_hz), WANTED)
    assert found.signal_mv.shape == (1000, 3)
    assert found.notes[0] == "used the first 10 s of 12.5 s"
    np.testing.assert_allclose(found.signal_mv[20:-20], adapt(waves(10 * rate_hz, rate_hz), WANTED).signal_mv[20:-20], atol=1e-6)


def test_a_day_long_recording_is_not_resampled_as_a_whole():
    signal = np.zeros((500 * 3600, 3))
    signal[:5000] = waves(5000, 500).signal_mv
    signal[-1] = np.nan  # what is not used is not examined
    assert adapt(Recording(signal, WANTED.leads, 500), WANTED).signal_mv.shape == (1000, 3)


def test_a_slightly_shorter_recording_is_padded_with_its_last_sample():
    short = waves(850)
    found = adapt(short, WANTED)
    np.testing.assert_array_equal(found.signal_mv[:850], short.signal_mv)
    assert (found.signal_mv[850:] == short.signal_mv[-1]).all()
    assert found.notes == ("padded the last 1.5 s with the last sample",)


def changed(at: object, value: float) -> Recording:
    recording = waves()
    recording.signal_mv[at] = value
    return recording


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        (waves(leads=("I", "V6")), "lacks II, V2: the model takes I, II, V2, the recording has I, V6"),
        (waves(100), r"lasts 1 s, but the model takes 10 s, at least 8 s of them"),
        (waves(799), "lasts 7.99 s, but the model takes 10 s"),
        (Recording(np.zeros((0, 3)), WANTED.leads, 100), "lasts 0 s, but the model takes 10 s"),
        (changed((5, 1), np.nan), r"1 sample is missing \(NaN or infinite\) in II"),
        (changed((slice(5, 8), 2), np.inf), r"3 samples are missing \(NaN or infinite\) in V2"),
        (changed((slice(None), 1), 0.25), "II is constant, as with a loose electrode"),
        (Recording(np.zeros((1000, 3)), WANTED.leads, 100), "I, II, V2 is constant"),
        (
            Recording(1000 * waves().signal_mv, WANTED.leads, 100),
            r"values reach 1000 mV, .* if they are microvolts, .* say --units uv where",
        ),
        (Recording(waves().signal_mv / 1000, WANTED.leads, 100), r"values span 0.002 mV, .* say --units v or --units mv where"),
        (changed((7, 0), -10.5), "values reach 10.5 mV"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused_with_the_remedy(recording, said):
    with pytest.raises(DataError, match=said):
        adapt(recording, WANTED)


def test_leads_that_the_model_does_not_take_are_not_examined():
    recording = Recording(np.hstack([waves().signal_mv, np.full((1000, 1), np.nan)]), ("I", "II", "V2", "V6"), 100)
    np.testing.assert_array_equal(adapt(recording, WANTED).signal_mv, waves().signal_mv)


@pytest.mark.parametrize(
    ("signal", "leads", "rate_hz", "said"),
    [
        (np.zeros(9), ("I",), 100, r"a signal is numbers \(n_samples, n_leads\), but got float64 \(9,\)"),
        (np.zeros((2, 9)), ("I", "II"), 100, "2 leads are named, but the signal has 9 columns: transpose it"),
        (np.zeros((9, 2)), ("I", "MLII"), 100, "MLII is no standard lead"),
        (np.zeros((9, 2)), ("I", "Lead I"), 100, "has lead I twice"),
        (np.zeros((9, 1)), ("I",), 0, "the sampling rate must be 50 to 20000 Hz, but got 0"),
        (np.array([["a"]]), ("I",), 100, "a signal is numbers"),
    ],
)
def test_a_recording_that_does_not_fit_together_is_refused(signal, leads, rate_hz, said):
    with pytest.raises(DataError, match=said):
        Recording(signal, leads, rate_hz)
