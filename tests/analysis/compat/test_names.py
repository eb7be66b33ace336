"""One place has every name of classic scripts, and each is the one that the rest of the project uses."""

from __future__ import annotations

import analysis
import ecg_tune.models
from analysis import compat
from analysis.evaluation import evaluate
from ecg_tune import config
from tests.analysis.test_lazy_import import NAMES

LOADERS = {"create_signal_dataloader", "create_image_dataloader", "create_fusion_dataloader"}


def test_every_name_is_there() -> None:
    factories = {name for name in ecg_tune.models.__all__ if name.startswith("create_")}
    wanted = (NAMES - {"platt_scaled"}) | factories | LOADERS | {"Config", "best_model", "train_model"}
    assert set(compat.__all__) == wanted


def test_the_names_are_not_defined_twice() -> None:
    assert compat.Config is config.Config
    assert compat.get_test_loader is evaluate.get_test_loader
    for name in set(compat.__all__) & set(ecg_tune.models.__all__):
        assert getattr(compat, name) is getattr(ecg_tune.models, name)
    for name in set(compat.__all__) & NAMES:
        assert getattr(compat, name) is getattr(analysis, name)
