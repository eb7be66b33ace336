"""Train the network of a factory with the settings of a `Config`, and write its model file."""

from __future__ import annotations

import re
from typing import Any

import torch

from analysis.evaluation.evaluate import open_config_data
from ecg_tune.config import Config, ImageConfig, TrialConfig, as_instance
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS, EncoderClassifier
from ecg_tune.training.fit import Fit, saved_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_file import save_model


def train_model(
    network: EncoderClassifier,
    config: Config | type[Config] | None = None,
    *classic: object,
    name: str = "",
    image: ImageConfig | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train a network from the weights it has on the data of `config.DATA_DIR`; it ends with the best epoch's weights.

    Writes `<SAVE_DIR>/<name>_best.pth`, unless `config.SAVE_BEST` is false. Batch size, epochs, learning rate, weight decay and patience
    are the config's; loss, optimiser and schedule are those of `TrainingConfig`.

    Args:
        network: Of a factory (`create_…`), with as many inputs and classes as the data have.
        config: A `Config`, or a class of them; None for `Config()`.
        classic: Nothing; refused, as a classic script gives its loaders, loss and optimiser here.
        name: What the file is called; "" for the name of its family, e.g. "RNNModel". The file of an earlier training is replaced.
        image: What images are computed, for networks that take them; None for Gramian fields of 224 pixels.
        seed: Of order and dropout. The weights are those of the network.

    Returns:
        The history for `TrainingVisualizer`: one row an epoch, see `EpochResult.as_row`.

    Raises:
        ConfigError: A network of no factory, or one that does not fit the data; loaders, a loss or an optimiser.
        DataError: `config.DATA_DIR` holds no prepared data.
        NonFiniteLossError: A loss is not a finite number.
    """
    if classic or not isinstance(config, Config | type | None):
        given = ", ".join(type(one).__name__ for one in (config, *classic))
        raise ConfigError(
            f"train_model takes a network and a Config(), but got {given}: call train_model(network, config), which makes loaders, loss, "
            "optimiser and schedule by the config"
        )
    settings = as_instance(config)
    trial = _trial(network, settings, image)
    named = name or MODELS[trial.family].name
    if not re.fullmatch(r"[\w#.-]+", named):
        raise ConfigError(f"name must be letters, digits and _ - . # only, but got {name!r}: a file is called by it")
    data = open_config_data(settings)
    fit = _fit(network, trial, data, seed=seed, device=settings.DEVICE)
    if settings.SAVE_BEST:
        save_model(settings.SAVE_DIR / f"{named}_best.pth", saved_model(fit, data, name=named, device=settings.DEVICE))
    return fit.rows()


def _trial(network: EncoderClassifier, settings: Config, image: ImageConfig | None) -> TrialConfig:
    """Find the family of a network by its config."""
    made_from = getattr(network, "config", None)
    for name, family in MODELS.items():
        if type(made_from) is family.config:
            shown = None if family.inputs == "signal" else image or ImageConfig()
            return TrialConfig(family=name, model=made_from, training=settings.training, image=shown)
    raise ConfigError(f"the network must be made by a factory, e.g. create_bigru(), but is a {type(network).__name__}")


def _fit(network: EncoderClassifier, trial: TrialConfig, data: PreparedData, *, seed: int, device: str) -> Fit:
    learner = Learner(trial, learning_data(data, torch.device(device)), seed=seed)
    try:
        learner.model.load_state_dict(network.state_dict())
    except RuntimeError as error:
        wanted = f"{len(data.leads)} leads {','.join(data.leads)} and {len(data.class_names)} classes {','.join(data.class_names)}"
        raise ConfigError(f"the network does not fit the data, which have {wanted}: make it with these n_inputs and num_classes") from error
    while not learner.ended_by:
        learner.step()
    learner.validated.load_state_dict(learner.best_state)
    network.load_state_dict(learner.best_state)
    return Fit(config=trial, model=learner.predictor.eval(), history=learner.history, best_epoch=learner.best_epoch, seed=seed)
