"""The ensemble as files beside its members: `Ensemble_seed0.json`, … and `Ensemble_best.json`, the best of them on validation.

A file names the model files that it joins, with their digests and weights, and what was fitted for the ensemble on validation.
It holds no network itself, so it is of use only in the folder of its members. Retraining writes these files; nobody else does.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from analysis.retraining.candidates import SUFFIX, Candidate, file_name, without_weights
from ecg_tune.errors import DataError
from ecg_tune.storage import LocalStorage, digest
from ecg_tune.training.model_checks import check_fitted

ENSEMBLE = "Ensemble"
ENSEMBLE_FILE = f"{ENSEMBLE}{Path(SUFFIX).stem}.json"
FILES, SEED_FILES = f"{ENSEMBLE}_*.json", f"{ENSEMBLE}_seed*.json"
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

    def __post_init__(self) -> None:
        file_name(self.file)


@dataclass(frozen=True)
class SavedEnsemble:
    """An ensemble that joins one seed of each member.

    Attributes:
        data: What the members' files say about the data they were trained on.
        validation_macro_auc: On the records that chose the weights, so it flatters.
        thresholds: "half" (0.5), "f1" (highest F1) and "sensitivity" (reach `sensitivity_target`), one value a class.
        platt: Slope and intercept of each class.
        chosen_from: {model file: digest} of all models that could have become members, of every seed; empty in files of version 0.1.
    """

    seed: int
    members: tuple[Member, ...]
    data: dict[str, Any]
    trained_on: str
    validation_macro_auc: float
    thresholds: dict[str, list[float]]
    sensitivity_target: float
    platt: list[list[float]]
    chosen_from: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weights = [member.weight for member in self.members]
        if not self.members or not all(weight > 0 for weight in weights) or not math.isclose(sum(weights), 1, abs_tol=1e-9):
            raise ValueError(f"weights must be positive and of sum 1, but got {weights}")

    @property
    def weights(self) -> dict[str, float]:
        """Map each member's name to its weight, heaviest first."""
        return {member.name: member.weight for member in self.members}


def write_ensemble(folder: Path, ensembles: Sequence[SavedEnsemble]) -> dict[str, Any] | None:
    """Write a file for every seed and one for the best of them; the files of an earlier ensemble go.

    Args:
        folder: Where the members' files lie.
        ensembles: One a seed, as `choose_ensemble` gives them; none removes what is there.

    Returns:
        What the manifest says of it; None without an ensemble.

    Raises:
        OSError: The folder can't be written to.
    """
    earlier = set(folder.glob(FILES))
    best = best_seed(ensembles) if ensembles else None
    names = []
    for ensemble in ensembles:
        names.append(f"{ENSEMBLE}_seed{ensemble.seed}.json")
        for name in (names[-1], *([ENSEMBLE_FILE] if ensemble is best else [])):
            LocalStorage(folder).write(name, partial(_write, ensemble))
            earlier.discard(folder / name)
    for stale in earlier:
        stale.unlink()
    if best is None:
        return None
    scores = [ensemble.validation_macro_auc for ensemble in ensembles]
    return {"best_file": ENSEMBLE_FILE, "files": names, "weights": best.weights, "validation_macro_auc_mean": float(np.mean(scores))}


def best_seed(ensembles: Sequence[SavedEnsemble]) -> SavedEnsemble:
    """Pick the seed with the highest validation macro AUC, the first of equal ones."""
    return max(ensembles, key=lambda ensemble: np.nan_to_num(ensemble.validation_macro_auc, nan=-1.0))


def load_ensemble(path: Path) -> SavedEnsemble:
    """Read an ensemble's file, and make sure that its members are still what they were.

    Raises:
        DataError: Not such a file, or a member is missing or another one.
    """
    try:
        with LocalStorage(path.parent).open(path.name) as file:
            content = json.loads(file.read())
        if content.pop("format") != FORMAT:
            raise ValueError(f"not format {FORMAT}")
        ensemble = SavedEnsemble(**{**content, "members": tuple(Member(**member) for member in content["members"])})
        check_fitted(ensemble.thresholds, ensemble.platt, len(ensemble.data.get("class_names", ensemble.platt)))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: `ecg-tune retrain` writes it where there are two models or more") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is not a file of an ensemble ({' '.join(str(error).split())[:200]}): run `ecg-tune retrain` again"
        ) from error
    for member in ensemble.members:
        if file_digest(path.with_name(member.file)) != member.digest:
            raise DataError(
                f"{path} joins {member.file}, which is missing or has changed since: remove the file, or run `ecg-tune retrain` again"
            )
    return ensemble


def read_ensemble(folder: Path, candidates: Sequence[Candidate]) -> tuple[SavedEnsemble, ...]:
    """Read all seeds of a folder's ensemble, and make sure that it was chosen from exactly the folder's models.

    Raises:
        DataError: Not such files, a changed member, or models that the choice did not know, as after training one more.
    """
    ensembles = sorted((load_ensemble(path) for path in folder.glob(SEED_FILES)), key=lambda ensemble: ensemble.seed)
    models = digests_of(candidates)
    if not ensembles or any(ensemble.chosen_from != models for ensemble in ensembles):
        raise DataError(f"{folder / ENSEMBLE_FILE} was not chosen from exactly these models: run `ecg-tune retrain` again")
    return tuple(ensembles)


def members_of(path: Path) -> Candidate:
    """Read an ensemble's members as one candidate, so that they are checked as all others are.

    Raises:
        DataError: As `load_ensemble`.
    """
    files = tuple(path.with_name(member.file) for member in load_ensemble(path).members)
    return Candidate(ENSEMBLE, files, tuple(map(without_weights, files)), files)


def digests_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Map every model file of the candidates to its digest."""
    return {file.name: file_digest(file) for candidate in candidates for file in candidate.files}


def file_digest(path: Path) -> str:
    """Compute a file's digest; "" where there is no file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return digest(file)


def _write(ensemble: SavedEnsemble, file: BinaryIO) -> None:
    file.write((json.dumps({"format": FORMAT, **dataclasses.asdict(ensemble)}, indent=1) + "\n").encode())
