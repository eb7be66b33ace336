"""What a model says of one recording: probabilities, thresholds, decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.prediction.model_choice import ChosenModel
from ecg_tune.data.recordings.adaptation import AdaptedSignal, adapt
from ecg_tune.data.recordings.recording import Recording
from ecg_tune.errors import DataError
from ecg_tune.metrics import UNTUNED_RULE, Array, untuned_classes
from ecg_tune.training.predictor import predict_signals, signal_format

HALF = "half"
"""The rule by which every threshold is 0.5."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """One recording's prediction.

    Attributes:
        recording: Its name.
        model: The model's name.
        synthetic: Whether the model was trained on simulated records.
        rule: Of the thresholds.
        probabilities, thresholds: (n_classes,) in 0..1.
        calibrated: (n_classes,) in 0..1; None when the model file holds no scaling.
        adapted: The signal that was predicted, with notes on what was done to it.
    """

    recording: str
    model: str
    synthetic: bool
    class_names: tuple[str, ...]
    rule: str
    probabilities: Array
    thresholds: Array
    calibrated: Array | None
    adapted: AdaptedSignal

    @property
    def decisions(self) -> list[bool]:
        """Tell for each class whether its probability reaches the threshold."""
        return [bool(decision) for decision in self.probabilities >= self.thresholds]

    @property
    def threshold_note(self) -> str:
        """Name the classes whose threshold was not tuned; empty when all were, and for thresholds of 0.5 by choice."""
        names = [] if self.rule == HALF else untuned_classes(self.class_names, self.thresholds)
        return f"{', '.join(names)}: threshold not tuned; it is {UNTUNED_RULE}" if names else ""

    @property
    def surest(self) -> int:
        """Find the class whose probability is farthest above its threshold, or least below it."""
        return int(np.argmax(self.probabilities - self.thresholds))

    def as_json(self) -> dict[str, Any]:
        """Write it as one JSON object."""
        calibrated = [None] * len(self.class_names) if self.calibrated is None else self.calibrated.tolist()
        columns = zip(self.class_names, self.probabilities.tolist(), calibrated, self.thresholds.tolist(), self.decisions, strict=True)
        classes = [
            {"class": name, "probability": p, "calibrated": scaled, "threshold": threshold, "decision": decision}
            for name, p, scaled, threshold, decision in columns
        ]
        facts = {"recording": self.recording, "model": self.model, "synthetic": self.synthetic, "thresholds": self.rule}
        return {**facts, "classes": classes, "threshold_note": self.threshold_note, "notes": list(self.adapted.notes)}


def predict_recording(model: ChosenModel, recording: Recording, *, rule: str = "f1", device: str = "cpu") -> Prediction:
    """Predict one recording.

    Args:
        rule: Of the thresholds: "f1" (highest F1 on validation), "half" (0.5), or "sensitivity" where the model has it.

    Raises:
        DataError: The recording does not fit the model, the model has no such thresholds, or what it predicts is no number.
    """
    thresholds = model.thresholds(rule)
    adapted = adapt(recording, signal_format(model.predictor))
    probabilities = predict_signals(model.predictor, adapted.signal_mv[None], device=device)
    if not np.isfinite(probabilities).all():
        raise DataError(f"the model in {model.file} predicts numbers that are not finite: train it again")
    calibrated = model.calibrated(probabilities)
    return Prediction(
        recording=recording.name,
        model=model.name,
        synthetic=model.predictor.synthetic,
        class_names=model.predictor.class_names,
        rule=rule,
        probabilities=probabilities[0],
        thresholds=thresholds,
        calibrated=None if calibrated is None else calibrated[0],
        adapted=adapted,
    )
