"""The last two epochs of a training on disk: whole or not there."""

from __future__ import annotations

import hashlib

import torch

from ecg_tune.storage import LocalStorage
from ecg_tune.training.checkpoints import newest_checkpoint, write_checkpoint


def state(epoch: int) -> dict[str, object]:
    return {"epoch": epoch, "weights": torch.full((8,), float(epoch))}


def test_the_newest_whole_file_is_found(tmp_path):
    for epoch in (1, 2, 3):
        write_checkpoint(LocalStorage(tmp_path), "trial", epoch, state(epoch))
    found = newest_checkpoint(LocalStorage(tmp_path), "trial")
    assert found is not None
    assert (found[0][:17], found[1]["epoch"]) == ("trial/epoch_00003", 3)
    assert [file.name[:11] for file in sorted((tmp_path / "trial").iterdir())] == ["epoch_00002", "epoch_00003"]


def test_the_name_holds_the_digest_of_the_content(tmp_path):
    path = tmp_path / write_checkpoint(LocalStorage(tmp_path), "trial", 7, state(7))
    assert path.name == f"epoch_00007-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.pt"


def test_a_file_that_is_not_what_its_name_says_is_passed_over(tmp_path):
    _, second, third = (tmp_path / write_checkpoint(LocalStorage(tmp_path), "trial", epoch, state(epoch)) for epoch in (1, 2, 3))
    third.write_bytes(second.read_bytes())  # whole, loadable, and another epoch's
    found = newest_checkpoint(LocalStorage(tmp_path), "trial")
    assert found is not None
    assert found[1]["epoch"] == 2


def test_a_folder_without_files_or_that_does_not_exist_has_none(tmp_path):
    (tmp_path / "empty").mkdir()
    assert newest_checkpoint(LocalStorage(tmp_path), "empty") is None
    assert newest_checkpoint(LocalStorage(tmp_path), "nowhere") is None
