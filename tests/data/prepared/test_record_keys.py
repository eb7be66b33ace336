"""Keys by which a ledger knows records again."""

from __future__ import annotations

import numpy as np

from ecg_tune.data.prepared.record_keys import joined, parted, record_keys


def records(*, sex: int, age: float) -> dict[str, np.ndarray]:
    return {"ecg_id": np.array([1, 2]), "patient_id": np.array([7, 7]), "sex": np.array([sex, sex]), "age": np.array([age, age])}


def test_a_known_record_keeps_its_key_whatever_its_samples_are():
    for sex, age in ((1, 50.0), (-1, 50.0), (0, np.nan)):
        known = records(sex=sex, age=age)
        assert record_keys(known, [b"a", b"b"]) == record_keys(known, [b"c", b"d"]) == record_keys(known)
        assert len(set(record_keys(known))) == 2


def test_records_that_are_only_numbered_are_known_by_their_samples():
    """Two trees without tables number their records alike: an opening of one must not count for the other."""
    numbered = records(sex=-1, age=np.nan)
    assert not set(record_keys(numbered, [b"a", b"b"])) & set(record_keys(numbered, [b"c", b"d"]))
    assert record_keys(numbered, [b"a", b"b"]) == record_keys({**numbered, "ecg_id": np.array([8, 9])}, [b"a", b"b"])


def test_keys_are_joined_and_parted():
    keys = record_keys(records(sex=1, age=50.0))
    assert parted(joined(keys)) == set(keys)
    assert parted("") == frozenset()
