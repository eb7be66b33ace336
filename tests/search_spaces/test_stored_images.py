"""Search spaces on data with stored images: nothing about how images are made is suggested, the rest is as ever."""

from __future__ import annotations

import optuna
import pytest

from ecg_tune.errors import ConfigError
from ecg_tune.models import n_parameters, trial_config
from search_spaces import SPACES, SpaceContext, search_space
from search_spaces.conformance import LARGEST, network_of

MADE = ("image_kind", "image_size", "image_scale", "mtf_bins", "crop_s")


@pytest.mark.parametrize("profile", ["full", "small"])
@pytest.mark.parametrize("family", ["alexnet", "vgg", "resnet", "fusion"])
@pytest.mark.parametrize("side", [32, 224])
def test_kind_and_size_are_the_datas_and_no_parameter(family, profile, side):
    space = search_space([family], SpaceContext(profile, 5, images=(12, side)))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.enqueue_trial(space.defaults[0])
    for n in range(20):
        trial = study.ask()
        config = trial_config(space.suggest(trial).config)
        assert config.image is not None
        assert (config.image.kind, config.image.size, config.image.channels, config.training.crop_s) == ("stored", side, 12, None)
        assert not [name for name in trial.params if name.partition(".")[2] in MADE]
        assert n or trial.params == space.defaults[0]
        assert n_parameters(network_of(config, device="meta")) <= LARGEST


def test_signal_families_still_crop_beside_stored_images():
    space = search_space(["cnn1d"], SpaceContext("small", 5, images=(3, 224)))
    study = optuna.create_study()
    assert space.suggest(study.ask()).config["training"]["crop_s"] == 2.5


@pytest.mark.parametrize("rule", ["image_kind", "crop_s", "augment.noise"])
def test_rules_on_how_images_are_made_are_refused(rule):
    value = {"image_kind": "gasf", "crop_s": 2.5, "augment.noise": 0.1}[rule]
    with pytest.raises(ConfigError, match=r"unknown parameter 'resnet.image_kind'|leave crop_s and augment out"):
        search_space(["resnet"], SpaceContext("small", 5, rules={f"resnet.{rule}": value}, images=(3, 32)))


def test_wide_networks_on_large_images_are_left_out_by_memory():
    def widths(side: int) -> tuple[float, ...]:
        trial = optuna.create_study().ask()
        SPACES["vgg"].suggest(trial, SpaceContext("full", 5, images=(3, side)))
        return trial.distributions["vgg.width"].choices

    assert (widths(224), widths(512)) == ((0.5, 1.0), (0.5,))
