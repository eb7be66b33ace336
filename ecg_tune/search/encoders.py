"""Encoders for fusions: a study's best single-modality trials, their weights copied to where nothing removes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optuna.trial import FrozenTrial

from ecg_tune.data.prepared import PreparedData
from ecg_tune.errors import StudyError
from ecg_tune.models import MODELS, trial_config
from ecg_tune.search.space import TrainedEncoder, TrainedEncoders
from ecg_tune.search.study import best_trials, objective, open_study, study_exists
from ecg_tune.training.checkpoint import SavedModel, describe_data, save_model
from ecg_tune.training.snapshots import newest_snapshot


def encoders_of(source: Path, data: PreparedData, *, into: Path) -> Callable[[], TrainedEncoders | None]:
    """Return a function that gives the best signal and the best image trial of a study at the time it is called.

    Args:
        source: The study; it may be the one that is being searched.
        into: The study that is being searched; weights are copied to its `encoders/`.

    Raises:
        StudyError: `source` is another study and does not exist, holds other data, or has no such trials yet.
    """
    own = source.resolve() == into.resolve()
    if not own:
        theirs = open_study(source).user_attrs.get("data_fingerprint")
        if theirs != data.fingerprint:
            raise StudyError(f"{source} was searched on other data ({str(theirs)[:12]}): its encoders would have seen other records")

    def best() -> TrainedEncoders | None:
        if not study_exists(source):
            return None
        found = [_best(source, kind, data, into) for kind in ("signal", "image")]
        return TrainedEncoders(*found) if None not in found else None  # type: ignore[arg-type]

    if not own and best() is None:
        raise StudyError(f"{source} has no COMPLETE signal and image trial with its checkpoint: let it finish some of both first")
    return best


def _best(source: Path, inputs: str, data: PreparedData, into: Path) -> TrainedEncoder | None:
    for row in best_trials(open_study(source)):
        attrs = row.user_attrs
        if MODELS[attrs["family"]].inputs == inputs and "path" in attrs:
            target = into.resolve() / "encoders" / f"{source.resolve().name}_{row.number:05d}.pth"
            if target.exists() or _copied(source / attrs["path"], row, data, target):
                config = trial_config(attrs["config"])
                return TrainedEncoder(config.family, config.model, config.image, str(target))
    return None


def _copied(folder: Path, row: FrozenTrial, data: PreparedData, target: Path) -> bool:
    """Write a trial's best weights as a model file; False when its checkpoint is gone."""
    found = newest_snapshot(folder)
    if found is None:
        return False
    state, attrs = found[1], row.user_attrs
    config = trial_config(attrs["config"])
    saved = SavedModel(
        name=MODELS[config.family].name,
        config=config,
        data=describe_data(data),
        state=state["best_state"],
        thresholds={},
        trial=row.number,
        seed=int(attrs["seed"]),
        validation_macro_auc=objective(row),
        best_epoch=int(state["best_epoch"]),
        epochs=len(state["history"]),
        seconds=float(attrs.get("seconds") or 0.0),
        n_parameters=int(attrs.get("n_parameters") or 0),
        history=[],
    )
    save_model(target, saved)
    return True
