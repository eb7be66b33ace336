"""Prepared data in a real S3 bucket: pulled once, checked, gone on with after an interruption; the test split stays sealed there."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ecg_tune.cli.main import run
from ecg_tune.config import SearchSettings
from ecg_tune.data.exchange.reader import import_tree
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, open_test, read_ledger
from ecg_tune.data.prepared.describe import describe
from ecg_tune.data.prepared.ledger import LEDGER
from ecg_tune.data.prepared.remote_copy import cache_folder
from ecg_tune.errors import DataError, UsageError
from ecg_tune.search.attributes import study_attributes
from ecg_tune.storage import S3Storage
from ecg_tune.study.study import Study
from tests.servers import S3, s3_running

pytestmark = pytest.mark.slow

OPEN = {f"{split}/{file}" for split in ("train", "validation") for file in ("signals.npy", "labels.npy", "records.npz")}


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_running() as running:
        yield running


@pytest.fixture
def uri(s3: S3, toy_data: PreparedData, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where the toy data were copied to, as if never opened; this machine has fetched nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    where = s3.uri(request.node.name)
    for path in (path for path in toy_data.folder.rglob("*") if path.is_file() and path.name != LEDGER):
        content = path.read_bytes()
        S3Storage(where).write(path.relative_to(toy_data.folder).as_posix(), lambda file, content=content: file.write(content))
    return where


def fetched(data: PreparedData) -> set[str]:
    return {path.relative_to(data.folder).as_posix() for path in data.folder.rglob("*") if path.is_file()}


def test_they_are_what_the_folder_holds_and_the_test_split_stays_there(uri: str, toy_data: PreparedData) -> None:
    data = open_prepared(uri)
    assert (data.fingerprint, data.location, data.folder) == (toy_data.fingerprint, uri, cache_folder(toy_data.manifest))
    np.testing.assert_array_equal(data.train.signals_uv, toy_data.train.signals_uv)
    assert fetched(data) == OPEN | {"manifest.json"}


def test_they_are_pulled_once_and_what_was_interrupted_goes_on(uri: str) -> None:
    data = open_prepared(uri)
    gone = data.folder / "validation/labels.npy"
    gone.unlink()
    times = {path: path.stat().st_mtime_ns for name in OPEN if (path := data.folder / name).exists()}
    open_prepared(uri)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert gone.is_file()


def test_what_was_damaged_here_is_fetched_again_and_what_is_wrong_there_refused(uri: str) -> None:
    data = open_prepared(uri)
    labels = data.folder / "train/labels.npy"
    wrong = np.load(labels)[::-1].copy()
    np.save(labels, wrong)
    np.testing.assert_array_equal(open_prepared(uri).train.labels, data.train.labels)
    S3Storage(uri).write("train/labels.npy", lambda file: np.save(file, wrong))
    shutil.rmtree(data.folder)
    with pytest.raises(DataError, match=r"does not hold what its manifest says .*labels differ.* copy a whole prepared folder there"):
        open_prepared(uri)


def test_each_machine_fetches_stored_images_itself(s3: S3, toy_data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "driver"))
    export_tree(toy_data, tmp_path / "tree", images=("gaf",), image_size=32)
    import_tree(tmp_path / "tree", tmp_path / "data", images="gaf")
    where = s3.uri("stored_images")
    for path in (path for path in (tmp_path / "data").rglob("*") if path.is_file()):
        S3Storage(where).write(path.relative_to(tmp_path / "data").as_posix(), lambda file, path=path: file.write(path.read_bytes()))
    data = open_prepared(where)
    assert data.train.images is not None
    expected, travelled = data.train.images.read(np.array([5, 1])), pickle.dumps(data.train.images)
    np.testing.assert_array_equal(expected, np.load(tmp_path / "tree/images/train/gaf/batch_0000.npy")[[5, 1]])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "worker"))
    np.testing.assert_array_equal(pickle.loads(travelled).read(np.array([5, 1])), expected)
    assert fetched(dataclasses.replace(data, folder=cache_folder(data.manifest))) == {"train/images.npy"}


def test_every_opening_of_the_test_split_is_entered_in_the_bucket_first(
    uri: str, toy_data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_prepared(uri)
    np.testing.assert_array_equal(open_test(here, "evaluate", "a").labels, np.load(toy_data.folder / "test/labels.npy"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    there = open_prepared(uri)
    open_test(there, "evaluate", "b")
    for known in (read_ledger(here), read_ledger(there), describe(uri)["test_openings"]):
        assert sorted(line["study"] for line in known) == ["a", "b"]


def test_the_test_split_stays_sealed_where_its_opening_cant_be_entered(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_prepared(uri)

    def refuse(self: S3Storage, name: str, write: object) -> str:
        raise OSError("AWS Error ACCESS_DENIED")

    monkeypatch.setattr(S3Storage, "write", refuse)
    with pytest.raises(UsageError, match=r"the test split stays sealed: .*ACCESS_DENIED"):
        open_test(data, "evaluate")
    assert not (data.folder / "test").exists()


def test_a_command_takes_it_and_a_study_remembers_it(uri: str, tmp_path: Path) -> None:
    trained = ["train", "cnn1d", "--data", uri, "--profile", "small", "--max-epochs", "1", "--out", str(tmp_path / "checkpoints")]
    assert run(trained) == 0
    assert (tmp_path / "checkpoints/CNN1D_best.pth").is_file()
    study = Study.create(tmp_path / "study", study_attributes(open_prepared(uri), SearchSettings()))
    assert open_prepared(study.data_path).location == uri


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("{s3}/nothing", "holds no prepared data (manifest.json is missing): copy a whole prepared folder there"),
        ("s3://bucket/x?endpoint_override=127.0.0.1:9&scheme=http&region=x", "can't be read: "),
        ("gs://bucket/x", "is neither a folder nor an S3 bucket"),
        ("s3://key:secret@bucket/x", "holds keys"),
    ],
)
def test_what_cant_be_used_is_one_line(s3: S3, where: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = s3.uri("nothing") if where == "{s3}/nothing" else where
    assert run(["search", str(tmp_path / "study"), "--data", where]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "study").exists()
