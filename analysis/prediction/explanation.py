"""Which samples of a recording moved one prediction, by the methods of the evaluation: integrated gradients, Grad-CAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from analysis.evaluation.explanations.model_explanations import explain_image, explain_signal
from analysis.prediction.model_choice import ChosenModel
from analysis.prediction.prediction import Prediction
from ecg_tune.errors import ConfigError
from ecg_tune.metrics import Array
from ecg_tune.models import MODELS
from ecg_tune.training.predictor import Predictor


@dataclass(frozen=True, eq=False)
class SignalExplanation:
    """The explanation of one class.

    Attributes:
        k: Index of the class.
        values: (n_samples, n_leads): what each sample did to the class' logit.
        text: How to read it.
    """

    k: int
    values: Array
    text: str


def check_explainable(model: ChosenModel) -> None:
    """Refuse a model whose predictions can't be shown on the signal.

    Raises:
        ConfigError: An ensemble, or a model that takes both signals and images.
    """
    if _kind(model) not in ("signal", "image"):
        raise ConfigError(
            f"--explain shows what one network saw, and {model.name} is of several: name a signal or image model, or leave it out"
        )


def explain_prediction(model: ChosenModel, prediction: Prediction, *, device: str = "cpu") -> SignalExplanation:
    """Explain the class whose probability is farthest above its threshold.

    Raises:
        ConfigError: As `check_explainable`.
    """
    check_explainable(model)
    assert isinstance(model.predictor, Predictor)
    k, predictor = prediction.surest, model.predictor.to(device).eval()
    signal = torch.tensor(prediction.adapted.signal_mv[None], dtype=torch.float32, device=device)
    name = prediction.class_names[k]
    if _kind(model) == "signal":
        values = explain_signal(predictor, signal, k).values.detach().cpu().double().numpy()
        text = f"Colours: integrated gradients for {name}. Orange raised its logit against a flat line, blue lowered it."
        return SignalExplanation(k, values, text)
    over_time = explain_image(predictor, signal, k)
    text = f"Colours: Grad-CAM of the images for {name}, over time, the same on all leads. Orange raised its logit."
    return SignalExplanation(k, np.repeat(over_time[:, None], signal.shape[2], axis=1), text)


def _kind(model: ChosenModel) -> str:
    return MODELS[model.predictor.config.family].inputs if isinstance(model.predictor, Predictor) else "ensemble"
