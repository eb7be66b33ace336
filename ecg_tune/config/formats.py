"""Versions of the files that later versions must read: a reader refuses a higher number than its own, and says what to update."""

from __future__ import annotations

DATA = 1
"""Of prepared data, in their `manifest.json`; without a number it is 1."""
STUDY = 1
"""Of a study's attributes, see `ecg_tune.study.schema`."""
MODEL_FILE = 1
"""Of a model file, see `ecg_tune.training.model_file`."""
