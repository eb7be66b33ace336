"""Which families fail trial after trial, so that they are no longer sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class FamilyFailures:
    """Counts each family's failures in a row.

    Attributes:
        dropped: Families that this run samples no more.
    """

    def __init__(self, families: Sequence[str], *, most: int) -> None:
        self.families, self.most = tuple(families), most
        self.in_a_row, self.dropped = Counter[str](), list[str]()

    def count(self, family: str, *, failed: bool) -> str:
        """Take in how a trial ended. Returns what the user should know; "" for nothing."""
        self.in_a_row[family] = self.in_a_row[family] + 1 if failed else 0
        if self.in_a_row[family] < self.most or family in self.dropped:
            return ""
        self.dropped.append(family)
        return f"{family} is no longer sampled: its last {self.in_a_row[family]} trials failed (see `ecg-tune status`)"

    @property
    def left(self) -> list[str]:
        """The families that may be sampled."""
        return [family for family in self.families if family not in self.dropped]
