"""Explanations of a few predictions of the best signal model and the best image model.

Integrated gradients explain signals, Grad-CAM explains images. `randomisation` checks whether an explanation depends on what the
model has learnt at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from analysis.evaluation.explanations.attribution import STEPS, Attribution, grad_cam, integrated_gradients
from analysis.evaluation.explanations.cases import Case, pick_cases
from analysis.evaluation.explanations.randomisation import randomisation
from analysis.evaluation.predictions import ModelPredictions
from analysis.retraining.candidates import Candidate
from ecg_tune.data.loaders import millivolts, read_images
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.metrics import Array
from ecg_tune.models import MODELS, build_model
from ecg_tune.training.model_file import SavedModel, build_predictor, load_saved
from ecg_tune.training.predictor import Predictor, model_inputs
from ecg_tune.transforms.images import IMAGES, n_channels
from ecg_tune.transforms.signals import evaluation_crops, standardise

EXPLANATIONS = "21_explanations"
METHODS = {"signal": "integrated gradients", "image": "Grad-CAM"}
N_RANDOM, RANDOM_STEPS = 3, 8
COLUMNS = (
    *("Model", "Input", "Method", "Seed", "Case", "ecg_id", "Class", "Probability", "F1_threshold"),
    *("Logit_gained", "Completeness_gap", "Rank_correlation", "Rank_correlation_lowest", "Rank_correlation_highest"),
    "Rank_correlation_signed",
)


@dataclass(frozen=True)
class ModelExplanation:
    """The explained predictions of one model.

    Attributes:
        kind: "signal" or "image".
        cases: Which predictions are explained.
        inputs: One array for each case: the signal in mV (n_samples, n_leads), or the images (n_channels, size, size).
        maps: One array for each case: attributions (n_samples, n_leads), or Grad-CAM (size, size) in 0..1.
        names: Leads or channels of the inputs.
        seconds: Length of an input; None for stored images, whose axes nobody knows.
    """

    model: str
    kind: str
    cases: tuple[Case, ...]
    inputs: tuple[Array, ...]
    maps: tuple[Array, ...]
    names: tuple[str, ...]
    seconds: float | None


def explain(
    candidates: Sequence[Candidate], data: PreparedData, test: Split, predictions: Mapping[str, ModelPredictions], *, device: str
) -> tuple[pd.DataFrame, list[ModelExplanation]]:
    """Explain a few predictions of the best model of each kind of input.

    Args:
        candidates: Best first.
        test: The opened test split.

    Returns:
        A table with one row for each explained prediction, and what the figures draw.
    """
    rows: list[dict[str, object]] = []
    explanations = []
    for kind in METHODS:
        best = next((one for one in candidates if MODELS[one.seeds[0].config.family].inputs == kind), None)
        if best:
            explanation, new_rows = _explain_model(best, kind, data, test, predictions[best.name], device)
            explanations.append(explanation)
            rows += new_rows
    return pd.DataFrame(rows, columns=COLUMNS), explanations


def _explain_model(
    candidate: Candidate, kind: str, data: PreparedData, test: Split, model: ModelPredictions, device: str
) -> tuple[ModelExplanation, list[dict[str, object]]]:
    seed = model.seeds[model.chosen]
    saved = load_saved(candidate.files[model.chosen])
    trained = build_predictor(saved).to(device).eval()
    random_models = [_random_predictor(saved, number).to(device).eval() for number in range(N_RANDOM)]
    rows, inputs, maps = [], [], []
    cases = pick_cases(test.labels, seed.test, seed.f1_thresholds)
    for case in cases:
        output = list(saved.data["class_names"]).index(data.class_names[case.k])  # external data may lack some of the model's classes
        signal = millivolts(torch.tensor(np.array(test.signals_uv[case.row : case.row + 1]), device=device))
        stored = read_images(test.images, np.array([case.row]), device) if trained.stored_images else None
        model_input, values, numbers = _explain_case(kind, trained, signal, output, steps=STEPS, images=stored)
        random_maps = [_explain_case(kind, other, signal, output, steps=RANDOM_STEPS, images=stored)[1] for other in random_models]
        inputs.append(model_input)
        maps.append(values)
        row: dict[str, object] = {"Model": candidate.name, "Input": kind, "Method": METHODS[kind], "Seed": seed.seed, "Case": case.kind}
        row |= {"ecg_id": test.records["ecg_id"][case.row], "Class": data.class_names[case.k]}
        row |= {"Probability": case.probability, "F1_threshold": case.threshold}
        rows.append(row | numbers | randomisation(values, random_maps))
    samples = (trained.length if kind == "image" else None) or data.n_samples
    seconds = None if trained.stored_images else samples / data.sampling_rate_hz
    return ModelExplanation(candidate.name, kind, tuple(cases), tuple(inputs), tuple(maps), _names(saved, kind), seconds), rows


def _explain_case(
    kind: str, predictor: Predictor, signal_mv: torch.Tensor, k: int, *, steps: int, images: torch.Tensor | None
) -> tuple[Array, Array, dict[str, float]]:
    """Explain one prediction.

    Args:
        images: (1, n_channels, size, size), the record's stored image, for a model that takes it.

    Returns:
        The model's input, its map, and numbers on it: for signals the logit gained over a flat line and the completeness gap.
    """
    if kind == "signal":
        attribution = explain_signal(predictor, signal_mv, k, steps=steps)
        numbers = {"Logit_gained": attribution.gained, "Completeness_gap": attribution.gap}
        return signal_mv[0].cpu().double().numpy(), attribution.values.detach().cpu().double().numpy(), numbers
    crops = evaluation_crops(standardise(signal_mv, predictor.normalisation), predictor.length)[0]
    (image,) = model_inputs(crops[len(crops) // 2][None], predictor.config, images)
    return image[0].cpu().double().numpy(), grad_cam(predictor.model, image[0], k).cpu().double().numpy(), {}


def explain_signal(predictor: Predictor, signal_mv: torch.Tensor, k: int, *, steps: int = STEPS) -> Attribution:
    """Explain the logit of class k of a signal model, sample by sample.

    Args:
        signal_mv: (1, n_samples, n_leads), millivolts.
    """
    standard = standardise(signal_mv, predictor.normalisation)
    return integrated_gradients(lambda batch: _logits(predictor, batch)[:, k], standard[0], steps=steps)


def explain_image(predictor: Predictor, signal_mv: torch.Tensor, k: int) -> Array:
    """Show over time what raised the logit of class k of an image model, (n_samples,) in 0..1.

    Both axes of the images are time, so the Grad-CAM of each crop is averaged over its rows and columns, and the crops over
    where they overlap. What two moments did together is thereby shown on each of them.

    Args:
        signal_mv: (1, n_samples, n_leads), millivolts.
    """
    n_samples = signal_mv.shape[1]
    crops = evaluation_crops(standardise(signal_mv, predictor.normalisation), predictor.length)[0]
    time = torch.arange(n_samples, dtype=torch.float32)[None, :, None]
    starts = evaluation_crops(time, predictor.length)[0, :, 0, 0].long().tolist()
    total, counts = np.zeros(n_samples), np.zeros(n_samples)
    for crop, start in zip(crops, starts, strict=True):
        (image,) = model_inputs(crop[None], predictor.config)
        cam = grad_cam(predictor.model, image[0], k).cpu().double().numpy()
        profile = (cam.mean(axis=0) + cam.mean(axis=1)) / 2
        at = np.linspace(0, len(profile) - 1, len(crop))
        total[start : start + len(crop)] += np.interp(at, np.arange(len(profile)), profile)
        counts[start : start + len(crop)] += 1
    shown = total / counts
    return np.asarray(shown / (shown.max() or 1.0), dtype=np.float64)


def _logits(predictor: Predictor, standard: torch.Tensor) -> torch.Tensor:
    """Predict the logits of signals that are already standardised, (batch, n_classes)."""
    crops = evaluation_crops(standard, predictor.length)  # (batch, n_crops, length, n_leads)
    logits: torch.Tensor = predictor.model(crops.flatten(0, 1)).reshape(*crops.shape[:2], -1)
    return logits[:, 0] if logits.shape[1] == 1 else torch.logit(logits.sigmoid().mean(1), eps=1e-7)


def _random_predictor(saved: SavedModel, number: int) -> Predictor:
    """Build a predictor of the same shape with the weights of an untrained network, seeded with `number`."""
    n_leads, n_classes, image = len(saved.data["leads"]), len(saved.data["class_names"]), saved.config.image
    channels = n_channels(image, n_leads) if image else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        fresh = build_model(saved.config.model, family=saved.config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
    return build_predictor(dataclasses.replace(saved, state=fresh.state_dict()))


def _names(saved: SavedModel, kind: str) -> tuple[str, ...]:
    """Name the channels of the explained input."""
    leads, image = tuple(saved.data["leads"]), saved.config.image
    if kind == "signal" or image is None:
        return leads
    if saved.config.stored_images:
        return tuple(f"channel {number}" for number in range(1, image.channels + 1))
    return tuple(f"{name.upper()} of {leads[image.lead]}" for name in IMAGES) if image.kind == "triple" else leads
