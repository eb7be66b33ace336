"""What the models predict on validation and test: the probabilities of every seed, with what was fitted on validation before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions
from analysis.retraining.candidates import Candidate
from analysis.retraining.platt import platt_parameters, platt_scaled
from analysis.retraining.predictions import predict_split
from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import Array


@dataclass(frozen=True)
class SeedPredictions:
    """The predictions of one model file.

    Attributes:
        seed: Of the training.
        validation_macro_auc: As the file says.
        validation, test: (n_records, n_classes) probabilities on the two splits; on validation those of the model or, when it
            was trained on validation too, of its reference model.
        f1_thresholds: (n_classes,), highest F1 on validation.
        sensitivity_thresholds: (n_classes,), the highest that reach the wanted sensitivity on validation.
        platt: (n_classes, 2), slope and intercept fitted on validation.
        file: Name of the model file; "" for an ensemble.
    """

    seed: int
    validation_macro_auc: float
    validation: Array
    test: Array
    f1_thresholds: Array
    sensitivity_thresholds: Array
    platt: Array
    file: str = ""

    @property
    def calibrated(self) -> Array:
        """Scale the test probabilities by Platt's method, (n_records, n_classes)."""
        return platt_scaled(self.test, self.platt)

    def of_classes(self, columns: Sequence[int]) -> SeedPredictions:
        """Keep some of the classes, by their numbers."""
        chosen = list(columns)
        per_record = {name: getattr(self, name)[:, chosen] for name in ("validation", "test")}
        per_class = {name: getattr(self, name)[chosen] for name in ("f1_thresholds", "sensitivity_thresholds", "platt")}
        return replace(self, **per_record, **per_class)


@dataclass(frozen=True)
class ModelPredictions:
    """The predictions of one retrained trial, one entry a seed."""

    name: str
    seeds: tuple[SeedPredictions, ...]

    @property
    def chosen(self) -> int:
        """Find the seed with the best validation macro AUC, the one in `<Name>_best.pth`; return its index."""
        return int(np.argmax([np.nan_to_num(seed.validation_macro_auc, nan=-1.0) for seed in self.seeds]))

    def of_classes(self, columns: Sequence[int]) -> ModelPredictions:
        """Keep some of the classes, by their numbers."""
        return ModelPredictions(self.name, tuple(seed.of_classes(columns) for seed in self.seeds))

    @property
    def at_f1_thresholds(self) -> list[ThresholdedPredictions]:
        """Pair every seed's test probabilities with its F1 thresholds."""
        return [ThresholdedPredictions(seed.test, seed.f1_thresholds) for seed in self.seeds]

    @property
    def at_half(self) -> list[ThresholdedPredictions]:
        """Pair every seed's test probabilities with thresholds of 0.5."""
        return [ThresholdedPredictions(seed.test, np.full(seed.test.shape[1], 0.5)) for seed in self.seeds]

    @property
    def at_sensitivity_thresholds(self) -> list[ThresholdedPredictions]:
        """Pair every seed's test probabilities with the thresholds of the wanted sensitivity."""
        return [ThresholdedPredictions(seed.test, seed.sensitivity_thresholds) for seed in self.seeds]


def predict(
    candidate: Candidate, validation: Split, probabilities: Sequence[Array], test: Split, *, sensitivity_target: float, device: str
) -> ModelPredictions:
    """Predict the test records with every seed of a retrained trial; one model is in memory at a time.

    Args:
        validation: Thresholds of the wanted sensitivity and Platt scaling are fitted on it.
        probabilities: What `predict_validation` predicted there, one (n_records, n_classes) array a seed.
        sensitivity_target: 0.01 to 1.

    Raises:
        DataError: A prediction is not a finite number.
    """
    seeds = []
    for path, saved, on_validation in zip(candidate.files, candidate.seeds, probabilities, strict=True):
        seeds.append(
            SeedPredictions(
                seed=saved.seed,
                validation_macro_auc=saved.validation_macro_auc,
                validation=on_validation,
                test=predict_split(path, test, device=device),
                f1_thresholds=np.asarray(saved.thresholds["f1"], dtype=np.float64),
                sensitivity_thresholds=sensitivity_thresholds(validation.labels, on_validation, target=sensitivity_target),
                platt=platt_parameters(validation.labels, on_validation),
                file=path.name,
            )
        )
    return ModelPredictions(candidate.name, tuple(seeds))
