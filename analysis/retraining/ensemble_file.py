"""The ensemble as a file beside its members, `Ensemble_best.json`.

It names the model files that it joins, with their digests and weights, and what was fitted for the ensemble on validation.
It holds no network itself, so it is of use only in the folder of its members. Retraining writes it; nobody else does.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from analysis.retraining.candidates import SUFFIX, Candidate, file_name, without_weights
from ecg_tune.errors import DataError
from ecg_tune.file_sizes import read_whole
from ecg_tune.storage import LocalStorage, digest
from ecg_tune.training.model_checks import check_classes, check_fitted, check_types

ENSEMBLE = "Ensemble"
ENSEMBLE_FILE = f"{ENSEMBLE}{Path(SUFFIX).stem}.json"
FILES = f"{ENSEMBLE}_*.json"
"""Earlier versions wrote one for each seed too."""
FORMAT = 1
MEAN, GREEDY = "mean", "greedy"
T = TypeVar("T", "Member", "SavedEnsemble")


@dataclass(frozen=True)
class Member:
    """One model file of an ensemble.

    Attributes:
        name: The model's, which several members of different seeds may have.
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
        check_types(vars(self), ["name"])


@dataclass(frozen=True)
class SavedEnsemble:
    """An ensemble of trainings, of different models or seeds.

    Attributes:
        seed: 0; in the files of earlier versions, which had an ensemble for each, the seed of its members.
        data: What the members' files say about the data they were trained on.
        validation_macro_auc: On the records that chose the members, so it flatters.
        thresholds: "half" (0.5), "f1" (highest F1) and "sensitivity" (reach `sensitivity_target`), one value a class.
        platt: Slope and intercept of each class.
        rule: How members and weights were chosen: "mean" of the best, or "greedy", as earlier versions did, whose files don't say so.
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
    rule: str = GREEDY

    def __post_init__(self) -> None:
        if self.rule not in (MEAN, GREEDY):
            raise ValueError(f"the rule must be {MEAN} or {GREEDY}, but is {str(self.rule)[:40]!r}")
        weights = [member.weight for member in self.members]
        if not self.members or not all(weight > 0 for weight in weights) or not math.isclose(sum(weights), 1, abs_tol=1e-9):
            raise ValueError(f"weights must be positive and of sum 1, but got {weights}")

    @property
    def text(self) -> str:
        """The models and weights on one line, heaviest first."""
        return members_text((member.name, member.weight) for member in self.members)


def members_text(members: Iterable[tuple[str, float]]) -> str:
    """Sum up members by their models, e.g. "CNN1D 0.600 (3 seeds), ResNet1D 0.400 (1 seed)".

    Args:
        members: Name of the model and weight of each.
    """
    weights, counts = dict[str, float](), Counter[str]()
    for name, weight in members:
        weights[name] = weights.get(name, 0.0) + weight
        counts[name] += 1
    ordered = sorted(weights, key=lambda name: -weights[name])
    return ", ".join(f"{name} {weights[name]:.3f} ({counts[name]} seed{'s' if counts[name] > 1 else ''})" for name in ordered)


def write_ensemble(folder: Path, ensemble: SavedEnsemble | None) -> dict[str, Any] | None:
    """Write the ensemble's file, in the place of an earlier one.

    Args:
        folder: Where the members' files lie.
        ensemble: Of `choose_ensemble`; None removes what is there.

    Returns:
        What the manifest says of it; None without an ensemble.

    Raises:
        OSError: The folder can't be written to.
    """
    earlier = set(folder.glob(FILES))
    if ensemble is not None:
        LocalStorage(folder).write(ENSEMBLE_FILE, partial(_write, ensemble))
        earlier.discard(folder / ENSEMBLE_FILE)
    for stale in earlier:
        stale.unlink()
    if ensemble is None:
        return None
    members = [{"name": member.name, "file": member.file, "weight": member.weight} for member in ensemble.members]
    return {"file": ENSEMBLE_FILE, "members": members, "validation_macro_auc": ensemble.validation_macro_auc}


def load_ensemble(path: Path) -> SavedEnsemble:
    """Read an ensemble's file, and make sure that its members are still what they were.

    Raises:
        DataError: Not such a file, or a member is missing or another one.
    """
    try:
        with LocalStorage(path.parent).open(path.name) as file:
            content = json.loads(read_whole(file, path))
        if content.pop("format") != FORMAT:
            raise ValueError(f"not format {FORMAT}")
        members = tuple(_built(Member, member) for member in content["members"])
        ensemble = _built(SavedEnsemble, {**content, "members": members})
        check_types(content, ("seed", "trained_on", "validation_macro_auc", "thresholds", "sensitivity_target"))
        check_types(vars(ensemble), ["chosen_from"])
        check_fitted(ensemble.thresholds, ensemble.platt, check_classes(ensemble.data))
        if len({member.file for member in members}) < len(members):
            raise ValueError("it has the same member twice")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: `ecg-tune retrain` writes it where there are two trainings or more") from error
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


def _built(kind: type[T], content: Mapping[str, Any]) -> T:
    """Make an object of a file's fields; its own error says more than Python's about one that is missing."""
    own = dataclasses.fields(kind)
    if missing := [field.name for field in own if field.default is field.default_factory is MISSING and field.name not in content]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if unknown := content.keys() - {field.name for field in own}:
        raise ValueError(f"{min(unknown)[:40]!r} is unknown")
    return kind(**content)


def read_ensemble(folder: Path, candidates: Sequence[Candidate]) -> SavedEnsemble:
    """Read a folder's ensemble, and make sure that it was chosen from exactly the folder's models.

    Raises:
        DataError: Not such a file, a changed member, or models that the choice did not know, as after training one more.
    """
    ensemble = load_ensemble(folder / ENSEMBLE_FILE)
    if ensemble.chosen_from != digests_of(candidates):
        raise DataError(f"{folder / ENSEMBLE_FILE} was not chosen from exactly these models: run `ecg-tune retrain` again")
    return ensemble


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
