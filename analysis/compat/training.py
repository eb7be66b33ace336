"""Train the network of a factory with the settings of a `Config`, or with a script's own loaders and loss; write its model file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from analysis.compat.classic_loop import ClassicLoop
from analysis.compat.loader_facts import LoaderFacts, loader_facts
from analysis.evaluation.evaluate import OpenedTestLoader, open_config_data
from ecg_tune.config import Config, ImageConfig, TrialConfig, as_instance
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError, SealedTestError
from ecg_tune.models import MODELS, build_model
from ecg_tune.training.fit import Fit, packed_model, saved_model
from ecg_tune.training.learner import Learner, learning_data
from ecg_tune.training.model_checks import check_state
from ecg_tune.training.model_file import SavedModel, save_model
from ecg_tune.training.predictor import Predictor
from ecg_tune.transforms.images import n_channels

Settings = Config | type[Config] | None
LOADERS = ("train_loader", "val_loader")
CALLS = "call train_model(model, config), or train_model(model, train_loader, val_loader, criterion, optimizer, scheduler, config)"


def train_model(
    model: nn.Module,
    train_loader: Iterable[Any] | Settings = None,
    val_loader: Iterable[Any] | None = None,
    criterion: Callable[[Tensor, Tensor], Tensor] | None = None,
    optimizer: Optimizer | None = None,
    scheduler: Any = None,
    config: Settings = None,
    *,
    name: str = "",
    image: ImageConfig | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train a network from the weights it has; it ends with the weights of the epoch with the best validation macro AUC.

    Writes `<SAVE_DIR>/<name>_best.pth`, unless `config.SAVE_BEST` is false.

    `train_model(model, config)` trains on the prepared data of `config.DATA_DIR`. Batch size, epochs, learning rate, weight decay and
    patience are the config's; loss, optimiser and schedule are those of `TrainingConfig`.

    `train_model(model, train_loader, val_loader, criterion, optimizer, scheduler, config)` trains with just what it is given. An epoch
    is a pass over `train_loader`, then one over `val_loader`, then `scheduler.step`, with the validation loss if it is a
    `ReduceLROnPlateau`. Of the config count NUM_EPOCHS, PATIENCE (epochs since the lowest validation loss), SAVE_BEST, SAVE_DIR and
    DEVICE. A model file needs loaders of `create_…_dataloader`, of the train and the validation split of prepared data or of a tree that
    `ecg-tune data export` wrote, and a network of a factory; with SAVE_BEST = False any loaders and any module do.

    Args:
        model: Of a factory (`create_…`), with as many inputs and classes as the data have.
        train_loader: Batches (signal, labels), (image, labels), (signal, image, labels) or ((signal, image), labels); labels are
            (batch, n_classes) of 0/1. Or the config, and nothing after it.
        val_loader: The same of validation.
        criterion: Gives a batch's mean loss of logits and labels, both (batch, n_classes), e.g. `torch.nn.BCEWithLogitsLoss()`.
        optimizer: Of the model's parameters.
        scheduler: None for a constant learning rate.
        config: A `Config`, or a class of them; None for `Config()`.
        name: What the file is called; "" for the name of its family, e.g. "RNNModel". The file of an earlier training is replaced.
        image: What images are computed, for networks that take them; None for Gramian fields of 224 pixels. Loaders make their own.
        seed: Of order and dropout. The weights are those of the network; loaders of files have their own order.

    Returns:
        The history for `TrainingVisualizer`: one row an epoch, see `EpochResult.as_row`.

    Raises:
        ConfigError: Something is missing or of another kind; a network that does not fit the data; or loaders that do not say what a
            model file must.
        DataError: No prepared data, or unusable batches.
        SealedTestError: A loader of the test split.
        NonFiniteLossError: A loss is not a finite number.
    """
    given = {"train_loader": train_loader, "val_loader": val_loader, "criterion": criterion, "optimizer": optimizer, "scheduler": scheduler}
    if train_loader is None or isinstance(train_loader, Config | type):
        chosen = [one for one in (train_loader, config) if one is not None]
        if extra := [what for what, one in list(given.items())[1:] if one is not None] + ["a second config"] * (len(chosen) - 1):
            raise ConfigError(f"train_model got {', '.join(extra)}, but no train_loader: {CALLS}")
        return _train_by_config(model, as_instance(chosen[0] if chosen else None), name=name, image=image, seed=seed)
    _check_call(model, given)
    if image is not None:
        raise ConfigError("image goes without loaders, which make their own images: leave it out, or give transform_type to the loaders")
    settings = as_instance(config)
    return _train_by_loop(ClassicLoop(model, **given, device=torch.device(settings.DEVICE)), settings, name=name, seed=seed)


def _train_by_config(model: nn.Module, settings: Config, *, name: str, image: ImageConfig | None, seed: int) -> list[dict[str, Any]]:
    trial = _trial(model, settings, image)
    named = _file_name(name, trial)
    data = open_config_data(settings)
    fit = _fit(model, trial, data, seed=seed, device=settings.DEVICE)
    if settings.SAVE_BEST:
        save_model(settings.SAVE_DIR / f"{named}_best.pth", saved_model(fit, data, name=named, device=settings.DEVICE))
    return fit.rows()


