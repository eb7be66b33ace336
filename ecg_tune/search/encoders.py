"""Encoders for fusions: a study's best single-modality trials, their weights copied to where nothing removes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ecg_tune.config import ENCODERS
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import StudyError, WorkFailedError
from ecg_tune.models import MODELS, check_family, trial_config
from ecg_tune.search.space import TrainedEncoder, TrainedEncoders
from ecg_tune.storage import Storage
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from ecg_tune.training.checkpoints import newest_checkpoint
from ecg_tune.training.model_file import SavedModel, describe_data, write_model


def encoders_of(source: Path, data: PreparedData, *, into: Storage, own: bool = False) -> Callable[[], TrainedEncoders | None]:
    """Return a function that gives the best signal and the best image trial of a study at the time it is called.

    Args:
        into: Where the study that is being searched keeps its checkpoints; weights are copied to `encoders/` there.
        own: `source` is the study that is being searched.

    Raises:
        StudyError: `source` is another study and does not exist, holds other data, or has no such trials yet.
        WorkFailedError: Where either study keeps its checkpoints does not answer.
    """
    if not own:
        theirs = Study.open(source).attributes.data_fingerprint
        if theirs != data.fingerprint:
            raise StudyError(f"{source} was searched on other data ({str(theirs)[:12]}): its encoders would have seen other records")

    def best() -> TrainedEncoders | None:
        if not Study.exists(source):
            return None
        try:
            found = [_best(source, kind, data, into) for kind in ("signal", "image")]
        except OSError as error:
            raise WorkFailedError(f"encoders of {source} can't be copied to {into}: {' '.join(str(error).split())}") from error
        return TrainedEncoders(*found) if None not in found else None  # type: ignore[arg-type]

    if not own and best() is None:
        raise StudyError(f"{source} has no COMPLETE signal and image trial with its checkpoint: let it finish some of both first")
    return best


def _best(source: Path, inputs: str, data: PreparedData, into: Storage) -> TrainedEncoder | None:
    study = Study.open(source)
    for trial in study.best_trials():
        check_family(trial.family)
        if MODELS[trial.family].inputs == inputs and trial.path is not None:
            name = f"{source.resolve().name}_{trial.number:05d}.pth"
            if name in into.names(ENCODERS) or _copied(study.checkpoints, trial, data, into, f"{ENCODERS}/{name}"):
                config = trial_config(dict(trial.config))
                return TrainedEncoder(config.family, config.model, config.image, str(into.child(f"{ENCODERS}/{name}")))
    return None


def _copied(storage: Storage, trial: Trial, data: PreparedData, into: Storage, name: str) -> bool:
    """Write a trial's best weights as a model file; False when its checkpoint is gone."""
    found = newest_checkpoint(storage, str(trial.path))
    if found is None:
        return False
    state, config = found[1], trial_config(dict(trial.config))
    saved = SavedModel(
        name=MODELS[config.family].name,
        config=config,
        data=describe_data(data),
        state=state["best_state"],
        thresholds={},
        trial=trial.number,
        seed=int(trial.seed or 0),
        validation_macro_auc=trial.values[0],
        best_epoch=int(state["best_epoch"]),
        epochs=len(state["history"]),
        seconds=trial.seconds or 0.0,
        n_parameters=trial.n_parameters or 0,
        history=[],
    )
    into.write(name, partial(write_model, saved))
    return True
