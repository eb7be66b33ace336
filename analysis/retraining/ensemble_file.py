"""The ensemble as files beside its members: `Ensemble_seed0.json`, … and `Ensemble_best.json`, the best of them on validation.

A file names the model files that it joins, with their digests and weights, and what was fitted for the ensemble on validation.
It holds no network itself, so it is of use only in the folder of its members.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

from analysis.evaluation.candidates import SUFFIX, Candidate, facts_of
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.retraining.ensemble import ENSEMBLE
from ecg_tune.errors import DataError
from ecg_tune.models import MODELS
from ecg_tune.storage import LocalStorage, digest
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.predictor import Predictor

ENSEMBLE_FILE = f"{ENSEMBLE}{Path(SUFFIX).stem}.json"
FILES = f"{ENSEMBLE}_*.json"
FORMAT = 1


@dataclass(frozen=True)
class Member:
    """One model file of an ensemble.

    Attributes:
        file: Its name, in the folder of the ensemble's own file.
        digest: The first 16 hex digits of its SHA-256.
        weight: Of its probabilities; all weights are positive and of sum 1.
    """

    name: str
    file: str
    digest: str
    weight: float


@dataclass(frozen=True)
class SavedEnsemble:
    """An ensemble of one seed of each member.

    Attributes:
        data: What the members' files say about the data they were trained on.
        validation_macro_auc: On the records that chose the weights, so it flatters.
        thresholds: "half" (0.5), "f1" (highest F1) and "sensitivity" (reach `sensitivity_target`), one value a class.
        platt: Slope and intercept of each class.
    """

    seed: int
    members: tuple[Member, ...]
    data: dict[str, Any]
    trained_on: str
    validation_macro_auc: float
    thresholds: dict[str, list[float]]
    sensitivity_target: float
    platt: list[list[float]]

    def __post_init__(self) -> None:
        weights = [member.weight for member in self.members]
        if not all(weight > 0 for weight in weights) or not math.isclose(sum(weights), 1, abs_tol=1e-9):
            raise ValueError(f"weights must be positive and of sum 1, but got {weights}")


class EnsemblePredictor(nn.Module):
    """The members' weighted mean probability, as one module.

    Args:
        members: Predictors of raw millivolts.
        saved: Their weights, in the same order; and the thresholds and Platt scaling for the answers.

    Attributes:
        thresholds: For the answers, by rule, one value a class.
        platt: Slope and intercept of each class, for `analysis.evaluation.statistics.platt.platt_scaled`.
    """

    def __init__(self, members: Sequence[Predictor], saved: SavedEnsemble) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.saved = saved
        self.thresholds, self.platt = saved.thresholds, np.array(saved.platt)

    def forward(self, signal_mv: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads) in millivolts to logits (batch, n_classes) of the mean probability."""
        pairs = zip(self.saved.members, self.members, strict=True)
        return torch.logit(torch.stack([told.weight * member(signal_mv).sigmoid() for told, member in pairs]).sum(0), eps=1e-7)


def keep_ensemble(
    folder: Path, joined: ModelPredictions, candidates: Sequence[Candidate], weights: Mapping[str, float], *, target: float
) -> None:
    """Write every seed's file and that of the best; those of an earlier ensemble go.

    Args:
        folder: Where the candidates' files lie.
        joined: The ensemble's answers.
        weights: {candidate: weight} of its members.
        target: Sensitivity that its thresholds were to reach.

    Raises:
        OSError: The folder can't be written to.
    """
    members = [next(candidate for candidate in candidates if candidate.name == name) for name in weights]
    earlier = set(folder.glob(FILES))
    for place, predictions in enumerate(joined.seeds):
        saved = _saved(predictions, [member.files[place] for member in members], weights, target=target)
        for name in (f"{ENSEMBLE}_seed{predictions.seed}.json", *([ENSEMBLE_FILE] if place == joined.chosen else [])):
            LocalStorage(folder).write(name, partial(_write, saved))
            earlier.discard(folder / name)
    for stale in earlier:
        stale.unlink()


def load_ensemble(path: Path) -> SavedEnsemble:
    """Read an ensemble's file, and make sure that its members are still what they were.

    Raises:
        DataError: Not such a file, or a member is missing or another one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError(f"not format {FORMAT}")
        saved = SavedEnsemble(**{**content, "members": tuple(Member(**member) for member in content["members"])})
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: `ecg-tune evaluate` writes it where there are two models or more") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a file of an ensemble ({error}): run `ecg-tune evaluate` again") from error
    for member in saved.members:
        if _digest(path.with_name(member.file)) != member.digest:
            raise DataError(
                f"{path} joins {member.file}, which is missing or has changed since: remove the file, or run `ecg-tune evaluate` again"
            )
    return saved


def build_ensemble(path: Path) -> tuple[EnsemblePredictor, str]:
    """Return the ensemble of a file, on the CPU, and what its members take: "signal", "image", or "fusion" when they differ.

    Raises:
        DataError: As `load_ensemble`.
    """
    saved = load_ensemble(path)
    members = [build_predictor(load_saved(path.with_name(member.file))) for member in saved.members]
    kinds = {MODELS[member.config.family].inputs for member in members}
    return EnsemblePredictor(members, saved).eval(), kinds.pop() if len(kinds) == 1 else "fusion"


def members_of(path: Path) -> Candidate:
    """Return an ensemble's members as one candidate, so that they are checked as all others are.

    Raises:
        DataError: As `load_ensemble`.
    """
    files = tuple(path.with_name(member.file) for member in load_ensemble(path).members)
    return Candidate(ENSEMBLE, files, tuple(map(facts_of, files)), files)


def drop_stale_ensembles(folder: Path) -> None:
    """Remove the ensembles of a folder whose members are gone or have changed."""
    for path in folder.glob(FILES):
        try:
            load_ensemble(path)
        except DataError:
            path.unlink()


def _saved(predictions: SeedPredictions, files: Sequence[Path], weights: Mapping[str, float], *, target: float) -> SavedEnsemble:
    models = [facts_of(file) for file in files]
    half = [0.5] * len(predictions.f1_thresholds)
    thresholds = {"half": half, "f1": predictions.f1_thresholds.tolist(), "sensitivity": predictions.sensitivity_thresholds.tolist()}
    return SavedEnsemble(
        seed=predictions.seed,
        members=tuple(Member(name, file.name, _digest(file), weight) for file, (name, weight) in zip(files, weights.items(), strict=True)),
        data=models[0].data,
        trained_on=", ".join(sorted({model.trained_on for model in models})),
        validation_macro_auc=predictions.validation_macro_auc,
        thresholds=thresholds,
        sensitivity_target=target,
        platt=predictions.platt.tolist(),
    )


def _write(saved: SavedEnsemble, file: BinaryIO) -> None:
    file.write((json.dumps({"format": FORMAT, **dataclasses.asdict(saved)}, indent=1) + "\n").encode())


def _digest(path: Path) -> str:
    """Return a file's digest, nothing where there is no file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return digest(file)
