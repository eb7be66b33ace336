"""One place has every name of classic scripts, and each is the one that the rest of the project uses."""

from __future__ import annotations

import pytest

import analysis
import ecg_tune.models
from analysis import compat
from analysis.evaluation import evaluate
from ecg_tune import config
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS
from tests.analysis.test_lazy_import import NAMES

CLASSES = {family.name for family in (MODELS[name] for name in MODELS.built_in)}
LOADERS = {"create_signal_dataloader", "create_image_dataloader", "create_fusion_dataloader"}


def test_every_name_is_there() -> None:
    factories = {name for name in ecg_tune.models.__all__ if name.startswith("create_")}
    wanted = (NAMES - {"platt_scaled"}) | factories | LOADERS | CLASSES | {"Config", "best_model", "train_model"}
    assert set(compat.__all__) == wanted


def test_the_names_are_not_defined_twice() -> None:
    assert compat.Config is config.Config
    assert compat.get_test_loader is evaluate.get_test_loader
    for name in (set(compat.__all__) & set(ecg_tune.models.__all__)) - CLASSES:
        assert getattr(compat, name) is getattr(ecg_tune.models, name)
    for name in set(compat.__all__) & NAMES:
        assert getattr(compat, name) is getattr(analysis, name)


def test_the_name_of_a_class_makes_its_network_from_the_classic_keywords() -> None:
    for family in (MODELS[name] for name in MODELS.built_in):
        assert getattr(compat, family.name) is (family.create or ecg_tune.models.create_fusion)
    network = compat.ResNet(layers=[1, 1], num_classes=3, width=4)
    assert (network.config.layers, network.head[-1].out_features) == ((1, 1), 3)
    assert compat.CNN1D_RNN(num_classes=5, hidden_size=8, dropout=0.1).config.hidden_size == 8
    with pytest.raises(ConfigError, match="unknown keyword 'layer': did you mean 'layers'"):
        compat.ResNet(layer=[2])
