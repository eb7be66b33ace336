"""Names of the exchange layout that its writer and its reader share."""

from __future__ import annotations

SHORT = {"train": "train", "validation": "val", "test": "test"}
"""Split → its name in the files of `labels/`."""
FACTS = ("class_names", "leads", "sampling_rate_hz", "n_samples", "split", "label_rule", "normalisation", "synthetic", "source")
"""Facts of the data that `dataset.json` must hold."""
DATASET = "dataset.json"
