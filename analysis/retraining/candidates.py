"""The models of a folder: one candidate a retrained trial, with a model file for each of its seeds.

`manifest.json` (written by the retraining) says which files belong together; a folder without one is read as
`<Name>_best.pth` files, each a candidate of one seed.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.file_sizes import LARGEST_MANIFEST, check_size
from ecg_tune.study.race_result import Raced, read_race
from ecg_tune.training.model_file import TRAIN_AND_VALIDATION, SavedModel, checked_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities

MANIFEST, SUFFIX = "manifest.json", "_best.pth"
Listed = tuple[str, tuple[Path, ...], tuple[Path, ...], float | None]
"""A model's name, its files, its reference models, its value in the search."""


@dataclass(frozen=True)
class Ranking:
    """How good a model is on validation, known before the test split is opened.

    Attributes:
        validation_macro_auc: Mean over the seeds.
        validation_sd: Standard deviation over the seeds (n - 1); NaN with one seed.
        search_value: The trial's value in the search, None when it came from none.
        fitted_on_validation: True for an ensemble: its members were chosen on the records of `validation_macro_auc`.
    """

    name: str
    n_seeds: int
    validation_macro_auc: float
    validation_sd: float
    search_value: float | None = None
    fitted_on_validation: bool = False


@dataclass(frozen=True)
class Candidate:
    """One retrained trial.

    Attributes:
        files: One model file a seed.
        seeds: What these files say, without their weights; same order.
        validation_files: The files that predict validation: the same ones, or the reference models of those that were trained
            on validation too.
        search_value: The trial's value in the search, None without one.
    """

    name: str
    files: tuple[Path, ...]
    seeds: tuple[SavedModel, ...]
    validation_files: tuple[Path, ...]
    search_value: float | None = None

    @property
    def ranking(self) -> Ranking:
        """Sum up the validation results of the seeds."""
        values = np.array([saved.validation_macro_auc for saved in self.seeds])
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        return Ranking(self.name, len(values), float(values.mean()), spread, self.search_value)

    @property
    def trial(self) -> int:
        """The trial's number in its study; -1 where it came from none."""
        return -1 if self.seeds[0].trial is None else self.seeds[0].trial

    @property
    def raced(self) -> Raced:
        """The same of each seed, as of a trial that raced."""
        values = tuple(saved.validation_macro_auc for saved in self.seeds)
        family = self.seeds[0].config.family
        return Raced(self.trial, len(values), statistics.fmean(values), None, self.search_value, family, values)


def find_candidates(folder: Path, *, manifest: bool = True) -> list[Candidate]:
    """Read the models of a folder, the best first: the winner of the race over seeds, then the highest validation macro AUC.

    Args:
        manifest: Follow the manifest when there is one; False reads the `<Name>_best.pth` files only.

    Raises:
        DataError: No folder, no model in it, or a file that is not a model.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of models: make one with `ecg-tune retrain STUDY` or `ecg-tune train FAMILY`")
    candidates = _from_manifest(folder) if manifest and (folder / MANIFEST).is_file() else _from_files(folder)
    if not candidates:
        raise DataError(f"{folder} holds no model (*{SUFFIX}): make one with `ecg-tune retrain STUDY` or `ecg-tune train FAMILY`")
    names = [candidate.name for candidate in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{folder} holds two models named {twice[0]}: keep one of them")
    won = winner_of(read_race(folder), candidates)
    return sorted(best_first(candidates), key=lambda candidate: candidate.name != won)


def winner_of(race: Sequence[Raced], candidates: Iterable[Candidate]) -> str:
    """Name the model that won a race; "" where it is not among these, or there was no race."""
    won = race[0].trial if race else -1
    return next((candidate.name for candidate in candidates if candidate.trial == won >= 0), "")


def listed_candidates(folder: Path, models: Iterable[Mapping[str, Any]]) -> list[Candidate]:
    """Read the models that a manifest lists, highest validation macro AUC first.

    Args:
        models: The manifest's "models".
    """
    return best_first(_read([_paths(folder, model) for model in models]))


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Sort by the mean validation macro AUC; equal ones keep their order, NaN comes last."""
    return sorted(candidates, key=lambda c: -np.nan_to_num(c.ranking.validation_macro_auc, nan=-1.0))


