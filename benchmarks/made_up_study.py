"""Make a MADE-UP study of any size: real search spaces, invented learning curves, marked SYNTHETIC."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial

from ecg_tune.config import SearchSettings, to_dict
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.search.sampling.samplers import trial_seed
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.study.schema import read_trial
from search_spaces import SpaceContext, search_space

FAMILIES, CLASSES = ("rnn", "cnn1d", "resnet1d", "cnn1d_rnn"), ("NORM", "MI", "STTC", "CD", "HYP")
HEIGHT = {"rnn": 0.86, "cnn1d": 0.87, "resnet1d": 0.9, "cnn1d_rnn": 0.88}
MINUTES = {"rnn": 0.9, "cnn1d": 0.2, "resnet1d": 0.3, "cnn1d_rnn": 0.5}
"""Invented: the best that a family reaches, and what an epoch of it takes."""
SLOTS, FAILED = 8, 0.03
WHY = (("oom", "CUDA out of memory: tried to allocate 2.1 GiB"), ("nan", "training loss is nan"), ("preempted", "its node was lost"))


def make_study(folder: Path, *, n_trials: int, epochs: int, stopped: float = 0.0, seed: int = 0, data: PreparedData | None = None) -> None:
    """Write a study of four families on eight workers.

    Args:
        folder: Where `study.db` goes.
        epochs: Of every trial that is not stopped or failed.
        stopped: Share of trials that ASHA's rungs stopped.
        data: That it was searched on; None names some that are nowhere.
    """
    folder.mkdir(parents=True)
    study = optuna.create_study(study_name=folder.name, storage=f"sqlite:///{folder / 'study.db'}", direction="maximize")
    settings = SearchSettings(families=FAMILIES, profile="full", trials=n_trials, max_epochs=epochs, seed=seed)
    found = {} if data is None else {"data_fingerprint": data.fingerprint, "data_path": data.location, "split": data.manifest["split"]}
    for name, value in (_attributes(settings) | found).items():
        study.set_user_attr(name, value)
    write_rows(study, _rows(settings, stopped))


def write_rows(study: optuna.Study, rows: list[FrozenTrial]) -> None:
    """Write rows into an empty study's database in one transaction; Optuna itself would take one for every value."""
    with study._storage._backend.scoped_session() as session:  # type: ignore[attr-defined]
        for number, row in enumerate(rows):
            trial = models.TrialModel(
                trial_id=number + 1, number=number, study_id=study._study_id, state=row.state,
                datetime_start=row.datetime_start, datetime_complete=row.datetime_complete,
            )  # fmt: skip
            session.add(trial)
            owned: dict[str, Any] = {"trial_id": trial.trial_id}
            for name, value in row.params.items():
                inside = row.distributions[name]
                written = {
                    "param_name": name,
                    "param_value": inside.to_internal_repr(value),
                    "distribution_json": distribution_to_json(inside),
                }
                session.add(models.TrialParamModel(**owned, **written))
            for epoch, value in row.intermediate_values.items():
                kept = {
                    "intermediate_value": value,
                    "intermediate_value_type": models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE,
                }
                session.add(models.TrialIntermediateValueModel(**owned, step=epoch, **kept))
            for name, value in row.user_attrs.items():
                session.add(models.TrialUserAttributeModel(**owned, key=name, value_json=json.dumps(value)))
            if row.values:
                kind = models.TrialValueModel.TrialValueType.FINITE
                session.add(models.TrialValueModel(**owned, objective=0, value=row.values[0], value_type=kind))
        session.commit()


