"""Which trials are retrained, what they are called, what the manifest says: on a hand-made study of tiny networks."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from analysis.retrain import plan_jobs, retrain
from ecg_tune.config import TrainingConfig, TrialConfig, to_dict
from ecg_tune.data.prepared import PreparedData
from ecg_tune.models.cnn1d import CNN1DConfig
from ecg_tune.models.rnn import RNNConfig

VALUES = (("rnn", 0.91), ("cnn1d", 0.70), ("rnn", 0.93), ("rnn", 0.92), ("cnn1d", 0.75), ("cnn1d", 0.60))


def tiny_config(family: str, *, max_epochs: int = 2) -> TrialConfig:
    """Return a config that trains in a fraction of a second."""
    training = TrainingConfig(batch_size=32, max_epochs=max_epochs, learning_rate=1e-2)
    model = RNNConfig(hidden_size=4, num_layers=1, dropout=0.0) if family == "rnn" else CNN1DConfig(filters=4, depth=1, kernel_size=5)
    return TrialConfig(family, model, training)


def tiny_study(data: PreparedData, *, max_epochs: int = 2) -> optuna.Study:
    """Return a study in memory with the trials of `VALUES`, whose values are MADE UP."""
    study = optuna.create_study(study_name="tiny", direction="maximize")
    study.set_user_attr("data_fingerprint", data.fingerprint)
    study.set_user_attr("metric", "macro_auc")
    for family, value in VALUES:
        attrs = {"config": to_dict(tiny_config(family, max_epochs=max_epochs)), "family": family}
        study.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs=attrs))
    return study


def planned(data: PreparedData, *, top: int, per_family: bool) -> list[tuple[str, int]]:
    jobs = plan_jobs(tiny_study(data), Path("study"), top=top, seeds=1, per_family=per_family)
    return [(job.name, job.trial) for job in jobs]


def test_the_top_of_the_study_may_be_one_family(toy_data: PreparedData) -> None:
    assert planned(toy_data, top=2, per_family=False) == [("RNNModel", 2), ("RNNModel#2", 3)]


def test_the_top_of_each_family_gives_every_family_its_best_in_the_order_of_the_search(toy_data: PreparedData) -> None:
    expected = [("RNNModel", 2), ("RNNModel#2", 3), ("CNN1D", 4), ("CNN1D#2", 1)]
    assert planned(toy_data, top=2, per_family=True) == expected


def test_a_family_with_fewer_trials_gives_those_it_has(toy_data: PreparedData) -> None:
    assert [trial for _, trial in planned(toy_data, top=9, per_family=True)] == [2, 3, 0, 4, 1, 5]


@pytest.fixture(scope="module")
def retrained(toy_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("retrained")
    return folder, retrain(tiny_study(toy_data), toy_data, folder, top=2, seeds=2, per_family=True)


def test_a_best_file_and_every_seeds_file_lie_beside_the_manifest(retrained: tuple[Path, dict]) -> None:
    folder, manifest = retrained
    best = {model["best_file"] for model in manifest["models"]}
    assert best == {f"{name}_best.pth" for name in ("RNNModel", "RNNModel#2", "CNN1D", "CNN1D#2")}
    seeds = {row["file"] for model in manifest["models"] for row in model["seeds"]}
    assert seeds == {
        f"{kind}_seed{seed}.pth" for kind in ("RNNModel_trial2", "RNNModel_trial3", "CNN1D_trial4", "CNN1D_trial1") for seed in (0, 1)
    }
    assert best | seeds <= {path.name for path in (folder / "models").iterdir()}
