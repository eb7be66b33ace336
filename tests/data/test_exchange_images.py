"""Images of a tree: kept as they are, written back, found in two splits, and refused where they do not fit."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.config import STORED, ImageConfig
from ecg_tune.data.exchange.layout import DATASET
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_size_bytes, export_tree
from ecg_tune.data.loaders import create_fusion_dataloader, create_image_dataloader
from ecg_tune.data.prepared import images as images_module
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.data.prepared.describe import describe, describe_text
from ecg_tune.errors import ConfigError, DataError
from tests.conftest import make_toy_data

FOREIGN: dict[str, Any] = {"leads": ("I", "II", "V2"), "sampling_rate_hz": 100}
GAF, LABELS = "images/train/gaf/batch_0000.npy", "labels/y_train.npy"
NAMES = ("train", "validation")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return make_toy_data(tmp_path_factory.mktemp("source"), n_records=(40, 16, 8))


@pytest.fixture
def tree(source: PreparedData, tmp_path: Path) -> Path:
    """Return a tree of signals and of both folders of images, as others would write it."""
    export_tree(source, tmp_path / "tree", image_size=32, batch_size=16, include_test=True)
    (tmp_path / "tree" / DATASET).unlink()
    return tmp_path / "tree"


@pytest.fixture
def alone(tree: Path) -> Path:
    """Return a tree of one folder of images, without signals."""
    shutil.rmtree(tree / "signals")
    for folder in tree.glob("images/*/mtf"):
        shutil.rmtree(folder)
    return tree


def in_tree(tree: Path, split: str, kind: str = "gaf") -> Any:
    return np.concatenate([np.load(path) for path in sorted((tree / "images" / split / kind).glob("*.npy"))])


def test_images_alone_are_kept_as_they_are(alone, source, tmp_path):
    manifest = import_tree(alone, tmp_path / "data")
    data = open_prepared(tmp_path / "data")
    assert manifest["images"] == {"folder": "gaf", "n_channels": 3, "size": 32}
    assert (data.leads, data.image_shape, data.train.signals_uv.shape) == ((), (3, 32), (40, 0, 0))
    for name in NAMES:
        rows = np.arange(len(data.split(name)))[::-1]
        np.testing.assert_array_equal(data.split(name).images.read(rows), in_tree(alone, name)[::-1])
        np.testing.assert_array_equal(data.split(name).labels, source.split(name).labels)
    text = describe_text(describe(tmp_path / "data"))
    assert "stored, 3 channels of 32 x 32 pixels, from the folder gaf" in text
    assert not [word for word in ("leads", "Hz", "signals", "normalised") if word in text.partition("Test split")[0]]


@pytest.mark.parametrize("wanted", [None, "mtf"])
def test_what_was_imported_with_its_images_comes_back_with_its_fingerprint(tree, wanted, tmp_path):
    if wanted is None:
        shutil.rmtree(tree / "signals")
        import_tree(tree, tmp_path / "data", images="gaf")
    else:
        import_tree(tree, tmp_path / "data", **FOREIGN, images=wanted)
    data = open_prepared(tmp_path / "data")
    written = export_tree(data, tmp_path / "again", include_test=True, batch_size=7)
    assert written == sum(np.load(path).nbytes for path in (tmp_path / "again").rglob("*.npy"))
    assert written == export_size_bytes(data, include_test=True)
    assert (tmp_path / "again" / "signals").is_dir() == (wanted is not None)
    assert import_tree(tmp_path / "again", tmp_path / "back")["fingerprint"] == data.fingerprint


def test_an_export_of_computed_images_comes_back_without_them(source, tmp_path):
    export_tree(source, tmp_path / "tree", image_size=32, include_test=True)
    assert import_tree(tmp_path / "tree", tmp_path / "back")["fingerprint"] == source.fingerprint
    manifest = import_tree(tmp_path / "tree", tmp_path / "kept", images="mtf")
    assert manifest["images"]["folder"] == "mtf"
    assert manifest["fingerprint"] != source.fingerprint


def test_a_tree_of_others_with_one_folder_keeps_it_unless_the_user_wants_none(tree, tmp_path):
    for folder in tree.glob("images/*/gaf"):
        shutil.rmtree(folder)
    assert import_tree(tree, tmp_path / "kept", **FOREIGN)["images"]["folder"] == "mtf"
    assert "images" not in import_tree(tree, tmp_path / "none", **FOREIGN, images="none")
    assert not (tmp_path / "none" / "train" / "images.npy").exists()


def test_images_are_read_in_chunks_and_travel_as_names(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(images_module, "CHUNK_BYTES", 5 * 4 * 3 * 32 * 32)
    import_tree(alone, tmp_path / "data")
    images = open_prepared(tmp_path / "data").in_memory().train.images
    assert images is not None
    assert [len(chunk) for chunk in images.chunks()] == [5] * 8
    travelled = pickle.dumps(images)
    assert len(travelled) < 1000 < images.nbytes
    np.testing.assert_array_equal(pickle.loads(travelled).read(np.array([39, 0])), images.read(np.array([39, 0])))
    joined = images + images
    np.testing.assert_array_equal(joined.read(np.array([41, 1])), images.read(np.array([1, 1])))


def test_a_machine_that_lacks_the_file_says_so_in_one_line(alone, tmp_path):
    import_tree(alone, tmp_path / "data")
    images = open_prepared(tmp_path / "data").train.images
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"train/images.npy can't be read on .*keep the data in a folder that every machine mounts"):
        pickle.loads(pickle.dumps(images)).read(np.array([0]))


def test_changed_images_are_noticed(alone, tmp_path):
    import_tree(alone, tmp_path / "data")
    mapped = np.load(tmp_path / "data" / "train" / "images.npy", mmap_mode="r+")
    mapped[7, 0, 3, 3] += 1
    mapped.flush()
    with pytest.raises(DataError, match="images differ from what the manifest recorded"):
        open_prepared(tmp_path / "data")


def test_loaders_give_stored_images_in_the_order_of_their_records(tree, tmp_path):
    import_tree(tree, tmp_path / "data", **FOREIGN, images="gaf")
    data, image = open_prepared(tmp_path / "data"), ImageConfig(kind=STORED, size=32)
    stored = in_tree(tree, "train")
    for n, (batch, labels) in enumerate(create_image_dataloader(data.train, image, normalisation=data.normalisation)):
        np.testing.assert_array_equal(batch, stored[32 * n : 32 * n + 32])
        np.testing.assert_array_equal(labels, data.train.labels[32 * n : 32 * n + 32])
    signal, batch, _ = next(iter(create_fusion_dataloader(data.train, image, normalisation=data.normalisation, shuffle_seed=1)))
    expected = data.train.signals_uv / np.float32(1000 * data.normalisation["scale_mv"])
    rows = [int(np.flatnonzero(np.isclose(expected, one, atol=1e-5).all(axis=(1, 2)))[0]) for one in signal.numpy()]
    np.testing.assert_array_equal(batch, stored[rows])
    computed = replace(data.train, images=None)
    with pytest.raises(ConfigError, match="the data have no stored images: take another image kind than stored"):
        next(iter(create_image_dataloader(computed, image, normalisation=data.normalisation)))


def _change(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Make a fault: change an array of the tree."""
    return lambda tree: np.save(tree / file, change(np.load(tree / file)))


