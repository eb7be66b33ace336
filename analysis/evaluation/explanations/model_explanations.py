"""Explanations of a few answers of the best signal model and the best image model, with a check whether they say anything.

Integrated gradients on signals, Grad-CAM on images. Beside each stands its rank correlation with the explanation of the same
record by networks of the same shape with random weights (parameter randomisation: Adebayo et al., 2018): one that looks the
same without anything learnt shows the record, not the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from analysis.evaluation.candidates import Candidate
from analysis.evaluation.explanations.attribution import STEPS, grad_cam, integrated_gradients
from analysis.evaluation.explanations.cases import Case, pick_cases
from analysis.evaluation.predictions import ModelPredictions
from ecg_tune.data.loaders import millivolts
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
    """One model's explained answers.

    Attributes:
        kind: "signal" or "image".
        cases: What was explained.
        inputs: One array a case: the signal in mV (n_samples, n_leads), or the images (n_channels, size, size).
        maps: One array a case: attributions shaped as the signal, or (size, size) in 0..1.
        names: Leads or channels of the inputs.
        seconds: What an input covers.
    """

    model: str
    kind: str
    cases: tuple[Case, ...]
    inputs: tuple[Array, ...]
    maps: tuple[Array, ...]
    names: tuple[str, ...]
    seconds: float


def explain(
    candidates: Sequence[Candidate], data: PreparedData, part: Split, predictions: Mapping[str, ModelPredictions], *, device: str
) -> tuple[pd.DataFrame, list[ModelExplanation]]:
    """Return the table of explained answers, and what to draw; models without a kind of input are left out.

    Args:
        candidates: Best first.
    """
    rows: list[dict[str, object]] = []
    drawn = []
    for kind in METHODS:
        fitting = [one for one in candidates if MODELS[one.seeds[0].config.family].inputs == kind]
        if fitting:
            found, new = _explain_model(fitting[0], kind, data, part, predictions[fitting[0].name], device)
            drawn.append(found)
            rows += new
    return pd.DataFrame(rows, columns=COLUMNS), drawn


def _explain_model(
    candidate: Candidate, kind: str, data: PreparedData, part: Split, model: ModelPredictions, device: str
) -> tuple[ModelExplanation, list[dict[str, object]]]:
    seed = model.seeds[model.chosen]
    saved = load_saved(candidate.files[model.chosen])
    trained = build_predictor(saved).to(device).eval()
    strangers = [_random_predictor(saved, number).to(device).eval() for number in range(N_RANDOM)]
    rows, inputs, maps = [], [], []
    cases = pick_cases(part.labels, seed.test, seed.f1_thresholds)
    for case in cases:
        signal = millivolts(torch.tensor(np.array(part.signals_uv[case.row : case.row + 1]), device=device))
        seen, values, numbers = _one(kind, trained, signal, case.k, steps=STEPS)
        others = [_one(kind, stranger, signal, case.k, steps=RANDOM_STEPS)[1] for stranger in strangers]
        inputs.append(seen)
        maps.append(values)
        facts: dict[str, object] = {
            "Model": candidate.name,
            "Input": kind,
            "Method": METHODS[kind],
            "Seed": seed.seed,
            "Case": case.kind,
        }
        facts |= {"ecg_id": part.records["ecg_id"][case.row], "Class": data.class_names[case.k], "Probability": case.probability}
        rows.append(facts | {"F1_threshold": case.threshold, **numbers, **randomisation(values, others)})
    seconds = ((trained.length if kind == "image" else None) or data.n_samples) / data.sampling_rate_hz
    return ModelExplanation(candidate.name, kind, tuple(cases), tuple(inputs), tuple(maps), _names(saved, kind), seconds), rows


def randomisation(values: Array, others: Sequence[Array]) -> dict[str, float]:
    """Return how much a map ranks as those of random networks do; theirs without ranks are left out, all NaN when none is left."""
    ranks = [rank for rank in (rank_correlation(values, other) for other in others) if np.isfinite(rank)] or [float("nan")]
    signed = [rank for rank in (rank_correlation(values, other, signed=True) for other in others) if np.isfinite(rank)] or [float("nan")]
    return {
        "Rank_correlation": float(np.mean(ranks)),
        "Rank_correlation_lowest": min(ranks),
        "Rank_correlation_highest": max(ranks),
        "Rank_correlation_signed": float(np.mean(signed)),
    }


def rank_correlation(one: Array, other: Array, *, signed: bool = False) -> float:
    """Return Spearman's correlation of the absolute values, or of the values; NaN when either has no ranks."""
    a, b = (values.ravel() if signed else np.abs(values).ravel() for values in (one, other))
    return float(spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


def _one(kind: str, predictor: Predictor, signal_mv: torch.Tensor, k: int, *, steps: int) -> tuple[Array, Array, dict[str, float]]:
    """Return what was explained, its map, and for signals the logit gained over a flat line and the completeness gap."""
    standard = standardise(signal_mv, predictor.normalisation)
    if kind == "signal":
        found = integrated_gradients(lambda batch: _logits(predictor, batch)[:, k], standard[0], steps=steps)
        numbers = {"Logit_gained": found.gained, "Completeness_gap": found.gap}
        return signal_mv[0].cpu().double().numpy(), found.values.detach().cpu().double().numpy(), numbers
    crops = evaluation_crops(standard, predictor.length)[0]
    (image,) = model_inputs(crops[len(crops) // 2][None], predictor.config)
    return image[0].cpu().double().numpy(), grad_cam(predictor.model, image[0], k).cpu().double().numpy(), {}


def _logits(predictor: Predictor, standard: torch.Tensor) -> torch.Tensor:
    """Return what the predictor answers to signals that are standardised already, (batch, n_classes)."""
    crops = evaluation_crops(standard, predictor.length)  # (batch, n_crops, length, n_leads)
    logits: torch.Tensor = predictor.model(crops.flatten(0, 1)).reshape(*crops.shape[:2], -1)
    return logits[:, 0] if logits.shape[1] == 1 else torch.logit(logits.sigmoid().mean(1), eps=1e-7)


def _random_predictor(saved: SavedModel, number: int) -> Predictor:
    """Return a predictor of the same shape with weights as before training, drawn with the seed `number`."""
    n_leads, n_classes, image = len(saved.data["leads"]), len(saved.data["class_names"]), saved.config.image
    channels = n_channels(image, n_leads) if image else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        fresh = build_model(saved.config.model, family=saved.config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
    return build_predictor(dataclasses.replace(saved, state=fresh.state_dict()))


def _names(saved: SavedModel, kind: str) -> tuple[str, ...]:
    """Return what the channels of the explained input are."""
    leads, image = tuple(saved.data["leads"]), saved.config.image
    if kind == "signal" or image is None:
        return leads
    return tuple(f"{name.upper()} of {leads[image.lead]}" for name in IMAGES) if image.kind == "triple" else leads