def check_fit(candidates: Sequence[Candidate], data: PreparedData) -> None:
    """Refuse models that were not trained on `data`: their test records could have been training records.

    Raises:
        DataError: Another fingerprint, leads, sampling rate, length or class order; names both sides.
    """
    expected: dict[str, Any] = {
        "fingerprint": data.fingerprint,
        "leads": list(data.leads),
        "sampling_rate_hz": data.sampling_rate_hz,
        "n_samples": data.n_samples,
        "class_names": list(data.class_names),
    }
    for candidate in candidates:
        for path, saved in zip(candidate.files, candidate.seeds, strict=True):
            for key in ("leads", "sampling_rate_hz", "n_samples", "class_names", "fingerprint"):
                value = saved.data[key]
                if value != expected[key]:
                    raise DataError(
                        f"{path} was trained on data with {key} {_short(value)}, but {data.folder} has {_short(expected[key])}: "
                        "pass the data it was trained on with --data, or retrain"
                    )
            if len(saved.thresholds.get("f1", ())) != len(data.class_names):
                raise DataError(f"{path} holds no F1 threshold for each of {len(data.class_names)} classes: retrain it")


def check_runs(candidates: Sequence[Candidate], data: PreparedData, device: str) -> None:
    """Run every model on one validation record, so that the test split isn't opened for an evaluation that then fails.

    Raises:
        ConfigError: No such device.
        DataError: A model whose weights don't fit its config, or whose prediction is not a finite number.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"the device {device!r} can't be used ({str(error).splitlines()[0]}): pass cpu") from error
    validation = data.validation
    one = dataclasses.replace(validation, signals_uv=validation.signals_uv[:1], labels=validation.labels[:1])
    for path in dict.fromkeys(path for candidate in candidates for path in (*candidate.files, *candidate.validation_files)):
        try:
            prediction = predict_probabilities(checked_predictor(load_saved(path), path), one, device=device)
        except RuntimeError as error:
            raise DataError(f"the model in {path} does not run ({str(error).splitlines()[0]}): retrain it") from error
        if not np.isfinite(prediction).all():
            raise DataError(f"the model in {path} predicts numbers that are not finite: retrain it")


def check_reference_models(candidates: Sequence[Candidate]) -> None:
    """Refuse models trained on validation whose reference models are not there: nothing honest could be fitted for them.

    Raises:
        DataError: Names the file.
    """
    for path in (path for candidate in candidates for path in candidate.validation_files):
        if load_saved(path).trained_on == TRAIN_AND_VALIDATION:
            raise DataError(
                f"{path} was trained on validation too, and its reference model, trained on train alone, is not named beside it: "
                "evaluate the folder that `ecg-tune retrain` wrote, with its manifest.json"
            )


def without_weights(path: Path) -> SavedModel:
    """Read what a model file says of the model, and leave its weights out."""
    return dataclasses.replace(load_saved(path), state={})


def _from_manifest(folder: Path) -> list[Candidate]:
    path = folder / MANIFEST
    check_size(path, most=LARGEST_MANIFEST)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        rows = [_paths(folder, model) for model in manifest["models"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if (folder / "train").is_dir():
            raise DataError(f"{folder} holds prepared data, no models: name a model file, or a study with retrained models") from error
        raise DataError(f"{path} is not a manifest of retrained models ({repr(error)[:200]}): run `ecg-tune retrain` again") from error
    if empty := [name for name, files, _, _ in rows if not files]:
        raise DataError(f"{path} lists no seed of {empty[0]}: run `ecg-tune retrain` again")
    return _read(rows)


def _read(rows: Iterable[Listed]) -> list[Candidate]:
    return [Candidate(name, files, tuple(map(without_weights, files)), references, value) for name, files, references, value in rows]


def _paths(folder: Path, model: Mapping[str, Any]) -> Listed:
    """Find the files of a model of the manifest, which calls a reference model "twin"."""
    files = tuple(folder / file_name(seed["file"]) for seed in model["seeds"])
    references = tuple(folder / file_name(seed.get("twin", seed["file"])) for seed in model["seeds"])
    name, value = model["name"], model.get("search_value")
    if not isinstance(name, str) or file_name(name) != name or not (value is None or isinstance(value, int | float)):
        raise ValueError(f"a model is {name!r} with the value {value!r}")
    return name, files, references, value


def file_name(name: str) -> str:
    """Return the name of a file in the same folder.

    Raises:
        ValueError: It is a path, or can't be shown.
    """
    if not name or Path(name).name != name or not name.isprintable() or name == "..":
        raise ValueError(f"{name!r} is not the name of a file")
    return name


def _from_files(folder: Path) -> list[Candidate]:
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return [Candidate(path.name.removesuffix(SUFFIX), (path,), (without_weights(path),), (path,)) for path in files]


def _short(value: object) -> str:
    return f"{value[:16]}…" if isinstance(value, str) and len(value) > 20 else str(value)
