"""The training loss: binary cross-entropy of every class, with optional label smoothing, soft labels, teachers and class weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from ecg_tune.config import TrainingConfig
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.errors import ConfigError

LARGEST_WEIGHT = 10.0
NO_CERTAINTY = "soft_labels needs the likelihoods of PTB-XL's statements, which these data lack: prepare them again, or leave it out"
NO_TEACHERS = "distillation needs data with teachers: make them with `ecg-tune data teach DATA OUT --study STUDY`, or leave it out"


def with_soft_labels(split: DeviceSplit, share: float) -> DeviceSplit:
    """Let the labels of the train split follow how likely they are.

    Args:
        split: Whose labels are 0 or 1.
        share: 0 leaves them, 1 makes a label the likelihood of its statements, between is between.

    Raises:
        ConfigError: The data do not say how likely labels are.
    """
    if not share:
        return split
    if split.certainty is None:
        raise ConfigError(NO_CERTAINTY)
    return replace(split, labels=split.labels * (1 - share * (1 - split.certainty)))


def with_teachers(split: DeviceSplit, share: float) -> DeviceSplit:
    """Mix what teachers say into the labels of the train split (distillation at temperature 1; Hinton, Vinyals & Dean, 2015).

    The cross-entropy with the mixture is the weighted sum of those with the labels and with the teachers' probabilities.

    Args:
        share: Of the teachers; 0 leaves the labels.

    Raises:
        ConfigError: The data have no teachers.
    """
    if not share:
        return split
    if split.taught is None:
        raise ConfigError(NO_TEACHERS)
    return replace(split, labels=split.labels * (1 - share) + split.taught * share)


def make_loss(config: TrainingConfig, labels: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Build the loss function of a config.

    Args:
        labels: (n_records, n_classes) of the training split. With `class_weights`, a class's positives together weigh as
            much as its negatives (each at most `LARGEST_WEIGHT`), which trades calibration for sensitivity.

    Returns:
        A function of logits and labels, both (batch, n_classes), that gives the batch's mean loss.
    """
    weight = None
    if config.class_weights:
        positives = labels.sum(0)
        weight = ((len(labels) - positives) / positives.clamp(min=1)).clamp(max=LARGEST_WEIGHT)
    smoothing = config.label_smoothing

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        smooth = target * (1 - smoothing) + smoothing / 2
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), smooth, pos_weight=weight)

    return loss
