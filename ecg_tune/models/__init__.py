"""The model families: one entry each, see `Family` for what an entry holds and `EncoderClassifier` for what a network must be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from ecg_tune.config import ImageConfig, ModelConfig, TrainingConfig, TrialConfig, check_choice, from_dict, nearest
from ecg_tune.errors import ConfigError
from ecg_tune.models.alexnet import (
    AlexNet,
    AlexNetConfig,
    create_alexnet,
    create_alexnet_cbam,
    create_alexnet_channel_attention,
    create_alexnet_self_attention,
    create_alexnet_spatial_attention,
)
from ecg_tune.models.base import EncoderClassifier
from ecg_tune.models.cnn1d import CNN1D, CNN1DConfig, create_cnn1d
from ecg_tune.models.cnn1d_rnn import CNN1DRNN, CNN1DRNNConfig, create_cnn1d_rnn
from ecg_tune.models.family import Family
from ecg_tune.models.fusion import Fusion, FusionConfig
from ecg_tune.models.inception1d import Inception1D, Inception1DConfig, create_inception1d
from ecg_tune.models.keywords import Classic, read_keywords
from ecg_tune.models.plugins import PluginError, Registry, family_of_package
from ecg_tune.models.resnet import (
    ResNet,
    ResNetConfig,
    create_resnet,
    create_resnet_cbam,
    create_resnet_channel_attention,
    create_resnet_self_attention,
    create_resnet_spatial_attention,
)
from ecg_tune.models.resnet1d import ResNet1D, ResNet1DConfig, create_resnet1d
from ecg_tune.models.rnn import (
    RNN,
    RNNConfig,
    create_bigru,
    create_bigru_attention,
    create_bilstm,
    create_bilstm_attention,
    create_gru,
    create_lstm,
    create_rnn,
)
from ecg_tune.models.vgg import (
    VGG,
    VGGConfig,
    create_vgg,
    create_vgg_cbam,
    create_vgg_channel_attention,
    create_vgg_self_attention,
    create_vgg_spatial_attention,
)

__all__ = [
    "CNN1D",
    "CNN1DRNN",
    "MODELS",
    "RNN",
    "VGG",
    "AlexNet",
    "AlexNetConfig",
    "CNN1DConfig",
    "CNN1DRNNConfig",
    "EncoderClassifier",
    "Family",
    "Fusion",
    "FusionConfig",
    "Inception1D",
    "Inception1DConfig",
    "PluginError",
    "RNNConfig",
    "ResNet",
    "ResNet1D",
    "ResNet1DConfig",
    "ResNetConfig",
    "VGGConfig",
    "build_model",
    "check_family",
    "create_alexnet",
    "create_alexnet_cbam",
    "create_alexnet_channel_attention",
    "create_alexnet_self_attention",
    "create_alexnet_spatial_attention",
    "create_bigru",
    "create_bigru_attention",
    "create_bilstm",
    "create_bilstm_attention",
    "create_cnn1d",
    "create_cnn1d_rnn",
    "create_fusion",
    "create_gru",
    "create_inception1d",
    "create_lstm",
    "create_resnet",
    "create_resnet1d",
    "create_resnet_cbam",
    "create_resnet_channel_attention",
    "create_resnet_self_attention",
    "create_resnet_spatial_attention",
    "create_rnn",
    "create_vgg",
    "create_vgg_cbam",
    "create_vgg_channel_attention",
    "create_vgg_self_attention",
    "create_vgg_spatial_attention",
    "n_parameters",
    "trial_config",
]


MODELS: Registry[Family] = Registry(
    {
        "rnn": Family("RNNModel", "signal", RNNConfig, create_rnn),
        "cnn1d": Family("CNN1D", "signal", CNN1DConfig, create_cnn1d),
        "resnet1d": Family("ResNet1D", "signal", ResNet1DConfig, create_resnet1d),
        "cnn1d_rnn": Family("CNN1D_RNN", "signal", CNN1DRNNConfig, create_cnn1d_rnn),
        "alexnet": Family("AlexNet", "image", AlexNetConfig, create_alexnet),
        "vgg": Family("VGGNet", "image", VGGConfig, create_vgg),
        "resnet": Family("ResNet", "image", ResNetConfig, create_resnet),
        "fusion": Family("JointFusion", "fusion", FusionConfig, None),
        "inception1d": Family("Inception1D", "signal", Inception1DConfig, create_inception1d),
    },
    family_of_package,
)


def check_family(family: str, *, also: Iterable[str] = ()) -> None:
    """Refuse a family that is neither built in nor brought by an installed package.

    Args:
        also: Further names that are valid here, e.g. "all".

    Raises:
        ConfigError: Unknown, with the nearest name.
        PluginError: Its package is installed, but can't be used.
    """
    if family in also:
        return
    try:
        MODELS[family]
    except KeyError as error:
        hint = nearest(family, [*MODELS, *also])
        raise ConfigError(f"unknown family {family!r}: {hint} (a plug-in's: install its package here)") from error


def build_model(config: ModelConfig, *, family: str, n_leads: int, n_channels: int, n_classes: int) -> EncoderClassifier:
    """Make the network of a config, its weights drawn from torch's global generator.

    Args:
        family: An entry of `MODELS`.
        n_leads: Leads of the signal (ignored by image families).
        n_channels: Channels of the image (ignored by signal families).
    """
    entry = MODELS[family]
    if isinstance(config, FusionConfig):
        sides = {"signal": (config.signal_family, config.signal), "image": (config.image_family, config.image)}
        encoders = {
            side: build_model(inner, family=name, n_leads=n_leads, n_channels=n_channels, n_classes=n_classes)
            for side, (name, inner) in sides.items()
        }
        return Fusion(config, signal=encoders["signal"], image=encoders["image"], n_classes=n_classes)
    assert entry.create is not None, f"the family {family} has neither a factory nor encoders"
    return entry.create(config, n_inputs=n_leads if entry.inputs == "signal" else n_channels, n_classes=n_classes)


def create_fusion(
    config: FusionConfig | Classic | None = None, *, n_leads: int = 3, n_channels: int = 3, n_classes: int | None = None, **keywords: Any
) -> EncoderClassifier:
    """Make a fusion classifier; without a config the classic BiGRU beside ResNet-18.

    Args:
        keywords: Fields of the config in its place, and `num_classes`; `signal` and `image` are the encoders' own fields, as plain data.
    """
    own, values, n_classes = read_keywords(FusionConfig, config, keywords, n_classes=n_classes)
    settings = own or _model_config("fusion", values, where="create_fusion")
    network = build_model(settings, family="fusion", n_leads=n_leads, n_channels=n_channels, n_classes=n_classes)
    network.config = settings
    return network


def n_parameters(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def trial_config(data: Mapping[str, Any], *, where: str = "") -> TrialConfig:
    """Build a trial's config from plain data: of a study, a model file, or a YAML file. Inverse of `config.to_dict`.

    Args:
        where: What to call the source in messages, e.g. a file's name.

    Raises:
        ConfigError: Unknown family or key, or a value out of range.
    """
    names = {f.name for f in dataclasses.fields(TrialConfig)}
    if "family" not in data or not set(data) <= names:
        raise ConfigError(f"{where}: a trial's config has the keys {sorted(names)}, but got {sorted(data)}")
    family = str(data["family"])
    check_family(family)
    image = data.get("image")
    if image is None and MODELS[family].inputs != "signal":
        image = {}
    return TrialConfig(
        family=family,
        model=_model_config(family, data.get("model") or {}, where=where),
        training=from_dict(TrainingConfig, data.get("training") or {}, where=where),
        image=None if image is None else from_dict(ImageConfig, image, where=where),
    )


def _model_config(family: str, data: Mapping[str, Any], *, where: str) -> ModelConfig:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or family}: expected names with values, but got {data!r}")
    values = dict(data)
    if MODELS[family].inputs == "fusion":
        defaults = FusionConfig()
        for side, default in (("signal", defaults.signal_family), ("image", defaults.image_family)):
            inner = str(values.get(f"{side}_family", default))
            if inner not in MODELS or MODELS[inner].inputs != side:
                check_choice(f"{side}_family", inner, [name for name, entry in MODELS.items() if entry.inputs == side])
            values[side] = _model_config(inner, values.get(side) or {}, where=where)
    return from_dict(MODELS[family].config, values, where=where)
