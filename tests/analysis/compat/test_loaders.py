"""Files of the classic shapes, and the loaders that classic scripts make of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.compat import Config, create_fusion_dataloader, create_image_dataloader, create_signal_dataloader
from ecg_tune.data.exchange.layout import DATASET
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import ConfigError, DataError, SealedTestError
from tests.conftest import make_toy_data

SHAPE_CHECKS = {
    "data/signals/train/batch_0000.npy": "(16, 1000, 3)",
    "data/images/train/gaf/batch_0000.npy": "(16, 3, 224, 224)",
    "data/labels/y_train.npy": "({n}, 5)",
}
"""The lines that people copy to look at their data, and what each prints."""


@pytest.fixture
def paths(tree: Path) -> Config:
    return Config(data_dir=tree)


def test_the_shape_checks_that_people_copy_print_the_classic_shapes(tree: Path, classic_data: PreparedData) -> None:
    n_train = len(classic_data.train)
    line = "import numpy as np; print(np.load('{}').shape)"
    for file, shape in SHAPE_CHECKS.items():
        done = subprocess.run([sys.executable, "-c", line.format(file)], cwd=tree.parent, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == shape.format(n=n_train)
    script = "import numpy as np; from ecg_tune.config import Config; config = Config()\n"
    script += "for path in (config.TRAIN_SIGNAL_PATH, config.TRAIN_IMAGE_PATH, config.TRAIN_LABEL_PATH): print(np.load(path).shape)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tree.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == [shape.format(n=n_train) for shape in SHAPE_CHECKS.values()]


@pytest.mark.parametrize("part", ["TRAIN", "VAL", "TEST"])
def test_every_path_of_an_exported_tree_is_a_file_of_the_stated_shape(paths: Config, part: str) -> None:
    signals, images, labels = (np.load(getattr(paths, f"{part}_{what}_PATH"), mmap_mode="r") for what in ("SIGNAL", "IMAGE", "LABEL"))
    assert (signals.shape[1:], images.shape[1:], labels.shape[1:]) == ((1000, 3), (3, 224, 224), (5,))
    assert len(signals) == len(images) == min(16, len(labels))
    assert (signals.dtype, images.dtype, labels.dtype) == (np.float32, np.float32, np.uint8)


def test_the_loaders_give_every_record_with_its_labels(paths: Config, classic_data: PreparedData) -> None:
    expected = torch.from_numpy(classic_data.train.signals_uv / np.float32(1000))
    signal_loader = create_signal_dataloader(paths.TRAIN_SIGNAL_PATH, paths.TRAIN_LABEL_PATH, batch_size=10, shuffle=False)
    assert len(signal_loader) == -(-len(expected) // 10)
    signals, labels = (torch.cat(parts) for parts in zip(*signal_loader, strict=True))
    torch.testing.assert_close(signals, expected)
    assert torch.equal(labels, torch.tensor(classic_data.train.labels, dtype=torch.float32))
    images = create_image_dataloader(paths.TRAIN_IMAGE_PATH, paths.TRAIN_LABEL_PATH, batch_size=10, shuffle=False)
    fusion = create_fusion_dataloader(paths.TRAIN_SIGNAL_PATH, paths.TRAIN_IMAGE_PATH, paths.TRAIN_LABEL_PATH, batch_size=10, shuffle=False)
    for (signal, _), (image, _), ((one, other), both) in zip(signal_loader, images, fusion, strict=True):
        assert image.shape[1:] == (3, 224, 224)
        assert torch.equal(signal, one)
        assert torch.equal(image, other)
        assert len(both) == len(one)


def test_a_shuffled_loader_keeps_records_and_labels_together_and_draws_anew(paths: Config, classic_data: PreparedData) -> None:
    loader = create_signal_dataloader(paths.TRAIN_SIGNAL_PATH, paths.TRAIN_LABEL_PATH, batch_size=1000)
    (first, labels), (second, _) = next(iter(loader)), next(iter(loader))
    assert not torch.equal(first, second)
    plain = torch.from_numpy(classic_data.train.signals_uv / np.float32(1000))
    match = (first[:, None] - plain[None]).abs().amax((2, 3)).argmin(1)
    assert sorted(match.tolist()) == list(range(len(plain)))
    assert torch.equal(labels, torch.tensor(classic_data.train.labels, dtype=torch.float32)[match])
    again = next(iter(create_signal_dataloader(paths.TRAIN_SIGNAL_PATH, paths.TRAIN_LABEL_PATH, batch_size=1000)))[0]
    assert torch.equal(first, again), "the seed is 0"


def test_classic_calls_work_as_they_are_written(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)
    monkeypatch.setattr(Config, "BATCH_SIZE", 7)
    classic: dict[str, Any] = {"shuffle": True, "num_workers": Config.NUM_WORKERS, "saved_batch_size": 16}
    signals = create_signal_dataloader("data/signals/train/", "data/labels/y_train.npy", **classic)
    assert next(iter(signals))[0].shape == (7, 1000, 3)
    images = create_image_dataloader("data/images/validation/", "data/labels/y_val.npy", transform_type="mtf", batch_size=2, **classic)
    assert next(iter(images))[0].shape == (2, 3, 224, 224)
    gaf = create_image_dataloader("data/images/validation/mtf", "data/labels/y_val.npy", batch_size=1, shuffle=False)
    assert np.array_equal(next(iter(gaf))[0][0], np.load("data/images/validation/gaf/batch_0000.npy")[0]), "gaf unless mtf is asked for"


def test_the_paths_of_prepared_data_go_into_the_same_loaders(classic_data: PreparedData, paths: Config) -> None:
    prepared = Config(data_dir=classic_data.folder)
    for kind in ("gaf", "mtf"):
        loaders = [
            create_fusion_dataloader(
                config.VAL_SIGNAL_PATH, config.VAL_IMAGE_PATH, config.VAL_LABEL_PATH, transform_type=kind, batch_size=3, shuffle=False
            )
            for config in (prepared, paths)
        ]
        ((signal, image), labels), ((same_signal, same_image), same_labels) = (next(iter(loader)) for loader in loaders)
        torch.testing.assert_close(signal, same_signal)
        torch.testing.assert_close(image, same_image)
        assert torch.equal(labels, same_labels)


def test_data_of_images_alone_have_a_loader_of_images_and_no_other(tmp_path: Path) -> None:
    source = make_toy_data(tmp_path / "source", n_records=(40, 16, 8))
    export_tree(source, tmp_path / "tree", images=("mtf",), image_size=32, include_test=True)
    shutil.rmtree(tmp_path / "tree" / "signals")
    (tmp_path / "tree" / DATASET).unlink()
    import_tree(tmp_path / "tree", tmp_path / "data")
    config = Config(data_dir=tmp_path / "data")
    assert tmp_path / "data" / "validation" / "images.npy" == config.VAL_IMAGE_PATH
    loader = create_image_dataloader(config.VAL_IMAGE_PATH, config.VAL_LABEL_PATH, transform_type="mtf", batch_size=4, shuffle=False)
    image, labels = next(iter(loader))
    stored = open_prepared(tmp_path / "data").validation
    assert stored.images is not None
    assert torch.equal(image, torch.from_numpy(stored.images.read(np.arange(4))))
    assert torch.equal(labels, torch.tensor(stored.labels[:4], dtype=torch.float32))
    with pytest.raises(DataError, match=r"holds mtf images, but transform_type is 'gaf': give transform_type='mtf'"):
        create_image_dataloader(config.VAL_IMAGE_PATH, config.VAL_LABEL_PATH)
    with pytest.raises(SealedTestError):
        create_image_dataloader(config.TEST_IMAGE_PATH, config.TEST_LABEL_PATH, transform_type="mtf")
    no_signals = "holds no signals: data of images alone have a loader of images, create_image_dataloader"
    with pytest.raises(DataError, match=no_signals):
        create_signal_dataloader(config.VAL_SIGNAL_PATH, config.VAL_LABEL_PATH)
    with pytest.raises(DataError, match=no_signals):
        create_image_dataloader(config.VAL_SIGNAL_PATH, config.VAL_LABEL_PATH)
    with pytest.raises(DataError, match=no_signals):
        create_fusion_dataloader(config.VAL_SIGNAL_PATH, config.VAL_IMAGE_PATH, config.VAL_LABEL_PATH, transform_type="mtf")


def test_the_test_split_is_refused_however_it_is_named(tree: Path, paths: Config, classic_data: PreparedData) -> None:
    train = paths.TRAIN_SIGNAL_PATH, paths.TRAIN_IMAGE_PATH, paths.TRAIN_LABEL_PATH
    prepared = Config(data_dir=classic_data.folder)
    for signal, image, labels in (
        (paths.TEST_SIGNAL_PATH, train[1], train[2]),
        (tree / "signals" / "test", train[1], train[2]),
        (train[0], paths.TEST_IMAGE_PATH, train[2]),
        (train[0], f"{tree}/images/test/", train[2]),
        (train[0], train[1], tree / "labels/../labels/y_test.npy"),
        (prepared.TEST_SIGNAL_PATH, train[1], train[2]),
        (train[0], train[1], prepared.TEST_LABEL_PATH),
    ):
        with pytest.raises(SealedTestError, match="of the test split, which is sealed: `get_test_loader` opens it"):
            create_fusion_dataloader(signal, image, labels)
    with pytest.raises(SealedTestError):
        create_signal_dataloader(paths.TEST_SIGNAL_PATH, paths.TEST_LABEL_PATH)
    with pytest.raises(SealedTestError):
        create_image_dataloader(paths.TEST_IMAGE_PATH, paths.TEST_LABEL_PATH)


def test_a_tree_in_a_folder_named_test_is_no_test_split(classic_data: PreparedData, tmp_path: Path) -> None:
    (tmp_path / "test").symlink_to(classic_data.folder)
    config = Config(data_dir=tmp_path / "test")
    assert len(create_signal_dataloader(config.VAL_SIGNAL_PATH, config.VAL_LABEL_PATH, batch_size=1000)) == 1


def test_wrong_files_and_keywords_are_refused(paths: Config, tmp_path: Path) -> None:
    signals, images, labels = paths.TRAIN_SIGNAL_PATH, paths.TRAIN_IMAGE_PATH, paths.TRAIN_LABEL_PATH
    with pytest.raises(ConfigError, match="unknown keyword 'batchsize': did you mean 'batch_size'"):
        create_signal_dataloader(signals, labels, batchsize=3)
    with pytest.raises(ConfigError, match="unknown transform_type 'gasf': did you mean 'gaf'"):
        create_image_dataloader(images, labels, transform_type="gasf")
    with pytest.raises(ConfigError, match="batch_size must be 1"):
        create_signal_dataloader(signals, labels, batch_size=0)
    with pytest.raises(DataError, match=r"y_val.npy has \d+ records, but there are \d+ signals: name files of one split"):
        create_signal_dataloader(signals, paths.VAL_LABEL_PATH)
    with pytest.raises(DataError, match=r"batch_0000.npy has 3 dimensions, \(16, 1000, 3\), and must have 2"):
        create_signal_dataloader(signals, signals)
    with pytest.raises(DataError, match="holds no batch_"):
        create_signal_dataloader(tmp_path, labels)
    with pytest.raises(DataError, match=r"y_trian\.npy can't be read as a plain array"):
        create_signal_dataloader(signals, labels.with_name("y_trian.npy"))
