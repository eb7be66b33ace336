"""Check that data hold what a family or a config trains on: signals, stored images, or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecg_tune.config import STORED, TrialConfig
from ecg_tune.data.loaders import NO_STORED_IMAGES, DeviceSplit
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS, check_family

IMAGE_FAMILIES = tuple(name for name in MODELS.built_in if MODELS[name].inputs == "image")
"""The built-in families that data of images alone can train."""


def takes_signals(family: str) -> bool:
    """Whether a family can't be trained on images alone."""
    check_family(family)
    return MODELS[family].inputs != "image"


def check_families(families: Iterable[str], *, leads: Sequence[str], where: str) -> None:
    """Refuse families that data of images alone can't train.

    Args:
        leads: Of the data; none where there are images alone.
        where: What to call the data.

    Raises:
        ConfigError: Names the families, and those that can be trained.
    """
    if not leads and (unfit := [family for family in families if takes_signals(family)]):
        raise ConfigError(f"{where} holds images and no signals, and {unfit[0]} needs signals: choose of {', '.join(IMAGE_FAMILIES)}")


def check_inputs(config: TrialConfig, split: DeviceSplit) -> None:
    """Refuse a config whose inputs the data don't hold.

    Raises:
        ConfigError: Says what is missing, or which stored images there are.
    """
    kind = MODELS[config.family].inputs
    if not split.signals_uv.shape[2] and (kind != "image" or not config.stored_images):
        raise ConfigError(
            f"{config.family} needs signals{' to compute its images' if kind == 'image' else ''}, and the data hold stored images alone: "
            f"set image.kind={STORED} for one of {', '.join(IMAGE_FAMILIES)}"
        )
    if not config.stored_images:
        return
    assert config.image is not None, "stored images are described by the image config"
    if split.images is None:
        raise ConfigError(NO_STORED_IMAGES)
    if split.images.shape[1:] != (config.image.channels, config.image.size, config.image.size):
        n_channels, size = split.images.shape[1:3]
        raise ConfigError(
            f"the stored images have {n_channels} channels of {size} pixels a side, but image.channels={config.image.channels} and "
            f"image.size={config.image.size}: set them to these"
        )
