"""Turn a record's SCP statements into labels, at one of the six levels that PTB-XL is studied with.

The levels are those of Strodthoff et al. (IEEE JBHI 25, 5, 2021): the five superclasses, the 23 subclasses, the 44 diagnostic
statements, the 19 of form, the 12 of rhythm, and all 71.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES
from ecg_tune.errors import DataError

WORDING = {
    "superclass": "diagnostic_class of every scp_codes statement with diagnostic = 1",
    "subclass": "diagnostic_subclass of every scp_codes statement with diagnostic = 1",
    "diagnostic": "scp_codes statements with diagnostic = 1",
    "form": "scp_codes statements with form = 1",
    "rhythm": "scp_codes statements with rhythm = 1",
    "all": "scp_codes statements",
}


@dataclass(frozen=True)
class Statement:
    """A row of `scp_statements.csv`.

    Attributes:
        superclass, subclass: Of a diagnostic statement; empty for others, and where the file has no such column.
    """

    code: str
    diagnostic: bool
    form: bool
    rhythm: bool
    superclass: str = ""
    subclass: str = ""

    def class_at(self, level: str) -> str:
        """Return the class that the statement means at a level; empty for none."""
        if level in ("superclass", "subclass"):
            return getattr(self, level) if self.diagnostic else ""
        return self.code if level == "all" or getattr(self, level) else ""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a level.

    Attributes:
        level: A name in `LABEL_LEVELS`.
        class_names: The classes in their order: diagnostic ones by superclass, then form, then rhythm.
        class_of: Statement → class, for the statements that count at this level.
    """

    level: str
    class_names: tuple[str, ...]
    class_of: Mapping[str, str]

    def without(self, rare: Sequence[str]) -> LabelSet:
        """Leave classes out."""
        kept = tuple(name for name in self.class_names if name not in rare)
        return LabelSet(self.level, kept, {code: name for code, name in self.class_of.items() if name in kept})


def label_set(level: str, statements: Sequence[Statement]) -> LabelSet:
    """Collect the classes of a level.

    Raises:
        DataError: No statement has a class at this level.
    """
    order = (*CLASS_NAMES, "")
    by_superclass = sorted(statements, key=lambda statement: (order.index(statement.superclass), not statement.form))
    class_of = {statement.code: name for statement in by_superclass if (name := statement.class_at(level))}
    if not class_of:
        raise DataError(f"scp_statements.csv has no statement of the level {level!r}, or lacks its column: fetch it again")
    found = CLASS_NAMES if level == "superclass" else tuple(dict.fromkeys(class_of.values()))
    return LabelSet(level, found, class_of)


def multi_hot(scp_codes: Sequence[Mapping[str, float]], labels: LabelSet, *, min_likelihood: float = 0.0) -> NDArray[np.uint8]:
    """Label each record with the classes of its statements.

    A statement counts when it has a class and its likelihood is at least `min_likelihood`. The published 0 means
    "unknown", not "absent", so the default keeps it; any higher bound drops it.

    Args:
        scp_codes: For every record, statement → likelihood in percent.
        min_likelihood: Percent, 0..100.

    Returns:
        (n_records, n_classes) uint8 of 0 and 1, in the order of `labels.class_names`; a row of zeros where no statement counts.
    """
    column = {name: k for k, name in enumerate(labels.class_names)}
    found = np.zeros((len(scp_codes), len(column)), dtype=np.uint8)
    for row, codes in enumerate(scp_codes):
        for code, likelihood in codes.items():
            if code in labels.class_of and likelihood >= min_likelihood:
                found[row, column[labels.class_of[code]]] = 1
    return found


def describe_rule(min_likelihood: float, level: str = "superclass", dropped: Sequence[str] = ()) -> dict[str, str | float]:
    """Word the label rule for the manifest and the reports.

    Args:
        dropped: Classes that were left out since too few records have them.
    """
    bound = "whatever its likelihood" if min_likelihood == 0 else f"with a likelihood of at least {min_likelihood:g} (unknown ones dropped)"
    rare = f"; without the rare classes {', '.join(dropped)}" if dropped else ""
    text = f"union of the {WORDING[level]}, {bound}{rare}; records without any are dropped"
    return {"text": text, "min_likelihood": float(min_likelihood)}
