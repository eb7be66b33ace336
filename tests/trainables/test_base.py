"""The trainable, without a cluster: replaying, continuing, failing, changing trials."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ecg_tune.config import TrainingConfig, TrialConfig, to_dict
from ecg_tune.models import RNNConfig
from trainables.base import BEST, LAST, LearnerTrainable, Shared

CONFIG = TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.1), TrainingConfig(max_epochs=3, crop_s=1.0))


def task(*, reported: int = 0, number: int = 0, seed: int = 7, **training: Any) -> dict[str, Any]:
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, **training))
    return {"number": number, "trial": to_dict(config), "seed": seed, "path": f"checkpoints/trial_{number:05d}", "reported": reported}


@pytest.fixture
def shared(toy_data, tmp_path) -> Shared:
    return Shared(data=toy_data, folder=tmp_path, metric="macro_auc", threads=1)


def worker(shared: Shared, config: dict[str, Any]) -> LearnerTrainable:
    trainable = object.__new__(LearnerTrainable)  # Ray's own constructor wants a cluster
    trainable.setup(config, shared)
    return trainable


def values(trainable: LearnerTrainable, n_epochs: int) -> list[tuple[int, float]]:
    return [(r["epoch"], r["value"]) for r in (trainable.step() for _ in range(n_epochs))]


def test_a_trial_ends_complete_and_leaves_its_best_weights(shared):
    trainable = worker(shared, task())
    results = [trainable.step() for _ in range(3)]
    assert [r["complete"] for r in results] == [False, False, True]
    assert results[-1]["done"]
    assert results[-1]["ended_by"] == "max_epochs"
    assert results[-1]["best_epoch"] == max(results, key=lambda r: r["value"])["epoch"]
    assert (shared.folder / "checkpoints/trial_00000" / BEST).exists()


def test_a_new_worker_goes_on_from_the_checkpoint_with_equal_values(shared, tmp_path):
    expected = values(worker(dataclasses.replace(shared, folder=tmp_path / "whole"), task()), 3)
    assert values(worker(shared, task()), 1) == expected[:1]
    assert values(worker(shared, task(reported=1)), 2) == expected[1:]


def test_epochs_that_the_study_missed_are_replayed_not_trained(shared):
    first = worker(shared, task())
    expected = values(first, 2)
    stamp = (shared.folder / "checkpoints/trial_00000" / LAST).stat().st_mtime_ns
    again = worker(shared, task(reported=0))
    assert values(again, 2) == expected
    assert (shared.folder / "checkpoints/trial_00000" / LAST).stat().st_mtime_ns == stamp


def test_a_finished_training_that_was_never_closed_reports_its_end_again(shared):
    expected = values(worker(shared, task()), 3)[-1]
    result = worker(shared, task(reported=3)).step()
    assert (result["epoch"], result["value"], result["complete"]) == (*expected, True)


def test_a_reused_worker_carries_nothing_from_one_trial_to_the_next(shared, tmp_path):
    fresh = values(worker(dataclasses.replace(shared, folder=tmp_path / "fresh"), task(number=2, seed=9)), 2)
    used = worker(shared, task(number=1))
    values(used, 2)
    used.reset_config(task(number=2, seed=9))
    assert values(used, 2) == fresh


def test_a_loss_that_is_not_finite_fails_with_reason_nan(shared):
    manifest = {**shared.data.manifest, "normalisation": {"kind": "global", "scale_mv": 1e-45}, "fingerprint": "broken"}
    broken = dataclasses.replace(shared, data=dataclasses.replace(shared.data, manifest=manifest))
    result = worker(broken, task()).step()
    assert (result["fail_reason"], result["done"], result["complete"]) == ("nan", True, False)
    assert "try a lower learning rate" in result["failure"]


def test_any_other_error_fails_with_its_text(shared):
    bad = task()
    bad["trial"]["family"] = "nonsense"
    result = worker(shared, bad).step()
    assert result["fail_reason"] == "error"
    assert "unknown family 'nonsense'" in result["failure"]


def test_a_torn_checkpoint_starts_the_trial_anew_instead_of_failing_it(shared):
    expected = values(worker(shared, task()), 2)
    last = shared.folder / "checkpoints/trial_00000" / LAST
    last.write_bytes(last.read_bytes()[:500])
    assert values(worker(shared, task(reported=2)), 2) == expected  # from epoch 1, equal to the bit