def _with_nan(array: Any) -> Any:
    array[3, 1, 5, 5] = np.nan
    return array


def _cut(images: Any) -> Any:
    return np.ascontiguousarray(images[:, :, :, :31])


def _copy_of_a_train_record(tree: Path) -> None:
    other = tree / "images" / "validation" / "gaf" / "batch_0000.npy"
    images = np.load(other)
    images[2] = np.load(tree / GAF)[5]
    np.save(other, images)


def _smaller_validation(tree: Path) -> None:
    for path in (tree / "images" / "validation" / "gaf").glob("*.npy"):
        np.save(path, np.pad(np.load(path), ((0, 0), (0, 0), (0, 1), (0, 1))))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_change(GAF, _with_nan), "batch_0000.npy: record 3 holds NaN or infinity"),
        (_change(GAF, lambda a: a.astype(np.float64) * 1e300), "record 0 holds NaN or infinity"),
        (_change(GAF, lambda a: a.transpose(0, 2, 3, 1)), r"shape \(16, 32, 32, 3\), not \(records, channels, size, size\)"),
        (_change(GAF, _cut), r"shape \(16, 3, 32, 31\), not"),
        (_change(GAF, lambda a: a[:, :, :16, :16]), "images of 16 pixels a side: the image families take 32 to 512"),
        (_change(GAF, lambda a: a[:, :2]), "batch_0001.npy has images of 3 x 32 x 32, batch_0000.npy of 2 x 32 x 32: make all alike"),
        (_change(GAF, lambda a: a[1:]), "39 train images in images/train/gaf, but 40 records"),
        (_change(GAF, lambda a: a.astype("U8")), "it holds <U8, not numbers"),
        (_change(LABELS, lambda a: a[:39]), "40 train images in images/train/gaf, but 39 records"),
        (lambda tree: (tree / GAF).write_bytes(b"no array"), "batch_0000.npy can't be read as a plain array"),
        (lambda tree: (tree / "images/train/gaf/batch_0001.npy").unlink(), "batch 1 of 2 is missing: copy it again"),
        (lambda tree: shutil.rmtree(tree / "images/validation"), "0 validation images in images/validation/gaf, but 16 records"),
        (_smaller_validation, "the splits' images differ: 3 x 32 x 32 in train, 3 x 33 x 33 in validation"),
        (_copy_of_a_train_record, "1 validation records are also in train"),
        (lambda tree: shutil.rmtree(tree / "images"), "folders labels/ and signals/ or images/ are needed"),
    ],
)
def test_images_that_do_not_fit_are_refused_and_nothing_is_written(alone, tmp_path, fault, message):
    for table in (alone / "labels").glob("records_*.csv"):
        table.unlink()
    fault(alone)
    with pytest.raises(DataError, match=message):
        import_tree(alone, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (FOREIGN, r"has images/\*/gaf, images/\*/mtf: say which to train on with --images gaf or mtf, or none to have"),
        (FOREIGN | {"images": "png"}, "unknown images 'png'"),
    ],
)
def test_a_choice_that_only_the_user_can_make_is_asked_for(tree, tmp_path, given, message):
    with pytest.raises((ConfigError, DataError), match=message):
        import_tree(tree, tmp_path / "data", **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": "none"}, "has no signals/, so it needs images to train on"),
        ({"images": "mtf"}, r"has no images/\*/mtf \(folders of images: images/\*/gaf\)"),
        ({"leads": ("I",), "sampling_rate_hz": 100}, "leave --leads, --rate out, nothing is known of the signals"),
    ],
)
def test_images_alone_leave_no_choice(alone, tmp_path, given, message):
    with pytest.raises(DataError, match=message):
        import_tree(alone, tmp_path / "data", **given)


def test_a_full_disk_is_noticed_before_anything_is_written(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 10**3))
    with pytest.raises(DataError, match=r"data needs \d+ MB, but \d+ MB are free: make room"):
        import_tree(alone, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_stored_images_are_exported_as_they_are_or_not_at_all(alone, tree, tmp_path):
    import_tree(alone, tmp_path / "data")
    data = open_prepared(tmp_path / "data")
    for wanted in ({"images": ()}, {"images": ("mtf",)}, {"image_size": 64}):
        with pytest.raises(DataError, match=r"has stored images of 3 x 32 x 32 \(gaf\), which are written as they are"):
            export_tree(data, tmp_path / "again", **wanted)
    assert not (tmp_path / "again").exists()
