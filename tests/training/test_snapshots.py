"""The last two epochs of a training on disk: whole or not there."""

from __future__ import annotations

import hashlib

import torch

from ecg_tune.training.snapshots import newest_snapshot, save_snapshot


def state(epoch: int) -> dict[str, object]:
    return {"epoch": epoch, "weights": torch.full((8,), float(epoch))}


def test_the_newest_whole_file_is_found(tmp_path):
    for epoch in (1, 2, 3):
        save_snapshot(tmp_path, epoch, state(epoch))
    found = newest_snapshot(tmp_path)
    assert found is not None
    assert (found[0].name[:11], found[1]["epoch"]) == ("epoch_00003", 3)
    assert [file.name[:11] for file in sorted(tmp_path.iterdir())] == ["epoch_00002", "epoch_00003"]


def test_the_name_holds_the_digest_of_the_content(tmp_path):
    path = save_snapshot(tmp_path, 7, state(7))
    assert path.name == f"epoch_00007-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.pt"


def test_a_file_that_is_not_what_its_name_says_is_passed_over(tmp_path):
    save_snapshot(tmp_path, 1, state(1))
    second = save_snapshot(tmp_path, 2, state(2))
    third = save_snapshot(tmp_path, 3, state(3))
    third.write_bytes(second.read_bytes())  # whole, loadable, and another epoch's
    found = newest_snapshot(tmp_path)
    assert found is not None
    assert found[1]["epoch"] == 2


def test_a_folder_without_files_or_that_does_not_exist_has_none(tmp_path):
    assert newest_snapshot(tmp_path) is None
    assert newest_snapshot(tmp_path / "nowhere") is None
