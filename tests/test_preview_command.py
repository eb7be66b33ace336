"""`ecg-tune preview`: what it says, and what it leaves alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.dashboard.cards import trial_cards
from analysis.dashboard.header import header_html
from analysis.dashboard.trials import ranked_trials
from ecg_tune.api.cost_estimate import _disk_gb
from ecg_tune.cli.main import run
from ecg_tune.config import SearchSettings, to_dict
from ecg_tune.models import build_model, n_parameters
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.preview.virtual_time import Curve, Silent, simulate
from ecg_tune.search.runner import Outcome
from ecg_tune.search.sampling.priors import Prior
from ecg_tune.search.space import SearchSpace
from ecg_tune.study.study import Study
from ecg_tune.study.summary import summarise
from ecg_tune.study.trial import Trial
from search_spaces import SPACES, SpaceContext, resolve, search_space

FLAGS = ("--families", "cnn1d,resnet1d", "--profile", "small", "--max-epochs", "4", "--slots", "2", "--sampler", "random")


def previewed(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["preview", *map(str, arguments), *FLAGS, "--simulations", "2", "--json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


@pytest.fixture(scope="module")
def searched(toy_data, tmp_path_factory) -> Path:
    """Return a study of 20 trials whose epochs took 3600 s (cnn1d) and 7200 s (resnet1d), as its rows say."""
    folder = tmp_path_factory.mktemp("preview") / "study"
    settings = SearchSettings(families=("cnn1d", "resnet1d"), profile="small", max_epochs=4, trials=20, sampler="random")
    study = Study.create(folder, study_attributes(toy_data, settings))
    space = search_space(settings.families, SpaceContext("small", 4))

    def curve(task: Any) -> Curve:
        return [(0.6 + 0.01 * epoch + 0.001 * task.number, 3600.0 if task.family == "cnn1d" else 7200.0) for epoch in range(4)]

    engine = SearchEngine(study, space, settings, Silent())
    simulate(engine, curve, slots=2)
    return folder


def test_costs_and_curves_come_from_an_earlier_study(searched, toy_data, tmp_path, capsys):
    facts = previewed(capsys, tmp_path / "new", "--data", toy_data.folder, "--trials", 12, "--costs-from", searched)
    assert facts["epoch_s"] == {"cnn1d": 3600.0, "resnet1d": 7200.0}
    one, other = facts["families"]["cnn1d"], facts["families"]["resnet1d"]
    assert one["trials"][0] + other["trials"][0] == 12
    assert facts["epochs"][0] == one["epochs"][0] + other["epochs"][0]
    assert one["trials"] == one["reached"]["1"]
    assert one["reached"]["1"][0] >= one["reached"]["3"][0] >= one["reached"]["4"][0]
    busy_hours = one["epochs"][0] + 2 * other["epochs"][0]
    assert busy_hours / 2 <= facts["hours"][0] <= busy_hours / 2 + 8
    assert facts["gpu_hours"] == [0, 0, 0]
    assert not (tmp_path / "new").exists()


def test_of_a_study_that_exists_only_what_is_left_is_previewed(searched, toy_data, capsys):
    before = (searched / "study.db").read_bytes()
    facts = previewed(capsys, searched, "--data", toy_data.folder, "--trials", 26, "--costs-from", searched)
    assert sum(family["trials"][0] for family in facts["families"].values()) == 6
    assert sum(states[0] for states in facts["states"].values()) == 26
    assert (searched / "study.db").read_bytes() == before


def test_epochs_are_probed_when_no_earlier_study_is_given(toy_data, tmp_path, capsys):
    facts = previewed(capsys, tmp_path / "new", "--data", toy_data.folder, "--trials", 8)
    assert all(seconds > 0 for seconds in facts["epoch_s"].values())
    assert "assumed" in facts["curves"]
    assert facts["disk_gb"][0] > 0


def test_the_disk_that_checkpoints_take_is_the_same_whether_a_trial_says_its_parameters_or_its_network_is_made():
    config = resolve("cnn1d", SPACES["cnn1d"].defaults["small"], SpaceContext("small", 4))
    network = build_model(config.model, family="cnn1d", n_leads=3, n_channels=0, n_classes=5)
    disk = []
    for facts in ({"n_parameters": n_parameters(network)}, {"config": to_dict(config)}):
        study = Study.in_memory()
        study.add(Trial(0, "COMPLETE", family="cnn1d", values=(0.5,), **facts))
        disk.append(_disk_gb(study, 3, 1))
    assert disk[0] == pytest.approx(disk[1])
    assert disk[0] == pytest.approx(2 * 32 * n_parameters(network) / 1e9)  # as one of the best, and as one that runs


def test_a_person_gets_a_table_that_says_what_is_assumed(searched, toy_data, tmp_path, capsys):
    code = run(["preview", str(tmp_path / "new"), "--data", str(toy_data.folder), *FLAGS, "--trials", "12", "--costs-from", str(searched)])
    out = capsys.readouterr().out
    assert code == 0
    assert "SYNTHETIC" in out
    assert "12 trials of at most 4 epochs, 2 at once, random + forecast" in out
    assert "to epoch 1  to epoch 2  to epoch 3  to epoch 4" in out
    assert "GPU-hours  none" in out
    assert "curves: resampled from" in out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--families", "rnn"), "has no ended trial of rnn"),
        (("--gpus-per-trial", "auto"), "give a number and --slots"),
    ],
)
def test_what_can_not_be_previewed_is_refused(searched, toy_data, tmp_path, capsys, changed, message):
    arguments = ["preview", str(tmp_path / "new"), "--data", str(toy_data.folder), *FLAGS, "--costs-from", str(searched), *changed]
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


def test_another_study_than_the_flags_describe_is_refused(searched, toy_data, capsys):
    assert run(["preview", str(searched), "--data", str(toy_data.folder), *FLAGS, "--metric", "macro_f1"]) == 2
    assert "was searched with other metric" in capsys.readouterr().err


def test_what_patience_saves_is_said(searched, toy_data, tmp_path, capsys):
    limits = ("--data", toy_data.folder, "--trials", 30, "--costs-from", searched, "--scheduler", "none")
    facts = previewed(capsys, tmp_path / "new", *limits, "--patience-trials", 3)
    whole = previewed(capsys, tmp_path / "new", *limits)
    assert "saved" not in whole
    assert facts["saved"]["epochs"][0] == pytest.approx(whole["epochs"][0] - facts["epochs"][0])
    assert facts["saved"]["epochs"][0] > 0
    assert run(["preview", str(tmp_path / "new"), *map(str, limits), *FLAGS, "--simulations", "2", "--patience-trials", "3"]) == 0
    assert f"saved      {facts['saved']['epochs'][0]:.0f}" in capsys.readouterr().out


SPACE = "space:\n  cnn1d.dropout: {low: 0.2, high: 0.4}\n  resnet1d.batch_size: [64]\n"
CHANGES = "space changed: cnn1d.dropout 0..0.6 → 0.2..0.4, resnet1d.batch_size 32|64|128 → 64"


@pytest.fixture
def mine(searched, tmp_path) -> Path:
    """Return a copy of the study, which a test may search on, beside a file that changes its space."""
    (tmp_path / "space.yaml").write_text(SPACE)
    return shutil.copytree(searched, tmp_path / "study")


def test_a_changed_space_is_said_first_and_a_preview_changes_nothing(mine, tmp_path, capsys):
    before = (mine / "study.db").read_bytes()
    facts = previewed(capsys, mine, "--config", tmp_path / "space.yaml", "--trials", 24)
    changes, fit = facts["space_change"]
    assert changes == CHANGES
    assert re.fullmatch(r"1?\d of 20 trials lie outside and no longer guide the search; they keep their place in results", fit)
    assert facts["epochs"][0] > 0
    assert (mine / "study.db").read_bytes() == before
    assert "space_change" not in previewed(capsys, mine, "--trials", 24)


def test_a_search_in_a_changed_space_keeps_the_study(mine, tmp_path, capsys):
    """It has all its trials, so no Ray starts."""
    with Study.open(mine) as study:
        before = study.trials()
    assert run(["search", str(mine), "--config", str(tmp_path / "space.yaml")]) == 0
    said = capsys.readouterr().out
    assert CHANGES in said
    with Study.open(mine) as study:
        outside = [trial.number for trial in study.trials() if trial.set_aside]
        assert outside == [trial.number for trial in before if not _fits(trial.params)]
        assert [replace(trial, set_aside=False) for trial in study.trials()] == before
        assert [number for number, card in trial_cards(ranked_trials(study)).items() if card.get("set_aside")] == outside
        page = str(header_html(summarise(study), now=datetime.now(), search_running=False))
    line = f"search space changed after 20 trials; {len(outside)} of its trials lie outside and guide the search no longer"
    assert line in said
    assert line in page
    assert run(["search", str(mine), "--families", "cnn1d"]) == 0
    assert "resnet1d is searched no more" in capsys.readouterr().out, "its own rules went with the family"
    assert run(["search", str(mine), "--families", "cnn1d,resnet1d", "--config", str(_file(tmp_path, "space: {}"))]) == 0
    assert "all 20 trials fit it" in capsys.readouterr().out
    with Study.open(mine) as study:
        assert study.trials() == before


def test_a_space_that_a_file_spells_wrongly_leaves_the_study_as_it_is(mine, tmp_path, capsys):
    before = (mine / "study.db").read_bytes()
    assert run(["search", str(mine), "--config", str(_file(tmp_path, "space: {cnn1d.dropuot: 0.3}"))]) == 2
    assert "unknown parameter 'cnn1d.dropuot'" in capsys.readouterr().err
    assert (mine / "study.db").read_bytes() == before


def test_priors_from_a_study_on_other_data_are_remembered(mine, tmp_path, monkeypatch, capsys):
    other, seen = shutil.copytree(mine, tmp_path / "other" / "study"), list[Mapping[str, Prior]]()
    with Study.open(other) as study:
        study.optuna.set_user_attr("data_fingerprint", "0" * 64)
        best = {trial.family: trial.params for trial in reversed(study.best_trials())}

    def run_without_ray(study: Study, request: Any, space: SearchSpace, *_: Any, **__: Any) -> Outcome:
        seen.append(space.priors)
        return Outcome(done=True)

    monkeypatch.setattr("ecg_tune.api.search.ray_session", lambda *_, **__: nullcontext())
    monkeypatch.setattr("ecg_tune.api.search._run", run_without_ray)
    assert run(["search", str(mine), "--import-study", str(other), "--trials", "21"]) == 0
    assert "parameters of its best configs are priors of this study" in capsys.readouterr().out
    assert run(["search", str(mine)]) == 0
    assert seen[0] == {name: Prior(value) for params in best.values() for name, value in params.items() if name != "family"}
    assert seen[1] == seen[0], "the study remembers them"
    dropout = best["cnn1d"]["cnn1d.dropout"]
    outside = _file(tmp_path, f"space: {{cnn1d.dropout: {{low: {dropout + 0.01}, high: 0.9}}}}")
    assert run(["search", str(mine), "--config", str(outside)]) == 0
    assert seen[2] == {name: prior for name, prior in seen[0].items() if name != "cnn1d.dropout"}, "the space holds it no more"


def _fits(params: Mapping[str, Any]) -> bool:
    return 0.2 <= params["cnn1d.dropout"] <= 0.4 if params["family"] == "cnn1d" else params["resnet1d.batch_size"] == 64


def _file(folder: Path, text: str) -> Path:
    (folder / "other.yaml").write_text(text)
    return folder / "other.yaml"
