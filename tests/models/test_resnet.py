"""Residual networks on images: published sizes, any image size, where attention sits."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import ResNetConfig, create_resnet, n_parameters
from ecg_tune.models.image_attention import ATTENTIONS, NonLocal
from ecg_tune.models.resnet import Residual


@pytest.mark.parametrize(
    ("config", "published", "n_features"),
    [
        (ResNetConfig(), 11_689_512, 512),
        (ResNetConfig(layers=(3, 4, 6, 3)), 21_797_672, 512),
        (ResNetConfig(layers=(3, 4, 6, 3), block="bottleneck"), 25_557_032, 2048),
    ],
    ids=["resnet18", "resnet34", "resnet50"],
)
def test_the_published_shapes_have_their_parameters(config, published, n_features):
    with torch.device("meta"):
        assert n_parameters(create_resnet(config, n_classes=1000)) == published
        assert n_parameters(create_resnet(config)) == published - (n_features + 1) * 995


def test_the_documented_numbers_are_those_of_five_classes():
    with torch.device("meta"):
        assert n_parameters(create_resnet()) == 11_179_077
        assert n_parameters(create_resnet(ResNetConfig(layers=(3, 4, 6, 3)))) == 21_287_237


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(
    ("stem", "size"), [("small", 32), ("small", 48), ("small", 64), *(("standard", n) for n in (32, 48, 64, 112, 224))]
)
def test_any_image_size_gives_logits_and_features(stem, attention, size):
    network = create_resnet(ResNetConfig(layers=(1, 1, 1), width=4, stem=stem, attention=attention), n_inputs=2).eval()
    image = torch.randn(2, 2, size, size)
    assert network(image).shape == (2, 5)
    assert network.encode(image).shape == (2, network.n_features)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("attention", ["channel", "spatial", "cbam"])
def test_a_gate_sits_in_every_block(block, attention):
    network = create_resnet(ResNetConfig(layers=(2, 1), width=4, block=block, attention=attention))
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    assert len(blocks) == 3
    assert all(type(module.attention) is ATTENTIONS[attention] for module in blocks)


def test_self_attention_sits_once_behind_the_last_stage():
    network = create_resnet(ResNetConfig(layers=(2, 1), width=4, attention="self_attention"))
    assert [isinstance(module, NonLocal) for module in network.encoder].index(True) == len(network.encoder) - 3
    assert sum(isinstance(module, NonLocal) for module in network.modules()) == 1


def test_an_unknown_attention_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown attention 'spacial': did you mean 'spatial'"):
        ResNetConfig(attention="spacial")
