"""The trainable, without a cluster: replaying, continuing, failing, changing trials."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import trainables.base
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig, to_dict
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.models import ResNetConfig, RNNConfig
from ecg_tune.storage import LocalStorage
from ecg_tune.training.checkpoints import newest_checkpoint
from search_spaces import SPACES, SpaceContext, resolve
from trainables.base import LearnerTrainable, Shared

pytestmark = pytest.mark.slow

CONFIG = TrialConfig("rnn", RNNConfig(hidden_size=8, num_layers=1, dropout=0.1), TrainingConfig(max_epochs=3, crop_s=1.0))


def task(*, reported: int = 0, number: int = 0, seed: int = 7, **training: Any) -> dict[str, Any]:
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, **training))
    return {"number": number, "trial": to_dict(config), "seed": seed, "path": f"checkpoints/trial_{number:05d}", "reported": reported}


@pytest.fixture
def shared(few_data, tmp_path) -> Shared:
    return Shared(data=few_data, checkpoints=LocalStorage(tmp_path), metric="macro_auc", threads=1)


def worker(shared: Shared, config: dict[str, Any]) -> LearnerTrainable:
    trainable = LearnerTrainable()
    trainable.setup(config, shared)
    return trainable


def values(trainable: LearnerTrainable, n_epochs: int) -> list[tuple[int, float]]:
    return [(r["epoch"], r["value"]) for r in (trainable.step() for _ in range(n_epochs))]


def root(shared: Shared) -> Path:
    assert isinstance(shared.checkpoints, LocalStorage)
    return shared.checkpoints.root


def snapshots(shared: Shared) -> list[Path]:
    return sorted((root(shared) / "checkpoints/trial_00000").glob("*.pt"))


def test_a_trial_ends_complete_and_leaves_its_best_weights(shared):
    trainable = worker(shared, task())
    results = [trainable.step() for _ in range(3)]
    assert [r["complete"] for r in results] == [False, False, True]
    assert results[-1]["done"]
    assert results[-1]["ended_by"] == "max_epochs"
    assert results[-1]["best_epoch"] == max(results, key=lambda r: r["value"])["epoch"]
    found = newest_checkpoint(shared.checkpoints, "checkpoints/trial_00000")
    assert found is not None
    snapshot = found[1]
    assert (len(snapshot["history"]), snapshot["best_epoch"]) == (3, results[-1]["best_epoch"])
    assert (root(shared) / results[-1]["checkpoint"]).exists()  # its name holds the digest


def test_a_new_worker_goes_on_from_the_checkpoint_with_equal_values(shared, tmp_path):
    expected = values(worker(dataclasses.replace(shared, checkpoints=LocalStorage(tmp_path / "whole")), task()), 3)
    assert values(worker(shared, task()), 1) == expected[:1]
    assert values(worker(shared, task(reported=1)), 2) == expected[1:]


def test_epochs_that_the_study_missed_are_replayed_not_trained(shared):
    first = worker(shared, task())
    expected = values(first, 2)
    stamps = {file: file.stat().st_mtime_ns for file in snapshots(shared)}
    again = worker(shared, task(reported=0))
    assert values(again, 2) == expected
    assert {file: file.stat().st_mtime_ns for file in snapshots(shared)} == stamps


def test_a_finished_training_that_was_never_closed_reports_its_end_again(shared):
    expected = values(worker(shared, task()), 3)[-1]
    result = worker(shared, task(reported=3)).step()
    assert (result["epoch"], result["value"], result["complete"]) == (*expected, True)


def test_a_reused_worker_carries_nothing_from_one_trial_to_the_next(shared, tmp_path):
    fresh = values(worker(dataclasses.replace(shared, checkpoints=LocalStorage(tmp_path / "fresh")), task(number=2, seed=9)), 2)
    used = worker(shared, task(number=1))
    values(used, 2)
    used.reset_config(task(number=2, seed=9))
    assert values(used, 2) == fresh


@pytest.mark.slow
def test_a_used_worker_gives_the_bits_of_a_fresh_process(shared, tmp_path):
    """Weights, optimiser, random states: all that the checkpoint holds is equal after another family's trial on the worker."""
    image = TrialConfig("resnet", ResNetConfig(layers=(1,), width=4, stem="small"), CONFIG.training, ImageConfig(size=32))
    used = worker(shared, {**task(number=1), "trial": to_dict(image)})
    values(used, 2)
    used.reset_config(task(number=2, seed=9))
    values(used, 2)
    code = """
import sys, json
from pathlib import Path
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.storage import LocalStorage
from trainables.base import LearnerTrainable, Shared
trainable = LearnerTrainable()
shared = Shared(data=open_prepared(Path(sys.argv[1])), checkpoints=LocalStorage(Path(sys.argv[2])), metric="macro_auc", threads=1)
trainable.setup(json.loads(sys.argv[3]), shared)
trainable.step(), trainable.step()
"""
    fresh = [sys.executable, "-c", code, str(shared.data.folder), str(tmp_path / "fresh"), json.dumps(task(number=2, seed=9))]
    subprocess.run(fresh, check=True)
    found = [newest_checkpoint(place, "checkpoints/trial_00002") for place in (shared.checkpoints, LocalStorage(tmp_path / "fresh"))]
    states = [snapshot[1] for snapshot in found if snapshot]
    assert len(states) == 2
    assert_equal(*states)


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - {"seconds"}:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_equal(mine, theirs)
    else:
        assert one == other


