"""What a study says of itself: the data it was searched on, and the settings of its search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SPACE = ("families", "space", "space_version", "memory_gb")
"""Attributes that define the search space. They may change within a study."""


@dataclass(frozen=True)
class StudyAttributes:
    """A study's own facts. A field is None, or empty, where the study does not say: somebody else may have made it.

    Attributes:
        data_path: Where the data lay when it was searched: a folder, or s3://BUCKET/PREFIX.
        split: Scheme of the split, e.g. "official".
        images: Channels and pixels a side of the data's stored images; empty where images are computed.
        n_records: Records of "train" and "validation".
        limited: "500 of 21799 records" where the data were prepared with `--limit`.
        minimise: Objectives beside the metric.
        space: What the user changed in the search space.
        space_version: Edition of the built-in search spaces, see `SPACE_VERSION`.
        earlier_spaces: What the study was searched in before its space changed, oldest first: the names of `SPACE`, and "trials",
            how many trials it had when the space changed. None is left as it is, as with a note.
        learnt_priors: Parameter → value that studies on other data taught it to believe in; None is left as it is.
        rungs: Epochs at which trials are compared, ascending.
        settings: All settings of the last search, plain data; None when no search made the study.
        checkpoints: Where checkpoints lie when that is not the study's folder: a folder, or s3://BUCKET/PREFIX.
        note, tags: What the user noted of it; None is left as it is when a search writes these facts.
        format: Version of the format in which the study is written, see `ecg_tune.study.schema`.
    """

    data_fingerprint: str | None = None
    data_path: str | None = None
    split: str | None = None
    leads: tuple[str, ...] = ()
    images: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    n_records: Mapping[str, int] = field(default_factory=dict)
    synthetic: bool = False
    limited: str = ""
    metric: str | None = None
    minimise: tuple[str, ...] = ()
    profile: str | None = None
    families: tuple[str, ...] = ()
    max_epochs: int | None = None
    space: Mapping[str, Any] = field(default_factory=dict)
    space_version: int = 1
    memory_gb: float | None = None
    rungs: tuple[int, ...] = ()
    scheduler: str | None = None
    sampler: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] | None = None
    checkpoints: str | None = None
    earlier_spaces: tuple[Mapping[str, Any], ...] | None = None
    learnt_priors: Mapping[str, Any] | None = None
    note: str | None = None
    tags: tuple[str, ...] | None = None
    format: int = 0

    @property
    def space_since(self) -> int:
        """Number of the first trial that could be suggested from the space of today."""
        return int(self.earlier_spaces[-1]["trials"]) if self.earlier_spaces else 0

    @property
    def made_by_search(self) -> bool:
        """Whether `ecg-tune search` made the study, and lived long enough to say so."""
        return self.settings is not None
