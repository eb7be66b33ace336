"""VGG: published sizes, any image size, refusals."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import VGGConfig, create_vgg, n_parameters
from ecg_tune.models.vgg import SHAPES, final_side

PUBLISHED = {
    ("vgg11", False): 132_863_336,
    ("vgg13", False): 133_047_848,
    ("vgg16", False): 138_357_544,
    ("vgg19", False): 143_667_240,
    ("vgg11", True): 132_868_840,
    ("vgg13", True): 133_053_736,
    ("vgg16", True): 138_365_992,
    ("vgg19", True): 143_678_248,
}
"""Parameters with 1000 classes; five take 4097 * 995 fewer."""


@pytest.mark.parametrize(("shape", "batch_norm"), PUBLISHED)
def test_the_published_shapes_have_their_parameters(shape, batch_norm):
    config = VGGConfig(shape=shape, batch_norm=batch_norm, classifier_width=4096)
    with torch.device("meta"):
        assert n_parameters(create_vgg(config, n_classes=1000)) == PUBLISHED[shape, batch_norm]
        assert n_parameters(create_vgg(config)) == PUBLISHED[shape, batch_norm] - 4097 * 995


def test_without_a_config_the_head_is_bounded():
    with torch.device("meta"):
        assert n_parameters(create_vgg()) == 27_833_925


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [32, 48, 64, 112, 224])
def test_any_image_size_gives_logits_and_features(shape, size):
    network = create_vgg(VGGConfig(shape=shape, width=0.0625, classifier_width=8, grid=2), n_inputs=2).eval()
    image = torch.randn(2, 2, size, size)
    assert network(image).shape == (2, 5)
    assert network.encode(image).shape == (2, network.n_features)
    assert network.encoder[:-2](image).shape[2:] == (final_side(size),) * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": "vgg12"}, "unknown shape 'vgg12': did you mean"),
        ({"width": 5}, "width must be 0.05..4, but got width=5"),
        ({"classifier_width": 9999}, "classifier_width must be 4..8192"),
        ({"attention": "cbma"}, "did you mean 'cbam'"),
        ({"grid": 17}, "grid must be 1..16"),
        ({"dropout": -0.1}, "dropout must be 0..0.9"),
    ],
)
def test_a_bad_setting_is_refused_with_its_range(changes, message):
    with pytest.raises(ConfigError, match=message):
        VGGConfig(**changes)
