"""A setting is declared once: what is checked, shown as a flag, put into the schema and into the docs' table agrees."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from ecg_tune.api.settings import read_settings
from ecg_tune.cli.main import app, run
from ecg_tune.config import AugmentConfig, DataConfig, ImageConfig, SearchSettings, TrainingConfig, from_dict, stored_settings
from ecg_tune.config import search as names
from ecg_tune.config.deprecations import RENAMED, rename_settings
from ecg_tune.config.reference import help_text, setting_rows
from ecg_tune.config.schema import class_schema, search_schema
from ecg_tune.config.search import GROUPS
from ecg_tune.config.setting import default_of, settings_of
from ecg_tune.errors import ConfigError
from ecg_tune.metrics import METRICS
from ecg_tune.search.sampling.samplers import SAMPLERS
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from search_spaces import SPACES

CLASSES = (SearchSettings, DataConfig, ImageConfig, AugmentConfig, TrainingConfig)
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
SETTINGS = [(cls, name) for cls in CLASSES for name in settings_of(cls)]


def options_of(command: str) -> dict[str, Any]:
    """Return a command's options by flag."""
    found = typer.main.get_command(app).commands[command]
    return {flag: option for option in found.params for flag in option.opts}


def only(cls: type, name: str, value: Any) -> Any:
    """Return a settings object with one value of its own, of the field's type."""
    return cls(**{name: (value,) if isinstance(default_of(cls, name), tuple) else value})


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_is_declared_with_its_help(cls):
    nested = {field.name for field in dataclasses.fields(cls) if field.name == "augment"}
    assert {field.name for field in dataclasses.fields(cls)} - nested == set(settings_of(cls))
    for name, known in settings_of(cls).items():
        assert known.help.endswith("."), name


@pytest.mark.parametrize(("cls", "name"), SETTINGS)
def test_a_value_just_outside_its_limits_is_refused_and_the_limits_are_not(cls, name):
    limits = settings_of(cls)[name].limits
    if limits is None:
        return
    low, high = limits
    others = {"batch_size": 4096} if name == "micro_batch" else {}
    for value in limits:
        cls(**{name: value, **others})
    for value in (low - 1e-3 if isinstance(low, float) else low - 1, high + 1, float("nan")):
        with pytest.raises(ConfigError, match=r"must be .*but got"):
            cls(**{name: value, **others})


@pytest.mark.parametrize(("cls", "name"), SETTINGS)
def test_a_choice_is_taken_and_another_word_is_refused(cls, name):
    known = settings_of(cls)[name]
    for choice in known.choices:
        only(cls, name, choice)
    if known.choices:
        with pytest.raises(ConfigError, match=r"unknown|must be"):
            only(cls, name, "nonsense")


def test_the_names_declared_below_are_those_that_the_registries_know():
    assert set(names.METRICS) == set(METRICS)
    assert set(names.SAMPLERS) == set(SAMPLERS)
    assert set(names.SCHEDULERS) == set(SCHEDULERS)


@pytest.mark.parametrize("command", ["search", "preview", "submit"])
def test_every_setting_of_a_search_is_a_flag_in_its_group_with_its_help(command):
    options = options_of(command)
    for row in setting_rows(SearchSettings):
        assert row.group in GROUPS
        if row.name in ("space", "training"):  # in a file only
            assert row.flag == ""
            continue
        option = options[row.flag]
        assert (option.rich_help_panel, option.help) == (row.group, help_text(SearchSettings, row.name))
        assert f"default: {row.default}" in option.help
        assert row.range in option.help


def test_the_settings_of_data_prepare_are_its_flags():
    group = typer.main.get_command(app).commands["data"]
    options = {flag: option for option in group.commands["prepare"].params for flag in option.opts}
    for row in setting_rows(DataConfig):
        assert options[row.flag].help == help_text(DataConfig, row.name)
    assert from_dict(DataConfig, {}) == DataConfig()


