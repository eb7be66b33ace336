"""Settings that anybody may write: each ends in one short line and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from ecg_tune.cli.main import app
from ecg_tune.config import DataConfig, SearchSettings
from ecg_tune.config.setting import flag_of, settings_of
from tests.commands import ecg_tune

DEEP, LONG = "[" * 3000 + "]" * 3000, "1" + "0" * 5000
BOMB = "- &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"- &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))

SETTINGS = [
    "trials: 2024-13-45",
    "trials: 2024-12-24",
    "trials: 12:30",
    "trials: !!int ''",
    "trials: !!int abc",
    "trials: 1.0",
    "trials: yes",
    "trials: 'true'",
    "target: !!float abc",
    "target: .nan",
    "target: 1e999",
    "max_hours: .inf",
    "max_hours: 1" + "0" * 400,
    f"seed: {LONG}",
    f"trials: {LONG}",
    "seed: !!binary aGVsbG8=",
    "seed: !!python/object/apply:os.system [true]",
    "seed: !!timestamp 2020-01-01",
    "seed: !!set {a, b}",
    "seed: !!bool maybe",
    "seed: !!map x",
    "seed: !!seq x",
    "seed: !!str [a]",
    f"space: {DEEP}",
    "space: " + "{a: " * 3000 + "1" + "}" * 3000,
    "space: &a [*a]",
    "space: &a {cnn1d.depth: *a}",
    "space: {1: 2}",
    "space: {null: 2}",
    "space: {[1]: 2}",
    "space: {cnn1d.dropout: 0.1, cnn1d.dropout: 0.2}",
    "space: {cnn1d.dropout: {low: .nan, high: .nan}}",
    "space: {cnn1d.dropout: {low: 0.1, low: 0.2, high: 0.3}}",
    "space: {cnn1d.learning_rate: {low: 1.0e-4, high: .inf}}",
    "space: {cnn1d.learning_rate: {low: 0.001, high: 0.01, log: maybe}}",
    "space: {cnn1d.learning_rate: {low: 0.001, high: 0.01, step: a}}",
    "space: {cnn1d.dropout: {low: 0.1, high: 0.5, step: 1.0e-300}}",
    "space: {cnn1d.dropout: {low: -1e308, high: 1e308, step: 1}}",
    "space: {cnn1d.dropout: {low: 0.1, high: 0.5, step: .nan}}",
    "space: {cnn1d.dropout: {low: 0.1, high: 0.5, step: -1}}",
    "space: {cnn1d.dropout: {low: 0.1, high: 0.5, step: 0}}",
    "space: {cnn1d.dropout: {low: true, high: 0.5}}",
    "space: {cnn1d.dropout: [[0.1], {a: b}]}",
    "space: {cnn1d.dropout: [0.1, a]}",
    "space: {cnn1d.dropout: null}",
    "space: {cnn1d.dropout: {prior: {a: 1}}}",
    "space: {cnn1d.dropout: {prior: [1]}}",
    "space: {cnn1d.dropout: {prior: 0.1, confidence: [high]}}",
    "space: {cnn1d.depth: 2.5}",
    "space: {cnn1d.depth: 9223372036854775807}",
    "space: {cnn1d.depth: 'false'}",
    "space: {cnn1d.learning_rate: 1e-310}",
    "space: text",
    "space: null",
    "space: [cnn1d.depth]",
    "training: {1: 2}",
    "training: {schedule: 3}",
    "training: {augment: 3}",
    "training: {augment: {noise: a}}",
    "training: {class_weights: 'false'}",
    "training: {class_weights: 1}",
    "training: {crop_s: {low: a, high: b}}",
    "training: [a]",
    "enqueue: 5",
    "enqueue: [5]",
    "enqueue: {cnn1d.depth: 3}",
    "enqueue: [{1: 2}]",
    "enqueue: [[1]]",
    "enqueue: [{cnn1d.depth: [1]}]",
    "enqueue: [{cnn1d.depth: {a: 1}}]",
    "enqueue: [{family: [1]}]",
    "enqueue: [{family: 3}]",
    'enqueue: "a\\0b"',
    "enqueue: " + "a" * 5000,
    'checkpoints: "a\\0b"',
    "checkpoints: 3",
    "checkpoints: " + "a" * 5000,
    "checkpoints: s3://",
    "checkpoints: s3://a/../b",
    "checkpoints: ftp://a/b",
    'fusion_from: "a\\0b"',
    "fusion_from: " + "a" * 5000,
    "storage: 3",
    "storage: http://[::1",
    "storage: postgresql://[::1/db",
    "storage: postgresql://a:b:c@d:99999999/db",
    "storage: sqlite:///x.db",
    "gpus_per_trial: [1]",
    "gpus_per_trial: {a: 1}",
    "gpus_per_trial: true",
    "gpus_per_trial: -1",
    "families: [[rnn]]",
    "families: {rnn: 1}",
    "families: [rnn, 3]",
    "families: ''",
    "minimise: [3]",
    "sampler: [tpe]",
    "sampler: null",
    "'trials ': 3",
    "tr\x1b[31mials: 3",
    "? [a]\n: b",
    "a: &x 1\na: *x",
    "a: *nowhere",
    "a: b: c",
    "--- 1\n--- 2",
    "%YAML 9.9\n---\na: b",
    "\ttrials: 3",
    "'" + "x" * 100_000,
    "x" * 2_000_000,
    "- " * 5000,
    BOMB,
    "",
    "null",
    "5",
    "trials:",
]


@pytest.mark.parametrize("text", SETTINGS, ids=[f"{number}: {text[:40]!r}" for number, text in enumerate(SETTINGS)])
def test_a_settings_file_that_no_search_takes_is_one_short_line(text, tmp_path, toy_data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(text)
    # the address answers nobody: a file that is taken would end with exit code 1
    flags = {} if "families:" in text else {"--families": "cnn1d"}
    words = [word for pair in ({"--data": toy_data.folder, "--config": "c.yaml"} | flags).items() for word in pair]
    said = ecg_tune("search", "s", "--profile", "small", "--address", "127.0.0.1:1", *words)
    check(said)
    assert "--address" not in said.err, "it was taken"
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


TRAINING = [
    "model: [1]",
    "model: 3",
    "model: {signal: [1]}",
    "model: {filters: [1]}",
    "model: {filters: null}",
    "model: {1: 2}",
    "training: [1]",
    "training: text",
    "training: {augment: [1]}",
    "training: {batch_size: 1.5}",
    "training: {learning_rate: .nan}",
    "image: [1]",
    "image: 7",
    "image: {kind: [gasf]}",
    "family: [1]",
    "nothing: 1",
    "[model]",
    DEEP,
    BOMB,
]


@pytest.mark.parametrize("family", ["cnn1d", "fusion"])
@pytest.mark.parametrize("text", TRAINING, ids=[text[:40] for text in TRAINING])
def test_a_settings_file_that_no_training_takes_is_one_short_line(text, family, tmp_path, toy_data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(text)
    check(ecg_tune("train", family, "--profile", "small", "--max-epochs", "1", "--data", toy_data.folder, "--config", "c.yaml"))
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


ADDRESSES = [
    "http://[::1", "http://", "http://:8265", "https://h:99999999", "http://h:0", "http://h:x/", "ftp://h:8265", "[::1", "h:99999999999",
    "h:²", "h:-1", "h:0", "a\x00b:6379", f"{'a' * 300}:6379", "..:6379", "://", "127.0.0.1", ":6379",
]  # fmt: skip
COMMANDS = ["search s --data {data} --profile small", "status s", "doctor", "retrain s", "submit s --data {data}", "pull s", "dashboard s"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("address", ADDRESSES, ids=ascii)
def test_an_address_that_is_none_is_one_short_line(command, address, tmp_path, toy_data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(ecg_tune(*command.format(data=toy_data.folder).split(), "--address", address), longest=700)
    assert list(tmp_path.iterdir()) == []


def commands_of(command, words=()):
    """List all commands: their words, and their options and arguments."""
    if not hasattr(command, "list_commands"):
        yield words, command.params
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        yield from commands_of(command.get_command(context, name), (*words, name))


OPTIONS = {
    (*words, option.opts[-1]): option
    for words, options in commands_of(get_command(app))
    for option in options
    if option.bare_type() in ("int", "float")
}
OF_SETTINGS = {flag_of(cls, name) for cls in (SearchSettings, DataConfig) for name in settings_of(cls)}


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_each_flag_that_takes_a_number_has_a_least_and_a_most(words):
    option = OPTIONS[words]
    if words[-1] not in OF_SETTINGS:  # those have their limits in the settings, see tests/config
        assert option.min is not None
        assert option.max is not None


def check(said, longest=301):
    assert said.code == 2, said.err
    assert said.err.startswith("ecg-tune: "), said.err
    assert said.err.count("\n") == 1, said.err
    assert len(said.err) <= longest, said.err
    assert said.err.rstrip("\n").isprintable(), said.err
