"""AlexNet: published size, any image size, refusals."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import AlexNetConfig, create_alexnet, n_parameters
from ecg_tune.models.alexnet import STEMS, final_side


def small(**changes) -> AlexNetConfig:
    return AlexNetConfig(**{"width": 0.125, "classifier_width": 16, "grid": 3, **changes})


def test_the_published_net_has_its_parameters():
    with torch.device("meta"):
        assert n_parameters(create_alexnet()) == 57_024_325
        assert n_parameters(create_alexnet(n_classes=1000)) == 61_100_840, "as published, 1000 classes"
        norms = 2 * (64 + 192 + 384 + 256 + 256)
        assert n_parameters(create_alexnet(AlexNetConfig(batch_norm=True))) == 57_024_325 + norms


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("size", [32, 48, 64, 112, 224])
def test_any_image_size_gives_logits_and_features(stem, size):
    network = create_alexnet(small(stem=stem), n_inputs=2).eval()
    image = torch.randn(2, 2, size, size)
    assert network(image).shape == (2, 5)
    assert network.encode(image).shape == (2, network.n_features)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("size", [32, 48, 64, 112, 224])
def test_the_final_side_is_that_of_the_last_map(stem, size):
    network = create_alexnet(small(stem=stem)).eval()
    assert network.encoder[:-2](torch.randn(1, 3, size, size)).shape[2:] == (final_side(size, stem),) * 2


def test_the_published_map_is_six_by_six():
    assert final_side(224, "standard") == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0.01}, r"width must be 0.05..4, but got width=0.01"),
        ({"classifier_width": 0}, "classifier_width must be 4..8192"),
        ({"attention": "chanel"}, "did you mean 'channel'"),
        ({"stem": "big"}, "unknown stem 'big'"),
        ({"grid": 0}, "grid must be 1..16"),
        ({"dropout": 1.0}, "dropout must be 0..0.9"),
    ],
)
def test_a_bad_setting_is_refused_with_its_range(changes, message):
    with pytest.raises(ConfigError, match=message):
        AlexNetConfig(**changes)
