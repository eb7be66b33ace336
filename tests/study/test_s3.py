"""Checkpoints in a real S3 bucket and in a folder: both places do the same; and what goes wrong there is said."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import pytest
import torch

from ecg_tune.cli.main import run
from ecg_tune.errors import ConfigError, DataError, StudyError, UsageError, WorkFailedError
from ecg_tune.search.encoders import encoders_of
from ecg_tune.search.engine import SearchEngine
from ecg_tune.storage import DIGEST, LocalStorage, S3Storage, Storage, open_storage
from ecg_tune.study.checkpoints import check_checkpoints
from ecg_tune.study.export import copy_encoders
from ecg_tune.study.retention import CheckpointRetention
from ecg_tune.study.schema import read_trial
from ecg_tune.study.study import Study
from ecg_tune.training import checkpoints as snapshots
from ecg_tune.training.checkpoints import newest_checkpoint, write_checkpoint
from ecg_tune.training.model_file import load_saved, load_weights
from tests.search.test_encoders import source as source
from tests.search.test_encoders import trained as trained
from tests.servers import S3, s3_running
from tests.study.test_retention import best
from tests.toy_search import TOY_SPACE, play, settings

from .test_study import ATTRIBUTES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_running() as running:
        yield running


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"p{abs(hash(request.node.name))}"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, s3: S3, tmp_path: Path, prefix: str) -> Storage:
    return LocalStorage(tmp_path / "place") if request.param == "folder" else S3Storage(s3.uri(prefix))


def content(place: Storage, name: str) -> bytes:
    with place.open(name) as file:
        return file.read()


def write(text: bytes, place: Storage, name: str) -> str:
    return place.write(name, lambda file: file.write(text))


def test_a_place_lists_writes_reads_and_removes(place):
    assert place.names("a") == []
    large = bytes(range(256)) * 100_000  # more than one part of an upload
    for name, text in (("a/b/one", b"1"), ("a/b/two", large), ("a/three", b"")):
        assert write(text, place, name) == name
    assert (place.names("a"), place.names("a/b")) == (["b", "three"], ["one", "two"])
    assert (content(place, "a/b/two"), content(place, "a/three")) == (large, b"")
    write(b"again", place, "a/b/one")
    assert content(place.child("a"), "b/one") == b"again"
    place.remove("a/b/one")
    assert place.names("a/b") == ["two"]
    place.remove("a/b")
    assert place.names("a/b") == []
    assert content(place, "a/three") == b""
    for name in ("a/b", "a/nothing"):  # what is not there
        place.remove(name)
        with pytest.raises(FileNotFoundError), place.open(name):
            pass


def test_what_fails_in_the_middle_leaves_nothing(place):
    def fail(file):
        file.write(b"x" * 20_000_000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.write("a/file", fail)
    assert place.names("a") == []
    assert not isinstance(place, LocalStorage) or not any((place.root / "a").iterdir())


def test_an_upload_that_is_interrupted_leaves_no_object(s3, prefix, monkeypatch):
    def interrupted(file, stream, size):
        stream.write(file.read(1000))
        raise KeyboardInterrupt

    monkeypatch.setattr("ecg_tune.storage.shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(b"x" * 5000, S3Storage(s3.uri(prefix)), "a/file")
    assert s3.files(prefix) == {}


def test_a_name_may_hold_the_digest_of_its_file(place):
    assert write(b"abc", place, f"a/b-{DIGEST}.pt") == "a/b-ba7816bf8f01cfea.pt"
    assert place.names("a") == ["b-ba7816bf8f01cfea.pt"]


def test_a_place_goes_to_workers_and_is_found_again_by_its_text(place):
    write(b"1", place, "a")
    for same in (pickle.loads(pickle.dumps(place)), open_storage(str(place))):
        assert content(same, "a") == b"1"


def test_the_newest_whole_snapshot_is_found_and_two_are_kept(place):
    names = [write_checkpoint(place, "t", epoch, {"epoch": epoch, "weights": torch.full((8,), float(epoch))}) for epoch in (1, 2, 3)]
    assert [f"t/{name}" for name in place.names("t")] == names[1:]
    found = newest_checkpoint(place, "t")
    assert found is not None
    assert (found[0], found[1]["epoch"]) == (names[2], 3)
    write(content(place, names[2])[:500], place, names[2])  # cut
    found = newest_checkpoint(place, "t")
    assert found is not None
    assert (found[0], found[1]["epoch"]) == (names[1], 2)
    write(content(place, names[1]), place, names[2])  # whole, loadable, and another epoch's
    found = newest_checkpoint(place, "t")
    assert found is not None
    assert found[0] == names[1]
    place.remove(names[1])
    assert newest_checkpoint(place, "t") is None


def test_weights_are_loaded_as_weights_only(place):
    class Trap:
        def __reduce__(self):
            return (subprocess.check_call, (["false"],))

    name = place.write(f"t/epoch_00001-{DIGEST}.pt", partial(torch.save, {"trap": Trap()}))
    assert newest_checkpoint(place, "t") is None
    with pytest.raises(DataError, match="is not a whole checkpoint"):
        load_weights(str(place.child(name)))


def test_a_bucket_that_does_not_answer_is_never_taken_for_an_empty_one(monkeypatch):
    monkeypatch.setattr(snapshots, "PAUSES_S", ())
    with s3_running() as server:
        gone = S3Storage(server.uri("gone"))
        write_checkpoint(gone, "t", 1, {"epoch": 1})
    with pytest.raises(WorkFailedError, match=r"checkpoints t can't be read from s3://bucket/gone.*NETWORK_CONNECTION"):
        newest_checkpoint(gone, "t")


def test_what_can_not_be_written_ends_the_training(s3, monkeypatch):
    monkeypatch.setattr(snapshots, "PAUSES_S", (0.0,))
    nobodys = S3Storage(s3.uri("x").replace("s3://bucket", "s3://nobodys"))
    with pytest.raises(WorkFailedError, match=r"checkpoint t/epoch_00002 can't be written to s3://nobodys/x.*NO_SUCH_BUCKET"):
        write_checkpoint(nobodys, "t", 2, {"epoch": 2})


def test_a_place_that_answers_again_is_waited_for(place, monkeypatch):
    monkeypatch.setattr(snapshots, "PAUSES_S", (0.0, 0.0))
    failures, real = [OSError("network"), OSError("network")], place.write
    monkeypatch.setattr(place, "write", lambda *arguments: real(*arguments) if not failures else (_ for _ in ()).throw(failures.pop()))
    write_checkpoint(place, "t", 1, {"epoch": 1})
    assert len(place.names("t")) == 1


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("gs://bucket/x", "is neither a folder nor an S3 bucket: give a folder that all nodes reach, or s3://BUCKET/PREFIX"),
        ("s3:///x", "is neither a folder nor an S3 bucket"),
        ("s3://key:secret@bucket/x", r"the URI s3://…@bucket holds keys.*AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_is_no_place_is_refused(where, message):
    with pytest.raises(ConfigError, match=message) as raised:
        open_storage(where)
    assert "secret" not in str(raised.value)


def test_a_place_that_can_not_be_written_is_refused_before_the_start(s3, toy_data, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    gone = s3.uri("x").replace("s3://bucket", "s3://nobodys")
    for where, message in (
        (gone, f"checkpoints can't be written to {gone.replace('/x', '/x/study')}: "),
        (tmp_path / "file", f"checkpoints can't be written to {tmp_path}/file/study: Not a directory: check that it exists"),
        (s3.uri("x") + "&colour=red", "Unexpected query parameter in S3 URI: 'colour'"),
        ("ftp://host/x", "is neither a folder nor an S3 bucket"),
    ):
        capsys.readouterr()
        code = run(["search", str(tmp_path / "study"), "--data", str(toy_data.folder), "--checkpoints", str(where)])
        err = capsys.readouterr().err
        assert (code, err.count("\n")) == (2, 1), err
        assert message in err
        assert not (tmp_path / "study").exists()


def searched(folder: Path, where: str, log) -> optuna.Study:
    """Make a study that has run, every trial of which has left a checkpoint at its place."""
    study = Study.create(folder, replace(ATTRIBUTES, checkpoints=where))
    play(SearchEngine(study, TOY_SPACE, settings(trials=10), log))
    for trial in study.trials():
        write(b"", study.checkpoints, f"{trial.path}/epoch_00004-0123456789abcdef.pt")
    return study.optuna


def test_checkpoints_are_bounded_wherever_they_are(place, log, tmp_path):
    study = searched(tmp_path / "study", str(place), log)
    retention = CheckpointRetention(Study(study, tmp_path / "study"))
    kept = best(study, "slow") | best(study, "fast")
    left = {name for name in place.names("study/checkpoints") if place.names(f"study/checkpoints/{name}")}
    assert left == kept
    row = next(row for row in study.trials if row.user_attrs["path"].split("/")[1] not in kept)
    write(b"", place, f"study/{row.user_attrs['path']}/epoch_00004-0123456789abcdef.pt")
    retention.ended(read_trial(row))
    assert place.names(f"study/{row.user_attrs['path']}") == []


def test_what_can_not_be_removed_does_not_end_a_search(s3, log, tmp_path):
    study = Study.create(tmp_path / "study", replace(ATTRIBUTES, checkpoints=s3.uri("x").replace("s3://bucket", "s3://nobodys")))
    play(SearchEngine(study, TOY_SPACE, settings(trials=2), log))
    CheckpointRetention(study).ended(study.trials()[0])
    assert [trial.state for trial in study.trials()] == ["COMPLETE", "COMPLETE"]


def test_two_studies_share_a_place_and_one_of_the_same_name_is_refused(place, log, tmp_path):
    for name in ("one", "two"):
        searched(tmp_path / name, str(place), log)
    assert place.names("") == ["one", "two"]
    message: list[str] = []
    check_checkpoints(tmp_path / "one", settings(checkpoints=str(place)), message.append)
    check_checkpoints(tmp_path / "three", settings(checkpoints=str(place)), message.append)
    with pytest.raises(StudyError, match="holds checkpoints of another study of this name: remove them, or give another"):
        check_checkpoints(tmp_path / "elsewhere" / "one", settings(checkpoints=str(place)), message.append)
    assert message == []
    assert not place.names("three")


def test_another_place_than_before_is_said(place, log, tmp_path):
    searched(tmp_path / "study", str(place), log)
    message: list[str] = []
    check_checkpoints(tmp_path / "study", settings(), message.append)
    assert message == []
    check_checkpoints(tmp_path / "study", settings(checkpoints=str(tmp_path / "new")), message.append)
    assert message == [
        f"checkpoints go to {tmp_path / 'new' / 'study'}; so far they went to {place.child('study')}: "
        "without a copy of them open trials begin anew"
    ]
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written to"):
        check_checkpoints(tmp_path / "study", settings(checkpoints=str(tmp_path / "file")), message.append)


def test_a_fusion_starts_from_encoders_in_the_bucket(source, s3, prefix, few_data):
    place = S3Storage(s3.uri(prefix))
    for _ in range(2):  # copied once
        found = encoders_of(source, few_data, into=place)()
        assert found is not None
        assert place.names("encoders") == ["singles_00002.pth", "singles_00003.pth"]
    assert found.signal.path == str(place.child("encoders/singles_00002.pth"))
    assert load_saved(found.image.path).trial == 3
    with pytest.raises(DataError, match="does not exist"):
        load_saved(str(place.child("encoders/other.pth")))


def test_encoders_in_the_bucket_come_home_with_a_study(s3, prefix, tmp_path):
    study = Study.create(tmp_path / "study", replace(ATTRIBUTES, checkpoints=s3.uri(prefix)))
    write(b"weights", study.checkpoints, "encoders/a_00001.pth")
    copy_encoders(study, tmp_path / "home")
    assert (tmp_path / "home/encoders/a_00001.pth").read_bytes() == b"weights"
