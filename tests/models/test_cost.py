"""MACs: published numbers, recurrent layers by formula, every family."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.models import AlexNetConfig, FusionConfig, ResNetConfig, RNNConfig, VGGConfig, create_alexnet, create_resnet, create_vgg
from ecg_tune.models.cost import cost, forward_macs, recurrent_macs

ONE_SECOND = TrainingConfig(crop_s=1.0)


@pytest.mark.parametrize(
    ("create", "published"),
    [
        (lambda: create_resnet(n_classes=1000), 1.82e9),
        (lambda: create_resnet(ResNetConfig(layers=(3, 4, 6, 3)), n_classes=1000), 3.67e9),
        (lambda: create_alexnet(n_classes=1000), 0.714e9),
        (lambda: create_vgg(VGGConfig(classifier_width=4096), n_classes=1000), 15.5e9),
    ],
    ids=["resnet18", "resnet34", "alexnet", "vgg16"],
)
def test_macs_are_the_published_ones_at_224_pixels(create, published):
    with torch.device("meta"):
        assert forward_macs(create(), torch.zeros(1, 3, 224, 224)) == pytest.approx(published, rel=0.005)


def test_a_convolution_and_a_linear_layer_are_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 100, 5))
    assert forward_macs(model, torch.zeros(2, 3, 10, 10)) == 2 * (9 * 3 * 8 * 100 + 800 * 5)


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_formula_of_recurrent_layers_is_what_their_products_add_up_to(cell, bidirectional, num_layers):
    layer = cell(3, 8, num_layers, batch_first=True, bidirectional=bidirectional, device="meta")
    with FlopCounterMode(display=False) as counter:  # the meta device runs them product by product
        layer(torch.zeros(1, 20, 3, device="meta"))
    assert recurrent_macs(layer, 20) == counter.get_total_flops() // 2


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_recurrent_family_counts_cells_attention_and_head(cell):
    n_steps, width = 100, 16
    config = TrialConfig("rnn", RNNConfig(cell=cell, hidden_size=8, num_layers=1, attention=True), ONE_SECOND)
    cells = n_steps * 2 * {"gru": 3, "lstm": 4}[cell] * 8 * (3 + 8)
    attention = 4 * n_steps * width**2 + 2 * n_steps**2 * width
    assert cost(config).macs == cells + attention + 3 * width * 5


def test_fusion_costs_both_encoders_and_its_head():
    rnn, resnet, image = RNNConfig(hidden_size=8), ResNetConfig(layers=(1,), width=8, stem="small"), ImageConfig(size=32)
    whole = cost(TrialConfig("fusion", FusionConfig(signal=rnn, image=resnet, hidden_size=16), ONE_SECOND, image))
    signal = cost(TrialConfig("rnn", rnn, ONE_SECOND))
    picture = cost(TrialConfig("resnet", resnet, ONE_SECOND, image))
    n_signal, n_image = 48, 8
    assert whole.macs == signal.macs - 5 * n_signal + picture.macs - 5 * n_image + (n_signal + n_image) * 16 + 16 * 5
    assert whole.inputs == "100 x 3 signal + 3 x 32 x 32 image"


def test_the_crop_the_leads_and_the_rate_shape_the_input():
    network = RNNConfig(hidden_size=8)
    assert cost(TrialConfig("rnn", network, ONE_SECOND), n_leads=12, sampling_rate_hz=500).inputs == "500 x 12 signal"
    assert cost(TrialConfig("rnn", network), n_samples=5000).inputs == "5000 x 3 signal"
    picture = TrialConfig("alexnet", AlexNetConfig(width=0.125, classifier_width=8), image=ImageConfig(kind="triple", size=64))
    assert cost(picture, n_leads=12).inputs == "3 x 64 x 64 image"
