"""Tiny models and a made-up study: invented learning curves, so that dashboards can be tested without training anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

import analysis.plots
from analysis.dashboard.trials import RankedTrial, ranked_trials
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.models import build_model, n_parameters
from ecg_tune.models.rnn import RNNConfig
from ecg_tune.study.study import Study
from ecg_tune.study.summary import StudySummary, summarise
from ecg_tune.study.trial import Trial
from ecg_tune.training.model_file import SavedModel, describe_data

FAMILIES = ("rnn", "resnet1d", "alexnet")
SPACES: dict[str, dict[str, optuna.distributions.BaseDistribution]] = {
    "rnn": {
        "rnn.cell": CategoricalDistribution(("gru", "lstm")),
        "rnn.hidden_size": IntDistribution(32, 256, log=True),
        "rnn.n_layers": IntDistribution(1, 3),
        "rnn.attention": CategoricalDistribution((False, True)),
        "rnn.attention_heads": IntDistribution(1, 8),  # only with attention
        "rnn.dropout": FloatDistribution(0.0, 0.6),
        "rnn.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    },
    "resnet1d": {
        "resnet1d.filters": CategoricalDistribution((32, 64, 128)),
        "resnet1d.kernel_size": IntDistribution(3, 11, step=2),
        "resnet1d.learning_rate": FloatDistribution(1e-4, 3e-2, log=True),
        "resnet1d.weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    },
    "alexnet": {
        "alexnet.image_kind": CategoricalDistribution(("gasf", "gadf", "mtf")),
        "alexnet.image_size": IntDistribution(32, 224, step=32),
        "alexnet.dropout": FloatDistribution(0.0, 0.7),
        "alexnet.learning_rate": FloatDistribution(1e-5, 1e-2, log=True),
    },
}
LEVEL = {"rnn": 0.865, "resnet1d": 0.895, "alexnet": 0.76}
REASONS = (("oom", "CUDA out of memory: tried to allocate 2.1 GiB"), ("nan", "training loss is nan at epoch 2"), ("preempted", "node lost"))
START = datetime(2026, 1, 5, 9, 0)
MAX_EPOCHS = 20
RUNGS = (3, 9)


@pytest.fixture(scope="module")
def all_join() -> Iterator[None]:
    """Let all trainings join an ensemble, however far apart they are: tiny ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.retraining.ensemble.NEAR_THE_BEST", 1.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def coarse_pictures() -> Iterator[None]:
    """Write PNGs with few pixels: nobody looks at them here, and an evaluation writes seventeen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis.plots, "DPI", 40)
        yield


@pytest.fixture(scope="session")
def toy_model() -> Callable[..., SavedModel]:
    """Return `make_toy_model`, which makes an untrained model with predictions far from 0.5."""
    return make_toy_model


def make_toy_model(
    data: PreparedData, name: str, *, seed: int = 0, validation: float = 0.8, crop_s: float | None = None, scale: float = 4.0
) -> SavedModel:
    """Return a tiny recurrent model with random weights.

    Args:
        scale: Of the weights; 0 makes a constant predictor.
    """
    torch.manual_seed(seed + sum(map(ord, name)))
    config = TrialConfig("rnn", RNNConfig(hidden_size=4, num_layers=1, dropout=0.0), TrainingConfig(crop_s=crop_s))
    model = build_model(config.model, family="rnn", n_leads=len(data.leads), n_channels=0, n_classes=len(data.class_names))
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(scale)
    return SavedModel(
        name, config, describe_data(data), model.state_dict(), {"half": [0.5] * 5, "f1": [0.52, 0.5, 0.48, 0.51, 0.49]}, trial=1,
        seed=seed, validation_macro_auc=validation, best_epoch=1, epochs=3, seconds=12.5, n_parameters=n_parameters(model), history=[],
    )  # fmt: skip


@pytest.fixture(scope="session")
def toy_study() -> Callable[..., optuna.Study]:
    """Return `make_toy_study`, which makes a MADE-UP study."""
    return make_toy_study


@pytest.fixture(scope="session")
def searched_study(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """Return a MADE-UP study in SQLite: 60 trials of 3 families, complete, stopped early and failed. Read it, never write to it."""
    return make_toy_study(tmp_path_factory.mktemp("toy") / "study.db")


def make_toy_study(database: Path | None = None, *, n_trials: int = 60, seed: int = 0, name: str = "toy", **options: Any) -> optuna.Study:
    """Make a study of invented numbers.

    Args:
        database: The SQLite file; None keeps the study in memory.
        n_trials: Rows.
        seed: Of the invented numbers.
        name: The study's name.
        **options: `families`, `states` (cycled; None draws them), `only` (keep these parameters), `synthetic`.
    """
    families = options.get("families", FAMILIES)
    study = optuna.create_study(study_name=name, storage=f"sqlite:///{database}" if database else None, direction="maximize")
    for key, value in study_attrs(families, synthetic=options.get("synthetic", True)).items():
        study.set_user_attr(key, value)
    rng = np.random.default_rng(seed)
    clocks = [START] * 4
    trials = []
    for number in range(n_trials):
        lane = int(np.argmin([clock.timestamp() for clock in clocks]))
        trial, clocks[lane] = _toy_trial(number, families, options, rng=rng, lane=lane, start=clocks[lane])
        trials.append(trial)
    study.add_trials(trials)
    return study


def study_attrs(families: tuple[str, ...], *, synthetic: bool) -> dict[str, Any]:
    """Return what a search writes on its study."""
    return {
        "data_fingerprint": "5f0c1d2e9a7b",
        "data_path": "data/prepared",
        "split": "official",
        "leads": ["I", "II", "V2"],
        "class_names": ["NORM", "MI", "STTC", "CD", "HYP"],
        "n_records": {"train": 2279, "validation": 320},
        "synthetic": synthetic,
        "metric": "macro_auc",
        "profile": "full",
        "families": list(families),
        "max_epochs": MAX_EPOCHS,
        "rungs": list(RUNGS),
        "scheduler": "asha",
        "sampler": "tpe",
        "seed": 0,
        "settings": {"scheduler": "asha", "profile": "full", "max_epochs": MAX_EPOCHS, "trials": 200},
    }


def _toy_trial(
    number: int, families: tuple[str, ...], options: dict[str, Any], *, rng: np.random.Generator, lane: int, start: datetime
) -> tuple[optuna.trial.FrozenTrial, datetime]:
    is_default = number < len(families)
    family = families[number] if is_default else str(rng.choice(families))
    params, distributions = _draw(family, families, options.get("only"), rng)
    state, epochs = _fate(number, options.get("states"), is_default, rng)
    curve = _curve(family, params, epochs, rng)
    seconds = round(epochs * {"rnn": 40.0, "resnet1d": 25.0, "alexnet": 65.0}.get(family, 30.0) * float(rng.uniform(0.7, 1.4)), 1)
    end = start + timedelta(seconds=seconds + 5)
    attrs: dict[str, Any] = {"family": family, "config": _config(family, params), "seed": number, "is_default": is_default}
    attrs["worker"] = f"node{lane // 2}:{4100 + lane}"
    if state is not TrialState.RUNNING:
        attrs |= {
            "epochs": epochs,
            "seconds": seconds,
            "device": "cuda:0",
            "node": f"node{lane // 2}",
            "n_parameters": 120_000 + 997 * number,
        }
        attrs["ended_by"] = {TrialState.PRUNED: "asha", TrialState.FAIL: "failed"}.get(
            state, "max_epochs" if epochs == MAX_EPOCHS else "patience"
        )
    if curve:
        best = max(curve, key=lambda epoch: curve[epoch])
        attrs |= {"best_epoch": best, "per_class_auc": [round(curve[best] + shift, 4) for shift in (0.04, 0.01, 0.005, -0.01, -0.045)]}
    if state is TrialState.FAIL:
        attrs["fail_reason"], attrs["failure"] = REASONS[number % len(REASONS)]
    value = max(curve.values()) if state is TrialState.COMPLETE else None
    trial = create_trial(state=state, value=value, params=params, distributions=distributions, intermediate_values=curve, user_attrs=attrs)
    trial.datetime_start, trial.datetime_complete = start, None if state is TrialState.RUNNING else end
    return trial, end


def _draw(
    family: str, families: tuple[str, ...], only: list[str] | None, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, Any]]:
    space = {name: d for name, d in SPACES[family].items() if only is None or name in only}
    if len(families) > 1 and only is None:
        space = {"family": CategoricalDistribution(families), **space}
    params = {name: family if name == "family" else _sample(d, rng) for name, d in space.items()}
    if not params.get("rnn.attention", True):
        params.pop("rnn.attention_heads", None)
    return params, {name: space[name] for name in params}


def _sample(distribution: Any, rng: np.random.Generator) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[rng.integers(len(distribution.choices))]
    low, high = distribution.low, distribution.high
    drawn = math.exp(rng.uniform(math.log(low), math.log(high))) if distribution.log else rng.uniform(low, high)
    if isinstance(distribution, FloatDistribution):
        return float(drawn)
    return int(low + round((drawn - low) / distribution.step) * distribution.step)


def _fate(number: int, states: tuple[TrialState, ...] | None, is_default: bool, rng: np.random.Generator) -> tuple[TrialState, int]:
    choices = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    state = states[number % len(states)] if states else choices[0 if is_default else int(rng.choice(3, p=[0.45, 0.47, 0.08]))]
    if state is TrialState.COMPLETE:
        return state, MAX_EPOCHS if rng.random() < 0.5 else int(rng.integers(8, MAX_EPOCHS))
    return state, int(rng.choice(RUNGS, p=[0.7, 0.3])) if state is TrialState.PRUNED else int(rng.integers(0, 5))


def _curve(family: str, params: dict[str, Any], epochs: int, rng: np.random.Generator) -> dict[int, float]:
    rate = next((v for name, v in params.items() if name.endswith("learning_rate")), 1e-3)
    top = LEVEL.get(family, 0.8) - 0.03 * abs(math.log10(rate) + 2.7) + float(rng.normal(0, 0.01))
    return {
        e: round(min(0.5 + (top - 0.5) * (1 - math.exp(-e / 2.5)) + float(rng.normal(0, 0.004)), 0.99), 6) for e in range(1, epochs + 1)
    }


def _config(family: str, params: dict[str, Any]) -> dict[str, Any]:
    own = {name.removeprefix(f"{family}."): value for name, value in params.items() if name != "family"}
    rate = own.pop("learning_rate", 1e-3)
    return {"family": family, "model": own, "training": {"batch_size": 32, "max_epochs": MAX_EPOCHS, "learning_rate": rate}, "image": None}


def ranked(study: optuna.Study) -> list[RankedTrial]:
    """Return an Optuna study's trials as the dashboard shows them."""
    return ranked_trials(Study(study))


def summary_of(study: optuna.Study, trials: Sequence[Trial]) -> StudySummary:
    """Summarise an Optuna study."""
    return summarise(Study(study), trials)
