"""Start a fusion network's encoders from trained models that take a signal or an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from torch import nn

from ecg_tune.config import ENCODERS, ImageConfig, TrialConfig
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS, FusionConfig
from ecg_tune.models.fusion import Fusion
from ecg_tune.training.model_file import SavedModel, load_saved


def load_encoders(model: nn.Module, config: TrialConfig) -> None:
    """Load the weights that a fusion's config names into its encoders; other networks and configs stay as they are.

    Raises:
        DataError: A file is not a model file.
        ConfigError: A file holds another network than the config's encoder, or one trained on other images.
    """
    if not isinstance(config.model, FusionConfig) or not isinstance(model, Fusion):
        return
    chosen = config.model
    if chosen.signal_checkpoint:
        saved = load_saved(chosen.signal_checkpoint)
        _check(saved, chosen.signal_checkpoint, family=chosen.signal_family, same=saved.config.model == chosen.signal)
        _load(model.signal.network, saved)
        if model.signal_head is not None:
            model.signal_head.load_state_dict(_of_head(saved))
    if chosen.image_checkpoint:
        saved = load_saved(chosen.image_checkpoint)
        same = saved.config.model == chosen.image and saved.config.image == config.image
        _check(saved, chosen.image_checkpoint, family=chosen.image_family, same=same)
        _load(model.image.network, saved)


def with_local_encoders(config: TrialConfig, folder: Path) -> TrialConfig:
    """Point a fusion's config to the encoder files in a study's own folder, which may have been moved or fetched from a cluster.

    Args:
        folder: The study's. An encoder whose file is not in its `encoders/` keeps the path that the config names.
    """
    if not isinstance(config.model, FusionConfig):
        return config
    changes: dict[str, Any] = {}
    for name in ("signal_checkpoint", "image_checkpoint"):
        local = folder / ENCODERS / PurePosixPath(str(getattr(config.model, name)).partition("?")[0]).name
        if getattr(config.model, name) and local.is_file():
            changes[name] = str(local.resolve())
    return replace(config, model=replace(config.model, **changes))


def starts_trained(config: TrialConfig) -> bool:
    """Return whether a fusion's config names weights that its encoders start from."""
    return isinstance(config.model, FusionConfig) and bool(config.model.signal_checkpoint or config.model.image_checkpoint)


def load_encoder(path: Path, *, inputs: str) -> SavedModel:
    """Load a model file for use as a fusion's signal or image encoder.

    Args:
        inputs: "signal" or "image".

    Raises:
        DataError: Not a model file.
        ConfigError: The file's network takes other inputs.
    """
    saved = load_saved(path)
    if MODELS[saved.config.family].inputs != inputs:
        raise ConfigError(f"{path} holds a {saved.config.family} model: give one that takes {inputs}s")
    return saved


def image_config(saved: SavedModel) -> ImageConfig:
    """Look up the image settings that an image model was trained with."""
    assert saved.config.image is not None, f"{saved.name} takes images: its config holds one"
    return saved.config.image


def _check(saved: SavedModel, path: str, *, family: str, same: bool) -> None:
    if saved.config.family != family or not same:
        raise ConfigError(f"{path} holds another network than the fusion's {family} encoder: take encoder and image settings from it")


def trained_parts(model: Fusion) -> list[nn.Parameter]:
    """List the parameters of a fusion that may come from trained models: both encoders, and the signal model's own classifier."""
    parts = [model.signal.network, model.image.network, *([model.signal_head] if model.signal_head is not None else [])]
    return [parameter for part in parts for parameter in part.parameters()]


def _of_head(saved: SavedModel) -> dict[str, Any]:
    return {name.removeprefix("head."): value for name, value in saved.state.items() if name.startswith("head.")}


def _load(network: nn.Module, saved: SavedModel) -> None:
    network.load_state_dict({name: value for name, value in saved.state.items() if not name.startswith("head.")})
