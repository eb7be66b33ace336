"""Names of the exchange layout that its writer and its reader share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHORT = {"train": "train", "validation": "val", "test": "test"}
"""Split → its name in the files of `labels/`."""
FACTS = ("class_names", "leads", "sampling_rate_hz", "n_samples", "split", "label_rule", "normalisation", "synthetic", "source")
"""Facts of the data that `dataset.json` must hold."""
DATASET = "dataset.json"
IMAGE_FOLDERS = ("gaf", "mtf")
"""Folders of images in a tree: Gramian angular fields, Markov transition fields."""
NO_IMAGES = "none"
"""What a user says to have no folder of images written or kept."""
IMAGES_ALONE: Mapping[str, Any] = {"leads": [], "sampling_rate_hz": 0, "n_samples": 0, "normalisation": {"kind": "none"}}
"""What is said of signals where there are none."""
