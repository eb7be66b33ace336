"""An ensemble's file as a module that predicts: the members' weighted mean probability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from analysis.retraining.ensemble_file import SavedEnsemble, load_ensemble
from ecg_tune.errors import DataError
from ecg_tune.models import MODELS
from ecg_tune.training.model_file import load_model
from ecg_tune.training.predictor import Predictor


class EnsemblePredictor(nn.Module):
    """Predicts with all members and averages their probabilities by weight.

    Args:
        members: Predictors of raw millivolts.
        saved: Their weights, in the same order; and the thresholds and Platt scaling for the mean.

    Attributes:
        thresholds: For the mean probabilities, by rule ("half", "f1", "sensitivity"), one value a class.
        platt: Slope and intercept of each class, (n_classes, 2), for `analysis.retraining.platt.platt_scaled`.
        leads, class_names, synthetic, sampling_rate_hz, n_samples: As those of a `Predictor`.
    """

    def __init__(self, members: Sequence[Predictor], saved: SavedEnsemble) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.saved = saved
        self.thresholds, self.platt = saved.thresholds, np.array(saved.platt)
        first = members[0]  # all members were trained on the same data
        self.leads, self.class_names, self.synthetic = first.leads, first.class_names, first.synthetic
        self.sampling_rate_hz, self.n_samples = first.sampling_rate_hz, first.n_samples

    @property
    def stored_images(self) -> bool:
        """Whether a member takes images that come with the data."""
        return any(member.config.stored_images for member in self.members if isinstance(member, Predictor))

    def forward(self, signal_mv: Tensor, images: Tensor | None = None) -> Tensor:
        """Map signals (batch, n_samples, n_leads) in millivolts to logits (batch, n_classes), float32, of the mean probability.

        Args:
            images: (batch, n_channels, size, size), for members that take stored images.
        """
        probabilities = [predictor(signal_mv, images).double().sigmoid() for predictor in self.members]
        weighted = [member.weight * of_member for member, of_member in zip(self.saved.members, probabilities, strict=True)]
        return torch.logit(torch.stack(weighted).sum(0), eps=1e-7).float()


def build_ensemble(path: Path) -> tuple[EnsemblePredictor, str]:
    """Load the ensemble of a file on the CPU, and say what its members take: "signal", "image", or "fusion" when they differ.

    Raises:
        DataError: As `load_ensemble`.
    """
    saved = load_ensemble(path)
    members = [load_model(path.with_name(member.file)) for member in saved.members]
    classes = len(members[0].class_names)
    if any(member.class_names != members[0].class_names for member in members) or np.shape(saved.platt) != (classes, 2):
        raise DataError(f"{path} joins models of other classes: run `ecg-tune retrain` again")
    kinds = {MODELS[member.config.family].inputs for member in members}
    return EnsemblePredictor(members, saved).eval(), kinds.pop() if len(kinds) == 1 else "fusion"
