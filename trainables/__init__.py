"""Which trainable runs each family: one row each; a family gets a class of its own only where it differs."""

from __future__ import annotations

from trainables.base import LearnerTrainable, Shared

__all__ = ["TRAINABLES", "LearnerTrainable", "Shared"]

TRAINABLES: dict[str, type[LearnerTrainable]] = {
    "rnn": LearnerTrainable,
    "cnn1d": LearnerTrainable,
    "resnet1d": LearnerTrainable,
    "cnn1d_rnn": LearnerTrainable,
    "alexnet": LearnerTrainable,
    "vgg": LearnerTrainable,
    "resnet": LearnerTrainable,
    "fusion": LearnerTrainable,
}
