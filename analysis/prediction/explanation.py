"""Which samples of a recording moved one prediction: integrated gradients of a signal model, as the evaluation computes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from analysis.evaluation.explanations.model_explanations import explain_signal
from analysis.prediction.model_choice import ChosenModel
from analysis.prediction.prediction import Prediction
from ecg_tune.errors import ConfigError
from ecg_tune.metrics import Array
from ecg_tune.models import MODELS
from ecg_tune.training.predictor import Predictor


@dataclass(frozen=True)
class SignalExplanation:
    """The explanation of one class.

    Attributes:
        k: Index of the class.
        values: (n_samples, n_leads), attribution of each sample to the class' logit.
    """

    k: int
    values: Array


def check_explainable(model: ChosenModel) -> None:
    """Refuse a model whose predictions can't be shown on the signal.

    Raises:
        ConfigError: An ensemble, or a model that takes images.
    """
    predictor = model.predictor
    if not isinstance(predictor, Predictor) or MODELS[predictor.config.family].inputs != "signal":
        raise ConfigError(f"--explain colours the signal, which {model.name} does not take by itself: name a signal model, or leave it out")


def explain_prediction(model: ChosenModel, prediction: Prediction, *, device: str = "cpu") -> SignalExplanation:
    """Explain the class whose probability is farthest above its threshold.

    Raises:
        ConfigError: As `check_explainable`.
    """
    check_explainable(model)
    assert isinstance(model.predictor, Predictor)
    k = prediction.surest
    signal = torch.tensor(prediction.adapted.signal_mv[None], dtype=torch.float32, device=device)
    attribution = explain_signal(model.predictor.to(device).eval(), signal, k)
    return SignalExplanation(k, attribution.values.detach().cpu().double().numpy())