def test_help_says_what_an_option_does_its_default_and_its_range(capsys):
    assert run(["search", "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    shown = "asha, hyperband: keep the best 1/N of the trials at each rung (η).  [default: 3; range: 2..100]"
    assert shown in " ".join(text.split()).replace(". [", ".  [")
    assert [line[:-1] for line in text.splitlines() if line[:-1] in GROUPS] == list(GROUPS)


def test_the_schema_is_one_and_the_command_prints_it_for_the_families_there_are(capsys):
    assert run(["search", "--schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == search_schema(families=tuple(SPACES))
    assert set(printed["properties"]) == set(settings_of(SearchSettings)) | set(RENAMED)
    for cls in CLASSES:
        jsonschema.Draft202012Validator.check_schema(class_schema(cls))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_fit_the_schema_and_are_read(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), search_schema(families=tuple(SPACES)))
    read_settings(path, {})


@pytest.mark.parametrize(
    "content",
    [
        {"trails": 5},
        {"trials": 0},
        {"trials": "many"},
        {"sampler": "tpee"},
        {"families": ["rrn"]},
        {"families": 5},
        {"gpus_per_trial": "some"},
        {"gpus_per_trial": 65},
        {"minimise": ["flops"]},
        {"target": 2},
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(content, tmp_path):
    with pytest.raises(jsonschema.ValidationError, match=r"not|less|greater|unexpected|one of"):
        jsonschema.validate(content, search_schema(families=tuple(SPACES)))
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"expected|unknown|must be"):
        read_settings(tmp_path / "search.yaml", {})


@pytest.mark.parametrize(
    "content",
    [
        {"families": "rnn,resnet", "minimise": "macs", "max_epochs": None, "gpus_per_trial": "auto"},
        {"families": ["all"], "gpus_per_trial": 0.25, "space": {"rnn.cell": "gru"}, "enqueue": [{"rnn.hidden_size": 64}]},
        {"silence_s": 30},
    ],
)
def test_the_schema_and_the_reader_take_the_same(content, tmp_path):
    jsonschema.validate(content, search_schema(families=tuple(SPACES)))
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(content))
    read_settings(tmp_path / "search.yaml", {})


def test_an_old_name_in_a_file_works_and_says_what_replaces_it(tmp_path, capsys):
    (tmp_path / "search.yaml").write_text("gpu_share: auto\nsilence_s: 30\n")
    settings = read_settings(tmp_path / "search.yaml", {})
    assert (settings.gpus_per_trial, settings.stall_timeout_s, settings.measures_gpus) == ("auto", 30.0, True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"ecg-tune: {tmp_path}/search.yaml: gpu_share is deprecated, use gpus_per_trial",
        f"ecg-tune: {tmp_path}/search.yaml: silence_s is deprecated, use stall_timeout_s",
    ]


def test_an_old_flag_works_and_says_what_replaces_it(tmp_path, capsys):
    assert run(["preview", str(tmp_path / "s"), "--data", "x", "--silence-s", "0.5"]) == 2
    warning, message = capsys.readouterr().err.splitlines()
    assert warning == "ecg-tune: --silence-s is deprecated, use --stall-timeout"
    assert "stall_timeout_s must be 1..1e+06, but got stall_timeout_s=0.5" in message
    assert run(["preview", str(tmp_path / "s"), "--data", "x", "--gpu-share", "auto", "--gpus-per-trial", "1"]) == 2
    assert "give gpus_per_trial only" in capsys.readouterr().err
    assert run(["search", "--help"]) == 0
    assert "gpu-share" not in capsys.readouterr().out


def test_what_version_0_1_stored_is_read():
    stored = {"gpu_share": None, "gpus_per_trial": 0.5, "silence_s": 30.0, "families": ["rnn"], "space": {}}
    assert stored_settings(stored) == SearchSettings(("rnn",), gpus_per_trial=0.5, stall_timeout_s=30.0, space_version=1)
    assert rename_settings({"gpu_share": "auto", "gpus_per_trial": None}) == {"gpus_per_trial": "auto"}
    assert stored_settings({"gpu_share": "auto", "later": 1}, ("gpus_per_trial",)).gpus is None
