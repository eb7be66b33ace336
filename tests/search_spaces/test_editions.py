"""Editions of the spaces: a study that an older version began goes on in its own, and its trials fit the newest."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from optuna.distributions import distribution_to_json

from ecg_tune.config import SearchSettings, stored_settings, to_dict
from ecg_tune.config.search import SPACE_VERSION
from ecg_tune.search.queue import suggested
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from search_spaces import SPACES, SpaceContext, in_order, search_space
from search_spaces.custom import parameters
from search_spaces.suggestions import AUGMENTATIONS

VERSION_1 = json.loads((Path(__file__).parent / "version_1.json").read_text())
"""Family and profile → parameter → distribution, as version 0.2 suggested them."""
OLD_FAMILIES = ("rnn", "cnn1d", "resnet1d", "cnn1d_rnn", "alexnet", "vgg", "resnet", "fusion")


@pytest.mark.parametrize("where", VERSION_1)
def test_edition_1_suggests_what_version_0_2_did(where: str) -> None:
    family, profile = where.split()
    context = SpaceContext(profile, 9, version=1)
    found = parameters(lambda trial: SPACES[family].suggest(trial, context))
    assert {name: json.loads(distribution_to_json(one)) for name, one in found.items()} == VERSION_1[where]
    (default,) = search_space([family], context).defaults
    assert set(default) <= set(VERSION_1[where])


@pytest.mark.parametrize("family", OLD_FAMILIES)
def test_a_trial_of_edition_1_has_the_same_config_in_the_newest(family: str) -> None:
    old, new = (search_space([family], SpaceContext("small", 9, version=version)) for version in (1, SPACE_VERSION))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        trial = study.ask()
        proposal = old.suggest(trial)
        assert suggested(new, trial.params)[0] == proposal


def test_settings_of_a_study_that_names_no_edition_are_of_the_first() -> None:
    old = {name: value for name, value in to_dict(SearchSettings()).items() if name != "space_version"}
    assert stored_settings(old).space_version == 1
    assert stored_settings(to_dict(SearchSettings())).space_version == SearchSettings().space_version == SPACE_VERSION


def test_all_families_of_an_older_study_are_those_of_its_time() -> None:
    assert in_order(["all"], version=1) == OLD_FAMILIES
    assert in_order(["all"]) == (*OLD_FAMILIES, "inception1d")
    assert in_order(["inception1d", "cnn1d"], version=1) == ("cnn1d", "inception1d")


def test_a_study_that_goes_on_in_another_edition_remembers_the_one_that_it_began_with(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", StudyAttributes(settings={"trials": 1}, metric="macro_auc")) as study:
        study.optuna.ask()
    with Study.create(tmp_path / "s", StudyAttributes(settings={"trials": 1}, metric="macro_auc", space_version=2)) as study:
        assert study.attributes.earlier_spaces == ({"trials": 1, "families": [], "space": {}, "space_version": 1},)


def test_the_search_tries_every_strength_of_augmentation_smoothing_averaging_and_schedule() -> None:
    space = search_space(["cnn1d"], SpaceContext("small", 9))
    study, found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)), []
    for _ in range(60):
        found.append(space.suggest(study.ask()).config["training"])
    assert {json.dumps(training["augment"]) for training in found} == {json.dumps(to_dict(one)) for one in AUGMENTATIONS.values()}
    assert {training["label_smoothing"] for training in found} == {0.0, 0.05, 0.1}
    assert {training["averaging"] for training in found} == {"none", "ema"}
    assert {training["schedule"] for training in found} == {"plateau", "one_cycle", "cosine"}


@pytest.mark.parametrize("family", ["alexnet", "cnn1d"])
def test_stored_images_are_not_augmented_and_signals_beside_them_are(family: str) -> None:
    names = parameters(lambda trial: SPACES[family].suggest(trial, SpaceContext("small", 9, images=(3, 32))))
    assert (f"{family}.augmentation" in names) == (family == "cnn1d")
