"""What convolutional networks on signals share, and how far they see."""

from __future__ import annotations

import pytest
import torch

from ecg_tune.errors import ConfigError
from ecg_tune.models import CNN1DConfig, ResNet1DConfig, create_cnn1d, create_resnet1d
from ecg_tune.models.blocks1d import SqueezeExcitation

MAKERS = {
    "cnn1d": lambda **more: create_cnn1d(CNN1DConfig(filters=8, depth=3, **more)),
    "resnet1d": lambda **more: create_resnet1d(ResNet1DConfig(filters=(8, 8), **more)),
}


def seen(network: torch.nn.Module) -> int:
    """Count the samples on which the middle of the last feature map depends."""
    signal = torch.randn(1, 3, 512, requires_grad=True)
    features = network.eval().encoder[:-1](signal)
    features[0, :, features.shape[2] // 2].sum().backward()
    (touched,) = (signal.grad.abs().sum(1) > 0).nonzero(as_tuple=True)[1:]
    return int(touched.max() - touched.min()) + 1


@pytest.mark.parametrize("family", MAKERS)
def test_dilation_makes_a_network_see_further_and_keeps_its_parameters(family):
    near, far = MAKERS[family](), MAKERS[family](dilation=4)
    assert [tuple(p.shape) for p in near.parameters()] == [tuple(p.shape) for p in far.parameters()]
    assert far(torch.randn(2, 250, 3)).shape == (2, 5)
    assert seen(far) > 1.5 * seen(near)


@pytest.mark.parametrize("family", MAKERS)
def test_squeeze_and_excitation_is_an_addition(family):
    plain, gated = MAKERS[family](), MAKERS[family](squeeze_excitation=True)
    assert not any(isinstance(module, SqueezeExcitation) for module in plain.modules())
    assert any(isinstance(module, SqueezeExcitation) for module in gated.modules())
    assert gated(torch.randn(2, 250, 3)).shape == (2, 5)


def test_the_gates_weigh_channels_by_the_means_over_time():
    torch.manual_seed(0)
    block, states = SqueezeExcitation(16), torch.randn(2, 16, 30)
    gates = block(states) / states
    torch.testing.assert_close(gates, gates[:, :, :1].expand_as(gates))
    assert ((gates > 0) & (gates < 1)).all()
    assert not torch.allclose(gates[0], gates[1])  # another record, other gates


@pytest.mark.parametrize("config", [CNN1DConfig, ResNet1DConfig])
def test_a_dilation_out_of_range_is_refused(config):
    with pytest.raises(ConfigError, match=r"dilation must be 1\.\.16, but got dilation=0"):
        config(dilation=0)
