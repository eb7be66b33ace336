"""The factories take their config, or keywords as scripts write them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import ecg_tune.models as models
from ecg_tune.config import Config
from ecg_tune.errors import ConfigError
from ecg_tune.models import (
    AlexNetConfig,
    CNN1DRNNConfig,
    FusionConfig,
    ResNetConfig,
    RNNConfig,
    VGGConfig,
    create_alexnet_cbam,
    create_bigru,
    create_cnn1d,
    create_cnn1d_rnn,
    create_fusion,
    create_gru,
    create_resnet,
    create_resnet1d,
    create_rnn,
    n_parameters,
)
from ecg_tune.models.image_attention import ATTENTIONS

RECURRENT = {
    "create_gru": RNNConfig(cell="gru", bidirectional=False),
    "create_bigru": RNNConfig(cell="gru"),
    "create_lstm": RNNConfig(cell="lstm", bidirectional=False),
    "create_bilstm": RNNConfig(cell="lstm"),
    "create_bigru_attention": RNNConfig(cell="gru", attention=True),
    "create_bilstm_attention": RNNConfig(cell="lstm", attention=True),
}
SMALL: dict[str, dict[str, Any]] = {
    "alexnet": {"width": 0.1, "classifier_width": 8},
    "vgg": {"width": 0.1, "classifier_width": 8},
    "resnet": {"width": 8},
}
CONFIGS = {"alexnet": AlexNetConfig, "vgg": VGGConfig, "resnet": ResNetConfig}
SUFFIXES = {"channel_attention": "channel", "spatial_attention": "spatial", "cbam": "cbam", "self_attention": "self_attention"}


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_factory_stands_for_its_config(name: str) -> None:
    create = getattr(models, name)
    assert create().config == RECURRENT[name]
    network = create(hidden_size=8, num_layers=1, dropout=0.1, num_classes=4, n_inputs=2)
    assert (network.config.hidden_size, network.config.num_layers, network.config.dropout) == (8, 1, 0.1)
    assert network(torch.zeros(2, 100, 2)).shape == (2, 4)
    assert create(8, 1, 0.1).config == network.config, "as scripts call it, without names"
    with pytest.raises(ConfigError, match=r"hidden_size, num_layers, dropout need no name, but got 5, 3 after them: name it"):
        create(8, 1, 0.1, 5, 3)


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_image_family_has_a_factory_for_each_attention(family: str, suffix: str) -> None:
    network = getattr(models, f"create_{family}_{suffix}")(dropout=0.5, num_classes=2, **SMALL[family])
    assert network.config == CONFIGS[family](dropout=0.5, attention=SUFFIXES[suffix], **SMALL[family])
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 2)


def test_no_attention_lacks_a_factory() -> None:
    assert {"none", *SUFFIXES.values()} == set(ATTENTIONS)


def test_every_factory_is_listed_and_documented() -> None:
    factories = {name for name, value in vars(models).items() if name.startswith("create_") and callable(value)}
    assert factories <= set(models.__all__)
    assert len(factories) == 9 + 6 + 12
    assert all(inspect.getdoc(getattr(models, name)) for name in factories)


def test_classic_calls_work_word_for_word() -> None:
    assert create_bigru(hidden_size=64, num_layers=2, dropout=0.3, num_classes=5).config == RNNConfig(hidden_size=64)
    network = create_resnet(layers=[2, 2, 2, 2])
    assert (network.config, n_parameters(network)) == (ResNetConfig(), 11_179_077)
    assert create_cnn1d_rnn(hidden_size=16, filters=8).config == CNN1DRNNConfig(hidden_size=16, filters=8)
    fusion = create_fusion(dropout=0.1, num_classes=3, signal={"hidden_size": 8}, image={"width": 8, "layers": [1, 1]})
    assert fusion.config == FusionConfig(dropout=0.1, signal=RNNConfig(hidden_size=8), image=ResNetConfig(width=8, layers=(1, 1)))
    assert fusion.eval()(torch.zeros(1, 100, 3), torch.zeros(1, 3, 32, 32)).shape == (1, 3)


class Settings(Config):
    HIDDEN_SIZE = 24
    NUM_LAYERS = 1
    DROPOUT = 0.1
    CLASS_NAMES = ("MI", "CD")


@pytest.mark.parametrize("given", [Settings, Settings(), Config(hidden_size=24, num_layers=1, dropout=0.1, class_names=("MI", "CD"))])
def test_a_factory_that_gets_settings_takes_its_defaults_from_them(given: Any) -> None:
    network = create_bigru(config=given)
    assert (network.config.hidden_size, network.config.num_layers, network.config.dropout) == (24, 1, 0.1)
    assert network.head[-1].out_features == 2
    assert create_bigru(48, config=given).config.hidden_size == 48
    assert create_cnn1d(given, depth=2, num_classes=3).config.dropout == 0.1
    assert create_fusion(given).config.dropout == 0.1
    assert create_bigru().config.hidden_size == Config.HIDDEN_SIZE


def test_what_is_left_out_is_as_config_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HIDDEN_SIZE", 16), ("NUM_LAYERS", 1), ("DROPOUT", 0.2), ("CLASS_NAMES", ("MI", "CD"))):
        monkeypatch.setattr(Config, name, value)
    assert create_gru().config == RNNConfig(bidirectional=False, hidden_size=16, num_layers=1, dropout=0.2)
    assert create_gru(hidden_size=8).config.hidden_size == 8
    assert create_cnn1d().config.dropout == 0.2
    assert create_resnet1d().config.hidden_size == 128, "of its head, which is not recurrent"
    assert create_rnn(RNNConfig(hidden_size=8)).config == RNNConfig(hidden_size=8), "a config says all"
    assert create_cnn1d()(torch.zeros(2, 100, 3)).shape == (2, 2)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: create_bigru(hiden_size=64), "unknown keyword 'hiden_size': did you mean 'hidden_size'"),
        (lambda: create_bigru(n_class=5), "unknown keyword 'n_class': did you mean 'num_classes'"),
        (lambda: create_alexnet_cbam(dropuot=0.5), "unknown keyword 'dropuot': did you mean 'dropout'"),
        (lambda: create_fusion(imge={}), "unknown keyword 'imge': did you mean 'image'"),
        (lambda: create_bigru(hidden_size="64"), "hidden_size: expected int, but got '64'"),
        (lambda: create_bigru(dropout=3), r"dropout must be 0\.\.0\.9, but got dropout=3"),
        (lambda: create_bigru(num_classes=0), r"num_classes must be 1\.\.10000, but got num_classes=0"),
        (lambda: create_bigru(num_classes="5"), "num_classes must be a whole number, but got num_classes='5'"),
        (lambda: create_bigru(n_inputs=0), r"n_inputs must be 1\.\.10000"),
        (lambda: create_bigru(cell="lstm"), "this factory stands for cell='gru': leave cell out, or take another factory"),
        (lambda: create_alexnet_cbam(attention="none"), "this factory stands for attention='cbam'"),
        (lambda: create_resnet(layers=2), "layers: expected a list, but got 2"),
        (lambda: create_resnet([2, 2, 2, 2]), r"config must be a ResNetConfig, but got \[2, 2, 2, 2\]: name the value"),
        (lambda: create_rnn(RNNConfig(), hidden_size=8), "give a config or keywords, not both: got a RNNConfig and hidden_size"),
    ],
)
def test_wrong_keywords_and_values_are_refused(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
