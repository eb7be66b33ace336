"""The dipole model: laws every 12-lead recording obeys, and changes every disease makes."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.synthetic.beats import normal_beat
from ecg_tune.data.synthetic.dipole import ELECTRODES, DipoleParameters, Noise, Rhythm, frontal_axis_deg, render
from ecg_tune.data.synthetic.pathology import EFFECTS, diseased_beat
from ecg_tune.data.synthetic.statements import STATEMENTS
from ecg_tune.errors import ConfigError

N = len(ELECTRODES)
NO_NOISE = Noise(np.zeros(N), np.zeros(N), np.zeros(N))
STORM = Noise(np.full(N, 80.0), np.full(N, 30.0), np.full(N, 400.0), burst=(5.0, 1.0, 200.0))


def _typical_mv(severities=(), *, rhythm=None, noise=NO_NOISE):
    """Average over 8 persons of one record each, (persons, 1000, 12) millivolts, with these {code: severity}."""
    signals = []
    for person in range(8):
        beat = normal_beat(sex=person % 2, age=50, patient=np.random.default_rng(person), record=np.random.default_rng(100 + person))
        beat = diseased_beat(beat, dict(severities))
        signals.append(render(DipoleParameters(beat, rhythm or Rhythm(), noise), np.random.default_rng(200 + person)))
    return np.stack(signals) / 1000


def _lead(signals, name):
    return signals[:, :, LEAD_NAMES.index(name)]


@pytest.mark.parametrize("noise", [NO_NOISE, STORM], ids=["no noise", "storm"])
def test_einthoven_and_goldberger_hold_within_two_microvolts(noise):
    signals_uv = 1000 * _typical_mv(noise=noise)
    one, two, three, avr, avl, avf = (_lead(signals_uv, name) for name in LEAD_NAMES[:6])
    assert np.abs(one + three - two).max() <= 2.01
    assert np.abs(avr + avl + avf).max() <= 2.01
    assert np.abs(avr + (one + two) / 2).max() <= 2.01


def test_r_grows_from_v1_to_v4_and_s_shrinks_from_v2_to_v6():
    signals = _typical_mv()
    r = [float(_lead(signals, f"V{k}").max(axis=1).mean()) for k in range(1, 7)]
    s = [float(_lead(signals, f"V{k}").min(axis=1).mean()) for k in range(1, 7)]
    assert r[0] < r[1] < r[2] < r[3]
    assert s[1] < s[3] < s[4] < s[5] < 0


def test_voltages_are_those_of_people():
    signals = _typical_mv(noise=Noise(np.full(N, 6.0), np.full(N, 2.0), np.full(N, 28.0)))
    assert 0.1 < signals.std() < 0.35
    assert np.abs(signals).max() < 5


def test_normal_axis_points_left_and_down():
    beats = [normal_beat(sex=0, age=50, patient=np.random.default_rng(k), record=np.random.default_rng(k)) for k in range(60)]
    axes = np.array([frontal_axis_deg(beat) for beat in beats])
    assert 10 < np.median(axes) < 70
    assert np.mean((axes > -30) & (axes < 100)) > 0.9


def test_every_severity_effect_belongs_to_a_statement():
    assert set(EFFECTS) == {code for code, s in STATEMENTS.items() if "diagnostic" in s.kinds and code != "NORM"} | {"PACE"}


@pytest.mark.parametrize("code", [code for code in EFFECTS if code != "PACE"])
def test_severity_zero_changes_nothing_and_severity_one_changes_the_signal(code):
    healthy = _typical_mv()
    np.testing.assert_allclose(_typical_mv({code: 0.0}), healthy, atol=0.0011)
    assert np.abs(_typical_mv({code: 1.0}) - healthy).max() > 0.05


def test_anterior_infarction_takes_r_from_v2_and_inferior_digs_q_in_avf():
    healthy, anterior, inferior = _typical_mv(), _typical_mv({"ASMI": 1.0}), _typical_mv({"IMI": 1.0})
    assert _lead(anterior, "V2").max(axis=1).mean() < 0.9 * _lead(healthy, "V2").max(axis=1).mean()
    assert _lead(inferior, "AVF").min(axis=1).mean() < _lead(healthy, "AVF").min(axis=1).mean() - 0.1


def test_left_bundle_block_deepens_v1_and_widens_qrs():
    healthy, blocked = _typical_mv(), _typical_mv({"CLBBB": 1.0})
    assert _lead(blocked, "V1").min(axis=1).mean() < _lead(healthy, "V1").min(axis=1).mean() - 0.3
    deep = [float(np.mean(np.abs(_lead(s, "V1")) > 0.4 * np.abs(_lead(s, "V1")).max(axis=1, keepdims=True))) for s in (healthy, blocked)]
    assert deep[1] > 1.2 * deep[0]


def test_left_hypertrophy_raises_voltage_and_left_fascicular_block_turns_the_axis_left():
    assert np.abs(_typical_mv({"LVH": 1.0})).max() > 1.3 * np.abs(_typical_mv()).max()
    beat = normal_beat(sex=0, age=50, patient=np.random.default_rng(1), record=np.random.default_rng(1))
    assert frontal_axis_deg(diseased_beat(beat, {"LAFB": 1.0})) < frontal_axis_deg(beat) - 30


def test_loose_chest_lead_is_constant_and_leaves_the_others_alone():
    signals = _typical_mv(noise=Noise(np.zeros(N), np.zeros(N), np.zeros(N), loose=LEAD_NAMES.index("V4")))
    assert (_lead(signals, "V4") == 0).all()
    others = np.delete(signals, LEAD_NAMES.index("V4"), axis=2)
    assert (others.std(axis=1) > 0).all()


def test_faster_heart_gives_more_beats():
    slow, fast = (_typical_mv(rhythm=Rhythm(rate_bpm=rate, rr_sd=0, arrhythmia=0)) for rate in (50, 100))

    def beats(signals):
        lead = -_lead(signals, "V1")
        high = lead > 0.5 * lead.max(axis=1, keepdims=True)
        return float(np.mean((high[:, 1:] & ~high[:, :-1]).sum(axis=1)))

    assert 7 <= beats(slow) <= 10
    assert 15 <= beats(fast) <= 18


def test_limb_lead_cannot_be_loose():
    with pytest.raises(ConfigError, match=r"only a chest lead can be loose .* loose=0"):
        Noise(np.zeros(N), np.zeros(N), np.zeros(N), loose=0)


def test_impossible_heart_rate_is_refused():
    with pytest.raises(ConfigError, match=r"rate_bpm must be 20\.\.250, but got 300"):
        Rhythm(rate_bpm=300)
