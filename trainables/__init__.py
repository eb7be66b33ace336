"""Which class runs the trials of each family on a worker: one entry each."""

from __future__ import annotations

from collections.abc import Iterable

from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS
from ecg_tune.models.plugins import Registry, named
from trainables.base import LearnerTrainable, Shared
from trainables.families import FamilyTrainable

__all__ = ["TRAINABLES", "FamilyTrainable", "LearnerTrainable", "Shared", "classes_of"]


def _class_of_package(family: str) -> type[LearnerTrainable]:
    reference = MODELS[family].trainable
    found = named(reference) if reference else LearnerTrainable
    if not (isinstance(found, type) and issubclass(found, LearnerTrainable)):
        raise ConfigError(f"{reference} must be a subclass of trainables.LearnerTrainable, but is {found!r}")
    return found


TRAINABLES: Registry[type[LearnerTrainable]] = Registry(
    {
        "rnn": LearnerTrainable,
        "cnn1d": LearnerTrainable,
        "resnet1d": LearnerTrainable,
        "cnn1d_rnn": LearnerTrainable,
        "alexnet": LearnerTrainable,
        "vgg": LearnerTrainable,
        "resnet": LearnerTrainable,
        "fusion": LearnerTrainable,
        "inception1d": LearnerTrainable,
    },
    _class_of_package,
)


def classes_of(families: Iterable[str]) -> dict[str, type[LearnerTrainable]]:
    """Look up the trainable class of each family, for `FamilyTrainable`.

    Raises:
        PluginError: A package's family names something else than a trainable.
    """
    return {family: TRAINABLES[family] for family in families}