def _attributes(settings: SearchSettings) -> dict[str, Any]:
    return {
        "data_fingerprint": "0" * 64,
        "data_path": "nowhere",
        "split": "official",
        "leads": ["I", "II", "V2"],
        "class_names": list(CLASSES),
        "n_records": {"train": 17084, "validation": 2146},
        "synthetic": True,
        "metric": settings.metric,
        "minimise": [],
        "profile": settings.profile,
        "space_version": settings.space_version,
        "families": list(settings.families),
        "max_epochs": settings.epochs,
        "rungs": list(SCHEDULERS[settings.scheduler](settings).marks),
        "scheduler": settings.scheduler,
        "sampler": settings.sampler,
        "seed": settings.seed,
        "settings": to_dict(settings),
    }


def _rows(settings: SearchSettings, stopped: float) -> list[FrozenTrial]:
    """Return the trials in the order in which workers that are never idle would have taken them."""
    space = search_space(FAMILIES, SpaceContext("full", settings.epochs))
    sampling_study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=settings.seed))
    rng = np.random.default_rng(settings.seed)
    rungs = SCHEDULERS[settings.scheduler](settings).marks
    free = [datetime(2026, 1, 5, 9)] * SLOTS
    rows = []
    for number in range(settings.trials):
        if number < len(space.defaults):
            sampling_study.enqueue_trial(space.defaults[number])
        trial = sampling_study.ask()
        proposal, fate = space.suggest(trial), float(rng.random())
        state = TrialState.FAIL if fate < FAILED else TrialState.PRUNED if fate < FAILED + stopped else TrialState.COMPLETE
        n_epochs = (
            int(rng.choice(rungs))
            if state == TrialState.PRUNED
            else int(rng.integers(0, 5))
            if state == TrialState.FAIL
            else settings.epochs
        )
        worker = int(np.argmin([moment.timestamp() for moment in free]))
        row = _row(trial, proposal, number, state, _curve(proposal.family, trial.params, n_epochs, rng), worker)
        row.datetime_start = free[worker]
        row.datetime_complete = free[worker] = free[worker] + timedelta(seconds=(read_trial(row).seconds or 0) + 4)
        rows.append(row)
    return rows


def _curve(family: str, params: dict[str, Any], n_epochs: int, rng: np.random.Generator) -> dict[int, float]:
    """Return an invented curve: how high it gets hangs on the learning rate, how fast on chance."""
    rate = float(params.get(f"{family}.learning_rate", 1e-3))
    height = HEIGHT[family] - 0.04 * abs(np.log10(rate) + 2.7) - 0.02 * rng.random() - 0.5
    rises = 1 - np.exp(-np.arange(1, n_epochs + 1) * rng.uniform(0.15, 0.6))
    return {epoch: float(value) for epoch, value in enumerate(0.5 + height * rises + rng.normal(0, 0.003, n_epochs), 1)}


def _row(trial: optuna.trial.Trial, proposal: Any, number: int, state: TrialState, curve: dict[int, float], worker: int) -> FrozenTrial:
    best = max(curve, key=lambda epoch: curve[epoch], default=None)
    attrs = {
        "family": proposal.family,
        "config": proposal.config,
        "seed": trial_seed(0, number),
        "is_default": number < len(FAMILIES),
        "path": f"checkpoints/trial_{number:05d}",
        "epochs": len(curve),
        "seconds": 60.0 * MINUTES[proposal.family] * len(curve) + 1.0,
        "device": "cuda:0",
        "node": f"node{worker // 4}",
        "worker": f"node{worker // 4}:{4100 + worker}",
        "n_parameters": 100_000 + 997 * number,
        "ended_by": {TrialState.COMPLETE: "max_epochs", TrialState.PRUNED: "asha"}.get(state, "failed"),
    }
    if best is not None:
        attrs |= {"best_epoch": best, "per_class_auc": [curve[best] + shift for shift in (0.04, 0.01, 0.005, -0.01, -0.045)]}
    if state == TrialState.FAIL:
        attrs["fail_reason"], attrs["failure"] = WHY[number % len(WHY)]
    return create_trial(
        state=state,
        value=max(curve.values()) if state == TrialState.COMPLETE else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=curve,
        user_attrs=attrs,
    )
