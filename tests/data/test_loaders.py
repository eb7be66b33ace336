"""The three loaders: shapes, labels, order."""

from __future__ import annotations

import torch

from ecg_tune.config import ImageConfig
from ecg_tune.data.loaders import create_fusion_dataloader, create_image_dataloader, create_signal_dataloader
from ecg_tune.transforms.images import make_images
from ecg_tune.transforms.signals import standardise

IMAGE = ImageConfig(kind="gadf", size=32)


def test_the_three_loaders_agree_on_the_same_records(toy_data):
    split, normalisation = toy_data.train, toy_data.normalisation
    signals = create_signal_dataloader(split, batch_size=40)
    images = create_image_dataloader(split, IMAGE, normalisation=normalisation, batch_size=40)
    both = create_fusion_dataloader(split, IMAGE, normalisation=normalisation, batch_size=40)
    assert len(signals) == len(images) == len(both) == 3
    for (signal, labels), (image, _), (standard, picture, last) in zip(signals, images, both, strict=True):
        torch.testing.assert_close(standard, standardise(signal, normalisation))
        torch.testing.assert_close(image, make_images(standard, IMAGE))
        torch.testing.assert_close(picture, image)
        assert torch.equal(labels, last)
        assert image.shape[1:] == (3, 32, 32)


def test_a_shuffled_loader_keeps_signal_and_label_together_and_draws_anew_each_pass(toy_data):
    loader = create_signal_dataloader(toy_data.train, batch_size=96, shuffle_seed=0)
    plain_signal, plain_labels = next(iter(create_signal_dataloader(toy_data.train, batch_size=96)))
    (first, labels), (second, _) = next(iter(loader)), next(iter(loader))
    assert not torch.equal(first, second)
    match = (first[:, None] == plain_signal[None]).flatten(2).all(2).int().argmax(1)
    assert torch.equal(labels, plain_labels[match])
    assert sorted(match.tolist()) == list(range(96))