def _train_by_loop(loop: ClassicLoop, settings: Config, *, name: str, seed: int) -> list[dict[str, Any]]:
    training = replace(settings.training, gradient_clip=0.0)
    if not settings.SAVE_BEST:
        return [result.as_row() for result in loop.run(training, seed=seed).history]
    facts = loader_facts(loop.train_loader, loop.val_loader)
    trial = replace(_trial(loop.network, settings, facts.image), training=training)
    named = _file_name(name, trial)
    _check_network(loop.network, trial, leads=facts.data["leads"], class_names=facts.data["class_names"])
    saved = _saved(loop, trial, facts, name=named, seed=seed)
    save_model(settings.SAVE_DIR / f"{named}_best.pth", saved)
    return saved.history


def _saved(loop: ClassicLoop, trial: TrialConfig, facts: LoaderFacts, *, name: str, seed: int) -> SavedModel:
    """Train, and pack the result; thresholds and Platt scaling are fitted on what the network predicted for validation."""
    trained, data = loop.run(trial.training, seed=seed), facts.data
    predictor = Predictor(loop.network, trial, normalisation=data["normalisation"], sampling_rate_hz=data["sampling_rate_hz"])
    fit = Fit(config=trial, model=predictor, history=trained.history, best_epoch=trained.best_epoch, seed=seed)
    used = [type(one).__name__ for one in (loop.criterion, loop.optimizer, loop.scheduler) if one is not None]
    return packed_model(fit, {**data, "trained_with": ", ".join(used)}, trained.labels, trained.probabilities, name=name)


def _check_call(model: nn.Module, given: Mapping[str, Any]) -> None:
    """Refuse what is no loader, loss, optimiser or schedule, and loaders of the test split."""
    optimizer, scheduler = given["optimizer"], given["scheduler"]
    usable = {
        **{what: isinstance(given[what], Iterable) and not isinstance(given[what], dict | str) for what in LOADERS},
        "criterion": callable(given["criterion"]) and not isinstance(given["criterion"], type),
        "optimizer": isinstance(optimizer, Optimizer),
        "scheduler": scheduler is None or (hasattr(scheduler, "step") and not isinstance(scheduler, type)),
    }
    for what, is_usable in usable.items():
        if not is_usable:
            raise ConfigError(f"{what} {'is missing' if given[what] is None else f'must not be {_kind(given[what])}'}: {CALLS}")
    for what in LOADERS:
        if isinstance(given[what], OpenedTestLoader):
            raise SealedTestError(f"{what} is of the test split, which neither trains nor chooses a model: give one of train or validation")
    own = {id(one) for one in model.parameters()}
    if not any(id(one) in own for group in optimizer.param_groups for one in group["params"]):
        raise ConfigError("the optimizer has no parameter of the model: make it of model.parameters()")


def _kind(one: object) -> str:
    return f"the class {one.__name__}" if isinstance(one, type) else f"a {type(one).__name__}"


def _file_name(name: str, trial: TrialConfig) -> str:
    named = name or MODELS[trial.family].name
    if not re.fullmatch(r"[\w#.-]+", named):
        raise ConfigError(f"name must be letters, digits and _ - . # only, but got {name!r}: a file is called by it")
    return named


def _trial(network: nn.Module, settings: Config, image: ImageConfig | None) -> TrialConfig:
    """Find the family of a network by its config."""
    made_from = getattr(network, "config", None)
    for name, family in MODELS.items():
        if type(made_from) is family.config:
            shown = None if family.inputs == "signal" else image or ImageConfig()
            return TrialConfig(family=name, model=made_from, training=settings.training, image=shown)
    raise ConfigError(
        f"the network must be made by a factory, e.g. create_bigru(), but is a {type(network).__name__}: a model file could not say how to "
        "make it; own modules are trained with loaders and SAVE_BEST = False"
    )


def _check_network(network: nn.Module, trial: TrialConfig, *, leads: Sequence[str], class_names: Sequence[str]) -> None:
    """Refuse a network that has not the inputs and classes of the data."""
    channels = n_channels(trial.image, len(leads)) if trial.image else 0
    with torch.device("meta"):  # takes no memory
        fitting = build_model(trial.model, family=trial.family, n_leads=len(leads), n_channels=channels, n_classes=len(class_names))
    try:
        check_state(network.state_dict(), fitting.state_dict())
    except ValueError as error:
        wanted = f"{len(leads)} leads {','.join(leads)} and {len(class_names)} classes {','.join(class_names)}"
        raise ConfigError(f"the network does not fit the data, which have {wanted}: make it with these n_inputs and num_classes") from error


def _fit(network: nn.Module, trial: TrialConfig, data: PreparedData, *, seed: int, device: str) -> Fit:
    _check_network(network, trial, leads=data.leads, class_names=data.class_names)
    learner = Learner(trial, learning_data(data, torch.device(device)), seed=seed)
    learner.model.load_state_dict(network.state_dict())
    while not learner.ended_by:
        learner.step()
    learner.validated.load_state_dict(learner.best_state)
    network.load_state_dict(learner.best_state)
    return Fit(config=trial, model=learner.predictor.eval(), history=learner.history, best_epoch=learner.best_epoch, seed=seed)
