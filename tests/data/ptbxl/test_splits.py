"""The split schemes, and that no patient is in two splits."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_tune.data.ptbxl.splits import SPLIT_SCHEMES, assign_splits
from ecg_tune.errors import ConfigError, DataError

N_PATIENTS = 2000
PATIENT_ID = np.repeat(np.arange(N_PATIENTS), 2)
FOLD = PATIENT_ID % 10 + 1


def test_official_takes_folds_one_to_eight_nine_and_ten() -> None:
    splits = assign_splits("official", patient_id=np.arange(10), fold=np.arange(1, 11))
    assert splits.tolist() == ["train"] * 8 + ["validation", "test"]


def test_seventy_fifteen_fifteen_shares_fold_eight_between_the_other_two() -> None:
    splits = assign_splits("70-15-15", patient_id=PATIENT_ID, fold=FOLD)
    assert set(splits[FOLD <= 7]) == {"train"}
    assert set(splits[FOLD == 9]) == {"validation"}
    assert set(splits[FOLD == 10]) == {"test"}
    half = (splits[FOLD == 8] == "validation").mean()
    assert 0.4 < half < 0.6
    assert set(splits[FOLD == 8]) == {"validation", "test"}


def test_the_half_of_fold_eight_depends_on_the_patient_alone() -> None:
    all_splits = assign_splits("70-15-15", patient_id=PATIENT_ID, fold=FOLD)
    some = np.random.default_rng(0).permutation(len(FOLD))[:300]
    assert (assign_splits("70-15-15", patient_id=PATIENT_ID[some], fold=FOLD[some]) == all_splits[some]).all()


@pytest.mark.parametrize("split_scheme", SPLIT_SCHEMES)
def test_a_patient_in_two_splits_is_refused_by_number(split_scheme: str) -> None:
    with pytest.raises(DataError, match=r"1 patient\(s\) are in more than one split \(7\)"):
        assign_splits(split_scheme, patient_id=np.array([7, 7, 8]), fold=np.array([1, 10, 9]))


@pytest.mark.parametrize("split_scheme", SPLIT_SCHEMES)
def test_a_patient_in_two_training_folds_is_fine(split_scheme: str) -> None:
    assert assign_splits(split_scheme, patient_id=np.array([7, 7]), fold=np.array([1, 2])).tolist() == ["train", "train"]


def test_a_fold_beyond_ten_is_refused() -> None:
    with pytest.raises(DataError, match=r"strat_fold must be 1\.\.10, but patient 3 has 11"):
        assign_splits("official", patient_id=np.array([3]), fold=np.array([11]))


def test_an_unknown_split_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'official'"):
        assign_splits("oficial", patient_id=np.array([3]), fold=np.array([1]))
