"""A search of a study that is there takes the study's settings; flags and a file change some of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecg_tune.api.settings import read_request
from ecg_tune.cli.main import run
from ecg_tune.config import SearchSettings
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import DataError, StudyError, UsageError
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.resume import nothing_left
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

FIRST: Mapping[str, Any] = {
    "families": "rnn,cnn1d",
    "profile": "small",
    "trials": 12,
    "max_epochs": 4,
    "slots": 1,
    "max_hours": 2.0,
    "seed": 7,
}


def gpu() -> bool:
    return True


def no_gpu() -> bool:
    return False


@pytest.fixture
def study(toy_data, tmp_path) -> Path:
    """Return a study that was searched with `FIRST`, and has no trial yet."""
    request = read_request(tmp_path / "study", None, FIRST, str(toy_data.folder), has_gpu=no_gpu)
    with Study.open_or_create(tmp_path / "study", study_attributes(request.data, request.settings)):
        pass
    return tmp_path / "study"


def test_the_study_alone_names_data_and_settings(study, toy_data):
    request = read_request(study, None, {}, None, has_gpu=gpu)
    assert request.data.fingerprint == toy_data.fingerprint
    assert request.note == "settings of the study"
    kept = {name: getattr(request.settings, name) for name in FIRST}
    assert kept == {**FIRST, "families": ("rnn", "cnn1d"), "max_hours": None}, "hours are those of one run"


@pytest.mark.parametrize(
    ("flags", "file", "note"),
    [
        ({"trials": 200}, None, "with trials 12 → 200"),
        ({"trials": 200, "seed": 8}, None, "with trials 12 → 200, seed 7 → 8"),
        ({}, "trials: 30", "with trials 12 → 30"),
        ({"trials": 40}, "trials: 30", "with trials 12 → 40"),
        ({"max_hours": 1.0}, None, ""),
        ({"trials": 12, "families": "cnn1d,rnn"}, None, ""),
        ({"slots": None}, None, "with slots 1 → None"),
        ({"enqueue": [{"cnn1d.depth": 2}]}, None, "with enqueue none → 1 config"),
    ],
)
def test_a_flag_or_a_file_changes_its_own_setting_and_says_so(study, flags, file, note, tmp_path):
    config = tmp_path / "search.yaml" if file else None
    if config:
        config.write_text(file)
    request = read_request(study, config, flags, None, has_gpu=no_gpu)
    assert request.note == "settings of the study" + (f", {note}" if note else "")
    assert (request.settings.max_epochs, request.settings.profile) == (4, "small"), "nothing else changes"


def finished(number: int, *, epochs: int = 4) -> Trial:
    """Return a trial that ran to its last epoch."""
    config = {"family": "rnn", "training": {"max_epochs": epochs}}
    values = {epoch: 0.5 + epoch / 100 for epoch in range(1, epochs + 1)}
    path = f"checkpoints/trial_{number:05d}"
    return Trial(
        number, "COMPLETE", family="rnn", config=config, seed=1, path=path, intermediate=values, values=(0.54,), ended_by="max_epochs"
    )


def test_a_search_that_has_all_its_trials_ends_without_a_ray(study, capsys):
    """No Ray can start in a test without its marker."""
    with Study.open(study) as opened:
        for number in range(12):
            opened.add(finished(number))
    assert run(["search", str(study)]) == 0
    assert "12 COMPLETE" in capsys.readouterr().out
    assert run(["search", str(study), "--trials", "11", "--progress", "jsonl"]) == 0


def test_there_is_something_left_while_trials_lack_wait_or_may_train_longer(study):
    settings = read_request(study, None, {}, None).settings
    with Study.open(study) as opened:
        for number in range(11):
            opened.add(finished(number))
        assert not nothing_left(opened, settings), "a trial lacks"
        assert nothing_left(opened, replace(settings, trials=11))
        assert not nothing_left(opened, replace(settings, trials=11, max_epochs=5)), "they are extended"
        stopped = opened.add(replace(finished(11), state="PRUNED", values=(), ended_by="total_epochs"))
        assert not nothing_left(opened, settings), "a budget ended one"
        opened.record(stopped, ended_by="asha")
        assert nothing_left(opened, settings)
        opened.add(replace(finished(12), state="RUNNING", values=(), ended_by=None))
        assert not nothing_left(opened, settings), "one is unfinished"


def test_a_new_study_needs_its_data(tmp_path):
    with pytest.raises(UsageError, match="study is a new study: name its data with --data DIR"):
        read_request(tmp_path / "study", None, {}, None)
    assert not (tmp_path / "study").exists()


def test_data_that_have_moved_are_named_with_a_flag(toy_data, tmp_path):
    first = shutil.copytree(toy_data.folder, tmp_path / "data")
    with Study.open_or_create(tmp_path / "study", study_attributes(open_prepared(first), SearchSettings(("rnn",), profile="small"))):
        pass
    moved = first.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"data holds no prepared data .* if they have moved, give --data DIR"):
        read_request(tmp_path / "study", None, {}, None)
    assert read_request(tmp_path / "study", None, {}, str(moved)).data.location == str(moved)
    for words in (["retrain"], ["evaluate"]):
        assert run([*words, str(tmp_path / "study")]) == 2


def test_a_study_that_has_moved_goes_on(study, tmp_path):
    moved = study.rename(tmp_path / "elsewhere")
    assert read_request(moved, None, {}, None).settings.trials == 12


@pytest.mark.parametrize(
    ("has_gpu", "flags", "profile", "epochs"),
    [
        (gpu, {}, "full", 50),
        (no_gpu, {}, "small", 10),
        (gpu, {"profile": "auto"}, "full", 50),
        (gpu, {"gpus_per_trial": 0}, "small", 10),
        (no_gpu, {"gpus_per_trial": 0.5}, "full", 50),
        (gpu, {"profile": "small"}, "small", 10),
        (no_gpu, {"profile": "full", "max_epochs": 3}, "full", 3),
    ],
)
def test_the_profile_of_a_new_study_follows_the_gpu_unless_it_is_given(has_gpu, flags, profile, epochs, toy_data, tmp_path):
    request = read_request(tmp_path / "study", None, flags, str(toy_data.folder), has_gpu=has_gpu)
    assert (request.settings.profile, request.settings.epochs) == (profile, epochs)
    other = {"full": "small", "small": "full"}[profile]
    assert (f"--profile {other}" in request.note) == (flags.get("profile", "auto") == "auto")


def test_a_study_keeps_its_profile_on_another_machine(study):
    assert read_request(study, None, {"profile": "auto"}, None, has_gpu=gpu).settings.profile == "small"


def test_a_study_of_other_settings_is_still_refused(study, toy_data):
    request = read_request(study, None, {}, None)
    with Study.open(study) as opened:
        opened.optuna.ask()  # a trial to compare with
    changed = read_request(study, None, {"metric": "macro_f1"}, None).settings
    with pytest.raises(StudyError, match="was searched with metric='macro_auc'"):
        Study.open_or_create(study, study_attributes(request.data, changed))


def test_a_preview_of_the_study_alone_is_one_of_the_rest(study, capsys):
    assert run(["preview", str(study), "--json", "--simulations", "1"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["families"]) == {"rnn", "cnn1d"}
    assert facts["slots"] == 1


def test_configs_are_queued_in_a_study_and_checked_first(study, tmp_path, capsys):
    (tmp_path / "best.yaml").write_text("- cnn1d.learning_rate: 0.003\n- {family: rnn, rnn.cell: gru}\n")
    assert run(["enqueue", str(study), str(tmp_path / "best.yaml")]) == 0
    assert f"2 queued; ecg-tune search {study} tries them" in capsys.readouterr().out
    with Study.open(study) as opened:
        assert opened.has_queued()
        fixed = [trial.system_attrs["fixed_params"] for trial in opened.optuna.get_trials()]
    assert fixed == [{"family": "cnn1d", "cnn1d.learning_rate": 0.003}, {"family": "rnn", "rnn.cell": "gru"}]


def test_a_queue_from_a_pipe_is_refused_instead_of_waited_for(study, tmp_path, capsys):
    os.mkfifo(tmp_path / "best.yaml")
    assert run(["enqueue", str(study), str(tmp_path / "best.yaml")]) == 2
    assert "best.yaml is a pipe or a device: write the settings into a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("- cnn1d.learning_rate: 7", "best.yaml: cnn1d.learning_rate must be"),
        ("- resnet.depth: 7", "best.yaml: unknown parameter 'resnet.depth'"),
        ("[]", "holds no config"),
        ("- {cnn1d.depth: 3}\n- 5", "expected parameters with values"),
    ],
)
def test_a_queue_that_does_not_fit_the_study_leaves_it_as_it_is(study, yaml, message, tmp_path, capsys):
    (tmp_path / "best.yaml").write_text(yaml)
    assert run(["enqueue", str(study), str(tmp_path / "best.yaml")]) == 2
    assert message in capsys.readouterr().err
    with Study.open(study) as opened:
        assert not opened.all_trials()


def test_configs_are_queued_only_where_a_study_is(tmp_path, capsys):
    (tmp_path / "best.yaml").write_text("- cnn1d.learning_rate: 0.003")
    assert run(["enqueue", str(tmp_path / "none"), str(tmp_path / "best.yaml")]) == 2
    assert "is not a study" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


QUEUE_FILES = {
    "- {family: rnn, rnn.hidden_size: 32}": "",
    "rnn.hidden_size: 32": "",
    "family: rnn": "",
    "- {family: cnn1d, cnn1d.depth: 3}": "family must be rnn, the only one searched, but got 'cnn1d': queue configs of rnn",
    "- {family: [1]}": "family must be rnn",
    "- {familly: rnn}": "unknown parameter 'familly'",
    "- {rnn.hidden_size: 33}": "rnn.hidden_size must be one of",
    "[]": "holds no config",
    "- 5": "expected parameters with values",
}
"""A file to queue → what is wrong with it, "" for nothing, in a study of one family."""


@pytest.mark.parametrize(("content", "wrong"), QUEUE_FILES.items())
def test_a_file_is_queued_in_a_study_of_one_family_or_refused_with_its_name(content, wrong, toy_data, tmp_path, capsys):
    attributes = study_attributes(toy_data, SearchSettings(("rnn",), profile="small"))
    with Study.open_or_create(tmp_path / "study", attributes):
        pass
    file = tmp_path / "best.yaml"
    file.write_text(content)
    code = run(["enqueue", str(tmp_path / "study"), str(file), "--data", str(toy_data.folder)])
    said = capsys.readouterr()
    if wrong:
        assert code == 2
        assert said.err.startswith(f"ecg-tune: {file}")
        assert wrong in said.err
    else:
        assert (code, said.out[:9]) == (0, "1 queued;")
    with Study.open(tmp_path / "study") as opened:
        assert [trial.state for trial in opened.all_trials()] == ([] if wrong else ["WAITING"])
        assert not any("family" in frozen.system_attrs["fixed_params"] for frozen in opened.optuna.trials)
