"""Attention on feature maps: shapes, formulas against a loop, and the way it enters the networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ecg_tune.models import AlexNetConfig, ResNetConfig, VGGConfig, create_alexnet, create_resnet, create_vgg
from ecg_tune.models.image_attention import ATTENTIONS, CBAM, ChannelGate, NonLocal, SpatialGate, final_attention, stage_attention

VARIANTS = [name for name in ATTENTIONS if name != "none"]
NETWORKS = {
    "alexnet": lambda attention: create_alexnet(
        AlexNetConfig(width=0.125, classifier_width=16, grid=2, stem="small", batch_norm=True, attention=attention)
    ),
    "vgg": lambda attention: create_vgg(VGGConfig(shape="vgg11", width=0.125, classifier_width=16, grid=1, attention=attention)),
    "resnet": lambda attention: create_resnet(ResNetConfig(layers=(1, 1), width=8, stem="small", attention=attention)),
}


def awake(network: nn.Module) -> nn.Module:
    """Return the network with its non-local blocks' output switched on, as training would."""
    for block in network.modules():
        if isinstance(block, NonLocal):
            nn.init.ones_(block.norm.weight)
    return network


def image(size: int = 32) -> torch.Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ATTENTIONS)
@pytest.mark.parametrize("n_channels", [4, 64])
def test_a_block_keeps_the_shape_of_any_map(name, n_channels):
    block = ATTENTIONS[name](n_channels)
    for height, width in ((1, 1), (3, 5), (14, 14)):
        assert block(torch.randn(2, n_channels, height, width)).shape == (2, n_channels, height, width)


def test_the_non_local_block_starts_as_the_identity():
    inputs = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(NonLocal(8)(inputs), inputs, rtol=0, atol=0)


def test_the_non_local_block_sums_values_weighted_by_similarity():
    block = NonLocal(6).eval()
    nn.init.ones_(block.norm.weight)
    inputs = torch.randn(1, 6, 2, 3)
    query, key, value = (layer(inputs)[0].flatten(1).T for layer in (block.query, block.key, block.value))  # (pixels, n_hidden)
    attended = []
    for q in query:
        weights = torch.stack([(q * k).sum().exp() for k in key])
        attended.append(sum(w * v for w, v in zip(weights / weights.sum(), value, strict=True)))
    expected = torch.stack(attended).T.reshape(1, 3, 2, 3)
    torch.testing.assert_close(block(inputs), inputs + block.norm(block.output(expected)))


def test_a_channel_gate_scales_whole_channels_and_a_spatial_gate_whole_pixels():
    inputs = torch.rand(2, 8, 5, 5) + 0.5
    channel, spatial = ChannelGate(8)(inputs) / inputs, SpatialGate(8)(inputs) / inputs
    torch.testing.assert_close(channel, channel[:, :, :1, :1].expand_as(channel))
    torch.testing.assert_close(spatial, spatial[:, :1].expand_as(spatial))
    for scale in (channel, spatial):
        assert 0 < scale.min() < scale.max() < 1


def test_cbam_looks_at_maxima_too_and_gates_pixels_after_channels():
    block, inputs = CBAM(8), torch.randn(2, 8, 5, 5)
    hidden = block[0].excitation
    gated = inputs * (hidden(inputs.mean((2, 3))) + hidden(inputs.amax((2, 3)))).sigmoid()[:, :, None, None]
    torch.testing.assert_close(block(inputs), block[1](gated))


def test_gates_sit_in_the_stages_and_the_non_local_block_behind_the_last():
    for name in ATTENTIONS:
        both = [type(place(name, 8)) for place in (stage_attention, final_attention)]
        expected = ATTENTIONS[name]
        assert both == ([nn.Identity, expected] if name == "self_attention" else [expected, nn.Identity])


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_changes_what_a_network_says_and_every_parameter_learns(family, name):
    torch.manual_seed(0)
    plain = NETWORKS[family]("none")
    network = awake(NETWORKS[family](name))
    assert [key for key in network.state_dict() if key not in plain.state_dict()], "it has parameters of its own"
    network(image()).square().sum().backward()
    # biases before a normalisation take no part, nor does the key's, which shifts all of a softmax
    silent = [key for key, p in network.named_parameters() if not p.grad.abs().sum() > 0 and not key.endswith("bias")]
    assert silent == []
    before = network.eval()(image())
    for block in network.modules():
        if type(block) in (ChannelGate, SpatialGate, NonLocal):
            block.forward = lambda inputs: inputs
    assert not torch.allclose(network(image()), before)


@pytest.mark.parametrize("family", NETWORKS)
def test_a_network_with_self_attention_starts_as_the_one_without(family):
    torch.manual_seed(0)
    network = NETWORKS[family]("self_attention").eval()
    before = network(image())
    for block in network.modules():
        if isinstance(block, NonLocal):
            block.forward = lambda inputs: inputs
    torch.testing.assert_close(network(image()), before, rtol=0, atol=0)
