"""Quality flags, each set by the thing it is named after and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ecg_tune.data.ptbxl.quality import FLAGS, count_flags, has_flag, signal_flags, table_flags


def _signals(n_records: int = 1) -> NDArray[np.int16]:
    return np.random.default_rng(0).integers(-500, 500, size=(n_records, 100, 3)).astype(np.int16)


def test_every_flag_has_its_own_bit() -> None:
    assert sorted(FLAGS.values()) == [1 << bit for bit in range(len(FLAGS))]


def test_an_ordinary_signal_has_no_flag() -> None:
    assert signal_flags(_signals()).tolist() == [0]


@pytest.mark.parametrize(
    ("name", "value", "samples"),
    [
        ("nan_sample", -32768, 3),
        ("constant_lead", 12, slice(None)),
        ("over_10_mv", 10_001, 3),
        ("over_10_mv", -10_001, 3),
    ],
)
def test_one_odd_lead_sets_exactly_its_flag(name: str, value: int, samples: int | slice) -> None:
    signals = _signals(2)
    signals[1, samples, 2] = value
    assert signal_flags(signals).tolist() == [0, FLAGS[name]]


def test_ten_millivolts_exactly_are_not_over() -> None:
    signals = _signals()
    signals[0, 0, 0], signals[0, 1, 0] = 10_000, -10_000
    assert signal_flags(signals).tolist() == [0]


def test_flags_do_not_depend_on_where_a_chunk_ends() -> None:
    signals = _signals(1100)
    signals[[0, 511, 512, 1099], :, 1] = 7
    assert np.flatnonzero(has_flag(signal_flags(signals), "constant_lead")).tolist() == [0, 511, 512, 1099]


def test_age_and_remarks_come_from_the_table() -> None:
    notes = {"pacemaker": np.array([True, False, False, True])}
    flags = table_flags(np.array([89.0, 90.0, np.nan, 300.0]), notes)
    assert has_flag(flags, "age_over_89").tolist() == [False, True, False, True]
    assert has_flag(flags, "pacemaker").tolist() == [True, False, False, True]
    assert {name: count for name, count in count_flags(flags).items() if count} == {"age_over_89": 2, "pacemaker": 2}