def test_the_data_set_is_put_on_the_device_once_a_process(shared, monkeypatch):
    copies = []
    real = trainables.base.learning_data
    monkeypatch.setattr(trainables.base, "learning_data", lambda data, device: copies.append(device) or real(data, device))
    trainables.base._on_device.clear()
    first = worker(shared, task(number=1))
    values(first, 1)
    first.reset_config(task(number=2))
    values(first, 1)
    assert len(copies) == 1


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


def test_a_checkpoint_that_can_not_be_written_ends_the_search_and_says_where(shared, tmp_path, monkeypatch):
    monkeypatch.setattr("ecg_tune.training.checkpoints.PAUSES_S", ())
    trainable = worker(shared, task())
    assert trainable.step()["epoch"] == 1
    (tmp_path / "checkpoints" / "trial_00000").rename(tmp_path / "gone")
    (tmp_path / "checkpoints" / "trial_00000").write_text("a file where the folder was")
    result = trainable.step()
    assert (result["fail_reason"], result["done"], result["complete"]) == ("storage", True, False)
    assert result["failure"].startswith(f"checkpoint checkpoints/trial_00000/epoch_00002 can't be written to {tmp_path}: ")


def test_a_cut_checkpoint_falls_back_to_the_epoch_before(shared):
    expected = values(worker(shared, task()), 3)
    files = before, last = snapshots(shared)
    whole, trained = last.read_bytes(), before.stat().st_mtime_ns
    last.write_bytes(whole[:500])
    assert values(worker(shared, task(reported=2)), 1) == expected[2:]
    assert before.stat().st_mtime_ns == trained  # epochs 1 and 2 were not trained again
    assert [file.name[:11] for file in snapshots(shared)] == [file.name[:11] for file in files]


def test_a_checkpoint_whose_content_was_changed_is_not_trusted(shared):
    expected = values(worker(shared, task()), 3)
    last = snapshots(shared)[-1]
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(bytes(content))
    assert values(worker(shared, task(reported=2)), 1) == expected[2:]


def test_without_any_whole_checkpoint_the_trial_begins_anew(shared):
    expected = values(worker(shared, task()), 2)
    for file in snapshots(shared):
        file.write_bytes(file.read_bytes()[:500])
    assert values(worker(shared, task(reported=2)), 2) == expected  # from epoch 1, equal to the bit


def test_two_checkpoints_of_a_trial_are_kept(shared):
    values(worker(shared, task(max_epochs=5)), 4)
    assert [file.name[:11] for file in snapshots(shared)] == ["epoch_00003", "epoch_00004"]


def test_an_extended_trial_resumes_where_the_shorter_one_had_ended(shared, tmp_path):
    expected = values(worker(dataclasses.replace(shared, checkpoints=LocalStorage(tmp_path / "whole")), task(max_epochs=5)), 5)
    values(worker(shared, task(max_epochs=3)), 3)
    assert values(worker(shared, task(max_epochs=5, reported=3)), 2) == expected[3:]


def test_memory_that_runs_out_is_said_and_a_failure_for_want_of_it_is_named(shared, monkeypatch):
    trainable = worker(shared, {**task(), "micro_batch": 8})
    assert trainable.step()["say"] == "memory ran out: micro-batches of 8, same effective batch"

    def exhausted(self):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80000 bytes")

    monkeypatch.setattr("ecg_tune.training.learner.Learner.step", exhausted)
    result = trainable.step()
    assert (result["fail_reason"], result["micro_batch"]) == ("oom", 8)


@pytest.mark.parametrize("cost", ["parameters", "macs", "latency_ms"])
def test_further_objectives_are_reported_from_the_first_epoch(shared, cost):
    trainable = worker(dataclasses.replace(shared, minimise=(cost,)), task())
    results = [trainable.step() for _ in range(2)]
    assert results[0]["costs"] == results[1]["costs"]
    assert results[0]["costs"][0] > 0


def test_a_node_that_can_not_read_stored_images_fails_its_trial_in_one_line(few_data, shared, tmp_path, monkeypatch):
    export_tree(few_data, tmp_path / "tree", images=("gaf",), image_size=32)
    import_tree(tmp_path / "tree", tmp_path / "data", images="gaf")
    stored = pickle.loads(pickle.dumps(open_prepared(tmp_path / "data").in_memory()))  # as it reaches a worker
    config = resolve("resnet", SPACES["resnet"].defaults["small"], SpaceContext("small", 1, images=stored.image_shape))
    there = worker(dataclasses.replace(shared, data=stored), {**task(), "trial": to_dict(config)})
    assert there.step()["complete"]
    (tmp_path / "data").rename(tmp_path / "unmounted")
    monkeypatch.setattr(trainables.base, "_on_device", {})  # another process
    gone = pickle.loads(pickle.dumps(stored))
    result = worker(dataclasses.replace(shared, data=gone), {**task(number=1), "trial": to_dict(config)}).step()
    assert result["fail_reason"] == "error"
    assert "train/images.npy can't be read on" in result["failure"]
    assert "\n" not in result["failure"]
