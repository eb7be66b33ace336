"""The label rule on a table made by hand."""

from __future__ import annotations

import pytest

from ecg_tune.data.ptbxl.labels import describe_rule, multi_hot

SUPERCLASS_OF = {"NORM": "NORM", "IMI": "MI", "ASMI": "MI", "NDT": "STTC", "CLBBB": "CD", "LVH": "HYP"}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"NORM": 100.0, "SR": 0.0}, [1, 0, 0, 0, 0]),
        ({"IMI": 0.0}, [0, 1, 0, 0, 0]),
        ({"IMI": 15.0, "ASMI": 100.0}, [0, 1, 0, 0, 0]),
        ({"QWAVE": 100.0, "ABQRS": 100.0}, [0, 0, 0, 0, 0]),
        ({"IMI": 50.0, "NDT": 0.0, "CLBBB": 80.0, "LVH": 35.0}, [0, 1, 1, 1, 1]),
        ({}, [0, 0, 0, 0, 0]),
    ],
    ids=["norm", "likelihood 0 counts", "two statements of a class", "form only", "several classes", "nothing"],
)
def test_a_record_gets_the_union_of_its_diagnostic_superclasses(codes: dict[str, float], expected: list[int]) -> None:
    assert multi_hot([codes], SUPERCLASS_OF).tolist() == [expected]


def test_a_bound_on_the_likelihood_drops_lower_and_unknown_ones() -> None:
    labels = multi_hot([{"IMI": 0.0, "NDT": 49.0, "CLBBB": 50.0, "LVH": 100.0}], SUPERCLASS_OF, min_likelihood=50)
    assert labels.tolist() == [[0, 0, 0, 1, 1]]


def test_the_rule_in_words_states_its_bound() -> None:
    assert "whatever its likelihood" in str(describe_rule(0)["text"])
    assert "at least 50" in str(describe_rule(50)["text"])
    assert describe_rule(50)["min_likelihood"] == 50.0
