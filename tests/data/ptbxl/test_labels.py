"""The label rule on a table made by hand."""

from __future__ import annotations

import pytest

from ecg_tune.config import CLASS_NAMES, LABEL_LEVELS
from ecg_tune.data.ptbxl.labels import Statement, describe_rule, label_set, multi_hot
from ecg_tune.errors import DataError

STATEMENTS = (
    Statement("SR", diagnostic=False, form=False, rhythm=True),
    Statement("IMI", True, False, False, "MI", "IMI"),
    Statement("ASMI", True, False, False, "MI", "AMI"),
    Statement("AMI", True, False, False, "MI", "AMI"),
    Statement("NDT", True, True, False, "STTC", "STTC"),
    Statement("QWAVE", False, True, False),
    Statement("CLBBB", True, False, False, "CD", "CLBBB"),
    Statement("LVH", True, False, False, "HYP", "LVH"),
    Statement("NORM", True, False, False, "NORM", "NORM"),
)
SUPERCLASSES = label_set("superclass", STATEMENTS)


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
    assert multi_hot([codes], SUPERCLASSES).tolist() == [expected]


def test_a_bound_on_the_likelihood_drops_lower_and_unknown_ones() -> None:
    labels = multi_hot([{"IMI": 0.0, "NDT": 49.0, "CLBBB": 50.0, "LVH": 100.0}], SUPERCLASSES, min_likelihood=50)
    assert labels.tolist() == [[0, 0, 0, 1, 1]]


def test_the_rule_in_words_states_its_bound() -> None:
    assert "whatever its likelihood" in str(describe_rule(0)["text"])
    assert "at least 50" in str(describe_rule(50)["text"])
    assert describe_rule(50)["min_likelihood"] == 50.0


@pytest.mark.parametrize(
    ("level", "classes"),
    [
        ("superclass", CLASS_NAMES),
        ("subclass", ("NORM", "IMI", "AMI", "STTC", "CLBBB", "LVH")),
        ("diagnostic", ("NORM", "IMI", "ASMI", "AMI", "NDT", "CLBBB", "LVH")),
        ("form", ("NDT", "QWAVE")),
        ("rhythm", ("SR",)),
        ("all", ("NORM", "IMI", "ASMI", "AMI", "NDT", "CLBBB", "LVH", "QWAVE", "SR")),
    ],
)
def test_the_classes_of_a_level_are_in_the_order_of_the_superclasses_then_form_then_rhythm(level: str, classes: tuple[str, ...]) -> None:
    labels = label_set(level, STATEMENTS)
    assert labels.class_names == classes
    found = multi_hot([{statement.code: 100.0 for statement in STATEMENTS}, {}], labels)
    assert found.tolist() == [[1] * len(classes), [0] * len(classes)]


def test_two_statements_of_a_subclass_are_one_class() -> None:
    labels = label_set("subclass", STATEMENTS)
    assert multi_hot([{"ASMI": 100.0}, {"AMI": 100.0}, {"ASMI": 100.0, "AMI": 0.0}], labels).tolist() == [[0, 0, 1, 0, 0, 0]] * 3


@pytest.mark.parametrize("level", ["subclass", "form", "rhythm"])
def test_a_table_without_a_level_is_refused(level: str) -> None:
    with pytest.raises(DataError, match=f"no statement of the level '{level}'"):
        label_set(level, (Statement("NORM", True, False, False, "NORM"),))


@pytest.mark.parametrize("level", LABEL_LEVELS)
def test_the_rule_names_its_level_and_the_classes_that_were_dropped(level: str) -> None:
    text = str(describe_rule(0, level, ("PMI", "WPW"))["text"])
    assert text.startswith("union of the ")
    assert "without the rare classes PMI, WPW; records without any are dropped" in text
