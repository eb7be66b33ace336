"""The loss against torch's own, with smoothing and weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from ecg_tune.api.settings import make_space
from ecg_tune.config import SearchSettings, TrainingConfig
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.errors import ConfigError
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.loss import make_loss, with_soft_labels
from search_spaces.conformance import small_config
from search_spaces.conformance import toy_data as conformance_data

LABELS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]])
LOGITS = torch.tensor([[2.0, -1, 0], [0.5, 3, -2], [-1, 0, 1], [0, 0, 0]])


def test_the_plain_loss_is_binary_cross_entropy():
    expected = nn.functional.binary_cross_entropy_with_logits(LOGITS, LABELS)
    torch.testing.assert_close(make_loss(TrainingConfig(), LABELS)(LOGITS, LABELS), expected)


def test_smoothing_moves_labels_towards_one_half():
    expected = nn.functional.binary_cross_entropy_with_logits(LOGITS, LABELS * 0.8 + 0.1)
    torch.testing.assert_close(make_loss(TrainingConfig(label_smoothing=0.2), LABELS)(LOGITS, LABELS), expected)


def test_class_weights_balance_positives_and_are_bounded():
    labels = torch.zeros(100, 3)
    labels[:50, 0], labels[:20, 1], labels[:1, 2] = 1, 1, 1
    found = make_loss(TrainingConfig(class_weights=True), labels)(LOGITS, LABELS)
    weight = torch.tensor([1.0, 4.0, 10.0])
    torch.testing.assert_close(found, nn.functional.binary_cross_entropy_with_logits(LOGITS, LABELS, pos_weight=weight))


def split_of(certainty: torch.Tensor | None) -> DeviceSplit:
    return DeviceSplit(torch.zeros(4, 250, 3, dtype=torch.int16), LABELS, certainty=certainty)


def test_soft_labels_follow_the_likelihood_and_absent_ones_stay_absent():
    certainty = torch.tensor([[0.5, 1, 1], [1, 0.15, 1], [0.8, 1, 1], [0.5, 0.5, 0.5]])
    half = torch.tensor([[0.75, 0, 0], [0, 0.575, 0], [0.9, 1, 0], [0, 0, 0]])
    torch.testing.assert_close(with_soft_labels(split_of(certainty), 0.5).labels, half)
    torch.testing.assert_close(with_soft_labels(split_of(certainty), 1.0).labels, LABELS * certainty)
    assert with_soft_labels(split_of(certainty), 0.0).labels is LABELS


def test_soft_labels_of_data_that_do_not_say_it_are_refused():
    with pytest.raises(ConfigError, match="soft_labels needs the likelihoods of PTB-XL's statements, which these data lack"):
        with_soft_labels(split_of(None), 0.5)


def test_a_search_with_soft_labels_on_such_data_is_refused_before_its_first_trial(toy_data, tmp_path):
    settings = SearchSettings(("cnn1d",), profile="small", training={"soft_labels": [0.0, 0.5]})
    with pytest.raises(ConfigError, match="soft_labels needs the likelihoods"):
        make_space(settings, toy_data, tmp_path / "study")


def with_certainty(value: float) -> LearningData:
    """Return toy data whose training labels are so likely."""
    data = conformance_data()
    return dataclasses.replace(data, train=dataclasses.replace(data.train, certainty=torch.full_like(data.train.labels, value)))


def test_soft_labels_change_what_is_trained_and_not_what_is_validated():
    plain = Learner(small_config("cnn1d"), conformance_data(), seed=0)
    certain, doubtful = (Learner(small_config("cnn1d", soft_labels=1.0), with_certainty(value), seed=0) for value in (1.0, 0.3))
    losses = [learner.train_epoch() for learner in (plain, certain, doubtful)]
    assert losses[0] == losses[1] != losses[2]
    assert doubtful.loader.split.labels.max() == pytest.approx(0.3)
    assert doubtful.data.validation.labels is conformance_data().validation.labels
