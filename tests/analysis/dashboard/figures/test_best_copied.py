"""What the table of best trials gives to copy is what the other commands take."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import create_trial

from analysis.dashboard.figures.best import best_data
from ecg_tune.api.settings import read_configs
from search_spaces import SpaceContext, search_space
from tests.analysis.conftest import ranked


@pytest.mark.parametrize("families", [("rnn",), ("rnn", "cnn1d")])
def test_a_copied_config_can_be_enqueued(tmp_path: Path, families: tuple[str, ...]) -> None:
    context = SpaceContext("small", 4)
    space = search_space(families, context)
    source, study = optuna.create_study(sampler=RandomSampler(seed=1)), optuna.create_study(direction="maximize")
    for number in range(6):
        trial = source.ask()
        proposal = space.suggest(trial)
        recorded = {"family": proposal.family, "config": proposal.config}
        study.add_trial(create_trial(value=0.5 + number / 10, params=trial.params, distributions=trial.distributions, user_attrs=recorded))
    file = tmp_path / "config.yaml"
    for best in best_data(ranked(study), metric="macro_auc", class_names=(), folder="study").trials:
        file.write_text(best.params_yaml, encoding="utf-8")
        queued = search_space(families, context, queued=read_configs(file)).queued
        assert queued == (study.trials[best.number].params,)
