"""The models of a folder, as an evaluation finds them: one candidate a retrained trial, its seeds inside.

`manifest.json` (written by the retraining) says which files belong together; a folder without one is read as
`<Name>_best.pth` files, each a candidate of one seed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.evaluation.provenance import Ranking
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.training.model_file import TRAIN_AND_VALIDATION, SavedModel, build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities

MANIFEST, SUFFIX = "manifest.json", "_best.pth"


@dataclass(frozen=True)
class Candidate:
    """One retrained trial.

    Attributes:
        files: One model file a seed.
        seeds: What the files say, without their weights; same order.
        judged: The files whose answers on validation count: the same, or the twins of those trained on validation too.
        search_value: The trial's value in the search, None without one.
    """

    name: str
    files: tuple[Path, ...]
    seeds: tuple[SavedModel, ...]
    judged: tuple[Path, ...]
    search_value: float | None = None

    @property
    def ranking(self) -> Ranking:
        values = np.array([saved.validation_macro_auc for saved in self.seeds])
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        return Ranking(self.name, len(values), float(values.mean()), spread, self.search_value)


def find_candidates(folder: Path, *, manifest: bool = True) -> list[Candidate]:
    """Return the folder's models, highest validation macro AUC first.

    Args:
        manifest: Follow the manifest when there is one; False reads the `<Name>_best.pth` files only.

    Raises:
        DataError: No folder, no model in it, or a file that is not a model.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of models: make one with `ecg-tune retrain STUDY` or `ecg-tune train FAMILY`")
    found = _from_manifest(folder) if manifest and (folder / MANIFEST).is_file() else _from_files(folder)
    if not found:
        raise DataError(f"{folder} holds no model (*{SUFFIX}): make one with `ecg-tune retrain STUDY` or `ecg-tune train FAMILY`")
    names = [candidate.name for candidate in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{folder} holds two models named {twice[0]}: keep one of them")
    return sorted(found, key=lambda c: -np.nan_to_num(c.ranking.validation_macro_auc, nan=-1.0))


def check_fit(candidates: Sequence[Candidate], data: PreparedData) -> None:
    """Refuse models that were not trained on `data`: their test records could have been training records.

    Raises:
        DataError: Another fingerprint, leads, sampling rate, length or class order; names both sides.
    """
    ours: dict[str, Any] = {
        "fingerprint": data.fingerprint,
        "leads": list(data.leads),
        "sampling_rate_hz": data.sampling_rate_hz,
        "n_samples": data.n_samples,
        "class_names": list(data.class_names),
    }
    for candidate in candidates:
        for path, saved in zip(candidate.files, candidate.seeds, strict=True):
            for key in ("leads", "sampling_rate_hz", "n_samples", "class_names", "fingerprint"):
                theirs = saved.data[key]
                if theirs != ours[key]:
                    raise DataError(
                        f"{path} was trained on data with {key} {_short(theirs)}, but {data.folder} has {_short(ours[key])}: "
                        "pass the data it was trained on with --data, or retrain"
                    )
            if len(saved.thresholds.get("f1", ())) != len(data.class_names):
                raise DataError(f"{path} holds no F1 threshold for each of {len(data.class_names)} classes: retrain it")


def rehearse(candidates: Sequence[Candidate], data: PreparedData, device: str) -> None:
    """Run every model on one validation record, so that the test part isn't opened for an evaluation that then fails.

    Raises:
        ConfigError: No such device.
        DataError: A model whose weights don't fit its config, or whose answer is not a probability.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"the device {device!r} can't be used ({str(error).splitlines()[0]}): pass cpu") from error
    for path in dict.fromkeys(path for candidate in candidates for path in (*candidate.files, *candidate.judged)):
        try:
            answer = predict_probabilities(build_predictor(load_saved(path)), data.validation.signals_uv[:1], device=device)
        except RuntimeError as error:
            raise DataError(f"the model in {path} does not run ({str(error).splitlines()[0]}): retrain it") from error
        if not np.isfinite(answer).all():
            raise DataError(f"the model in {path} answers with numbers that are not finite: retrain it")


def _from_manifest(folder: Path) -> list[Candidate]:
    path = folder / MANIFEST
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        rows = [_paths(folder, model) for model in models]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a manifest of retrained models ({error!r}): run `ecg-tune retrain` again") from error
    if empty := [name for name, files, _, _ in rows if not files]:
        raise DataError(f"{path} lists no seed of {empty[0]}: run `ecg-tune retrain` again")
    return [Candidate(name, files, tuple(map(facts_of, files)), judged, value) for name, files, judged, value in rows]


def _paths(folder: Path, model: Mapping[str, Any]) -> tuple[str, tuple[Path, ...], tuple[Path, ...], float | None]:
    files = tuple(folder / str(seed["file"]) for seed in model["seeds"])
    judged = tuple(folder / str(seed.get("twin", seed["file"])) for seed in model["seeds"])
    return str(model["name"]), files, judged, model.get("search_value")


def _from_files(folder: Path) -> list[Candidate]:
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return [Candidate(path.name.removesuffix(SUFFIX), (path,), (facts_of(path),), (path,)) for path in files]


def check_judged(candidates: Sequence[Candidate]) -> None:
    """Refuse models trained on validation whose twins are not there: nothing honest could be fitted for them.

    Raises:
        DataError: Names the file.
    """
    for path in (path for candidate in candidates for path in candidate.judged):
        if load_saved(path).trained_on == TRAIN_AND_VALIDATION:
            raise DataError(
                f"{path} was trained on validation too, and its twin, for which validation decides, is not named beside it: "
                "evaluate the folder that `ecg-tune retrain` wrote, with its manifest.json"
            )


def facts_of(path: Path) -> SavedModel:
    """Return what a model file says, without its weights."""
    return dataclasses.replace(load_saved(path), state={})


def _short(value: object) -> str:
    return f"{value[:16]}…" if isinstance(value, str) and len(value) > 20 else str(value)
