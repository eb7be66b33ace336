"""The loss against torch's own, with smoothing and weights."""

from __future__ import annotations

import torch
from torch import nn

from ecg_tune.config import TrainingConfig
from ecg_tune.training.loss import make_loss

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
