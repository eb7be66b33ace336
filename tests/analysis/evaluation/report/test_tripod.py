"""The checklist has the published items, each once, in their order, and says whom each concerns."""

from __future__ import annotations

from analysis.evaluation.report.tripod import DEVELOPMENT, EVALUATION, ITEMS, tripod_table

LETTERS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc"}
"""Items of several parts (Collins et al., BMJ 385, e078378, 2024)."""
NUMBERS = [f"{item}{letter}" for item in range(1, 28) for letter in LETTERS.get(item, [""])]


def test_the_items_are_the_52_of_the_publication_in_their_order() -> None:
    assert len(NUMBERS) == 52
    assert [item.number for item in ITEMS] == NUMBERS


def test_eight_items_concern_development_alone_four_evaluation_alone() -> None:
    assert set(NUMBERS) >= DEVELOPMENT | EVALUATION
    assert tripod_table()["Stage"].value_counts().to_dict() == {"D;E": 40, "D": 8, "E": 4}


def test_parts_of_one_item_may_differ_in_topic_only_in_open_science() -> None:
    topics = {number: {item.topic for item in ITEMS if item.number.rstrip("abcdefg") == str(number)} for number in range(1, 28)}
    assert {number for number, found in topics.items() if len(found) > 1} == {18}
    assert len(topics[18]) == 6
