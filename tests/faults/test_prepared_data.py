"""Prepared data of ours that were damaged, or forged: one line, whatever their files hold, and no more memory than they are long."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.data.prepared.dataset import RECORD_FIELDS, open_prepared, open_test
from ecg_tune.data.prepared.manifest import array_digest, columns_digest, compute_fingerprint
from ecg_tune.errors import DataError, UsageError
from tests.commands import ecg_tune
from tests.faults.test_settings import check

HUGE = 2**40


@pytest.fixture
def data(few_data, tmp_path) -> Path:
    return Path(shutil.copytree(few_data.folder, tmp_path / "data"))


def npy(header: str, *, version: bytes = b"\x01\x00", body: bytes = b"") -> bytes:
    """Write a .npy file with any header."""
    text = header.encode() + b"\n"
    length = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + text + body


def claims(descr: str = "'<i2'", shape: str = "(2, 3)", fortran: str = "False") -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}", body=bytes(12))


def saved(array: Any, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def archive(content: dict[str, Any], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, value in content.items():
            packed.writestr(name, value if isinstance(value, bytes) else saved(value))
    return file.getvalue()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/ran_by_ecg_tune_test",)


ARRAYS = {
    "empty": b"",
    "text": b"hello\n",
    "magic alone": b"\x93NUMPY",
    "no header": b"\x93NUMPY\x01\x00",
    "a header of 64 kB": npy("{" + " " * 60_000 + "}"),
    "a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    "another version": npy("{}", version=b"\x09\x00"),
    "huge": claims(shape=f"({HUGE}, {HUGE})"),
    "huge, in one dimension": claims(shape=f"({HUGE},)"),
    "beyond 64 bits": claims(shape=f"({10**30},)"),
    "negative": claims(shape="(-2, 3)"),
    "two negatives": claims(shape="(-2, -3)"),
    "nothing of much": claims(shape=f"(0, {HUGE})"),
    "true as a length": claims(shape="(True, 6)"),
    "many dimensions": claims(shape="(1,) * 3"),
    "70 dimensions": claims(shape=f"({'1, ' * 70})"),
    "objects": claims("'|O'"),
    "texts": claims("'<U6'", "(1,)"),
    "no size": claims("'<U0'", f"({HUGE},)"),
    "void": claims("'|V12'", "(1,)"),
    "times": claims("'<M8[s]'", "(1,)"),
    "complex": claims("'<c8'", "(1,)"),
    "columns": claims("[('a', '<i2')]"),
    "a large subarray": claims(f"('<i2', ({HUGE},))", "(1,)"),
    "other bytes": claims("'>i2'"),
    "unknown dtype": claims("'x'"),
    "no dtype": claims("None"),
    "code": claims("__import__('os').system('true')"),
    "deep": npy("(" * 5000 + ")" * 5000),
    "deep, in two megabytes": npy("[" * 2_000_000, version=b"\x02\x00"),
    "no dict": npy("[1]"),
    "open text": npy("{'descr': '"),
    "open bracket": npy("{'descr': ("),
    "other keys": npy("{'shape': (2,)}"),
    "noise": npy("\xff\x00\x01"),
    "pickle": pickle.dumps(np.zeros(3)),
    "pickled code": pickle.dumps(Evil()),
    "an array of code": saved(np.array([Evil()], dtype=object), pickled=True),
    "archive": archive({"a.npy": np.zeros(3)}),
    "another shape": saved(np.zeros((3, 4), np.int16)),
    "one number": saved(np.int16(3)),
    "floats": saved(np.zeros((40, 250, 3))),
    "bytes behind it": saved(np.zeros((40, 250, 3), np.int16)) + b"x",
}


def in_place_of(path: Path, kind: str) -> None:
    """Put something else in the place of a file."""
    whole = path.read_bytes()
    path.unlink()
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link to nothing":
        path.symlink_to("nowhere")
    elif kind == "a link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "cut":
        path.write_bytes(whole[:-7])
    elif kind == "cut in the header":
        path.write_bytes(whole[:40])
    elif kind == "a bit flipped":
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    else:
        assert kind == "gone"


PLACES = ("a folder", "a pipe", "a link to nothing", "a link to a device", "cut", "cut in the header", "a bit flipped", "gone")
FILES = ("signals.npy", "labels.npy", "records.npz")


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("name", ["manifest.json", *(f"train/{file}" for file in FILES), "validation/labels.npy"])
def test_another_thing_in_the_place_of_a_file_is_one_line(name, kind, data):
    in_place_of(data / name, kind)
    refused(data, by_commands=True)


@pytest.mark.parametrize("file", ["signals.npy", "labels.npy"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_of_anything_is_one_line(kind, file, data):
    (data / "train" / file).write_bytes(ARRAYS[kind])
    with little_memory():
        refused(data)
    assert not Path("/tmp/ran_by_ecg_tune_test").exists()


COLUMN = np.arange(40)
TABLES: dict[str, Any] = {
    "empty": b"",
    "text": b"hello\n",
    "one array": saved(np.zeros(3)),
    "empty archive": archive({}),
    "a column lacks": {"ecg_id": None},
    "a column is empty": {"ecg_id": b""},
    "a column is text": {"ecg_id": b"hello"},
    "a column is huge": {"ecg_id": claims(shape=f"({HUGE},)")},
    "a column of objects": {"ecg_id": saved(np.array([Evil()] * 40, dtype=object), pickled=True)},
    "a column of texts": {"patient_id": COLUMN.astype(str)},
    "a column of two dimensions": {"age": np.zeros((40, 2))},
    "a column without any": {"sex": np.int64(3)},
    "a shorter column": {"flags": COLUMN[:-1]},
    "a longer column": {"flags": np.arange(41)},
    "a compressed bomb": archive({f"{name}.npy": bytes(10**8) for name in RECORD_FIELDS}, compression=zipfile.ZIP_DEFLATED),
    "another compression": archive({f"{name}.npy": COLUMN for name in RECORD_FIELDS}, compression=zipfile.ZIP_LZMA),
    "names that lead out": archive({f"../{name}.npy": COLUMN for name in RECORD_FIELDS}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_anything_is_one_line(kind, data):
    path, change = data / "train" / "records.npz", TABLES[kind]
    if isinstance(change, dict):
        with np.load(path) as there:
            columns = {f"{name}.npy": change.get(name, there[name]) for name in RECORD_FIELDS}
        change = archive({name: value for name, value in columns.items() if value is not None})
    path.write_bytes(change)
    with little_memory():
        refused(data)
    assert not Path("/tmp/ran_by_ecg_tune_test").exists()


def test_a_table_with_a_forged_directory_is_one_line(data):
    path = data / "train" / "records.npz"
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"PK\x01\x02")
    for field, width in ((24, 4), (42, 4), (10, 2), (8, 2)):  # size, offset, compression, flags
        forged = whole.copy()
        forged[at + field : at + field + width] = b"\xf1" * width
        path.write_bytes(forged)
        with little_memory():
            refused(data)


FACTS: dict[str, Callable[[dict[str, Any]], object]] = {
    **{
        f"{name} is {str(value)[:20]}": lambda facts, name=name, value=value: facts.update({name: value})
        for name, values in {
            "class_names": [3, [], "NORM", [3] * 5, ["a", "a"], None, {}],
            "leads": [3, ["X"], "I", [[]], None, ["I", "I"]],
            "sampling_rate_hz": ["100", 0.5, -100, True, 10**30, None],
            "n_samples": ["250", -1, 2.5, 10**30, None],
            "split": [3, None, ["official"]],
            "label_rule": [3, None, {"text": 3, "min_likelihood": 0}, {"min_likelihood": "high"}],
            "normalisation": [3, None, {}, {"kind": "x"}, {"kind": "global", "scale_mv": 0}, {"kind": "global", "scale_mv": float("nan")}],
            "synthetic": ["false", 3, None],
            "counts": [3, None, {}, {"train": 3}, {"train": {}, "validation": {}, "test": {}}],
            "digests": [3, None, {"train/signals": 3}],
            "origins": [3, {"test": 3}],
            "images": [3, {}, {"n_channels": 3, "size": 10**9}, {"n_channels": "3", "size": 16}],
            "limit": [3, {}, {"read": -1, "of": 2}],
            "patients_known": ["false", 3],
            "exclusions": [3, {"a": "b"}],
            "quality": [3],
            "source": [3],
            "test_records": [3, ["a"]],
            "source_folder": [3],
        }.items()
        for value in values
    },
    **{f"{name} is gone": lambda facts, name=name: facts.pop(name) for name in ("class_names", "split", "counts", "digests", "n_samples")},
    "fewer records": lambda facts: facts["counts"]["train"].update(records=39),
    "another number of records": lambda facts: facts["counts"]["train"].update(records=HUGE),
    "fewer classes": lambda facts: facts["class_names"].pop(),
    "more leads": lambda facts: facts["leads"].append("V6"),
    "another length": lambda facts: facts.update(n_samples=251),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_of_another_type_is_one_line(name, data):
    manifest = json.loads((data / "manifest.json").read_text())
    FACTS[name](manifest)
    with suppress(KeyError):  # a forger computes the fingerprint again
        manifest["fingerprint"] = compute_fingerprint(manifest, manifest["digests"])
    (data / "manifest.json").write_text(json.dumps(manifest))
    refused(data)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 200_000, b'{"digests": {}}', b"1" * 10_000])
def test_a_manifest_of_anything_is_one_line(text, data):
    (data / "manifest.json").write_bytes(text)
    refused(data)


FORGED = {
    "big-endian signals": ("signals", lambda a: a.astype(">i2")),
    "float signals": ("signals", lambda a: a.astype(np.float32)),
    "signals of nothing": ("signals", lambda a: np.zeros((40, 0, 0), np.int16)),
    "fewer signals": ("signals", lambda a: a[:-1]),
    "labels of 2": ("labels", lambda a: a * 2),
    "labels of int64": ("labels", lambda a: a.astype(np.int64)),
    "flat labels": ("labels", lambda a: a.ravel()),
    "more labels": ("labels", lambda a: np.vstack([a, a])),
}


@pytest.mark.parametrize("name", FORGED)
def test_arrays_whose_digests_were_forged_too_are_one_line(name, data):
    kind, change = FORGED[name]
    path = data / "train" / f"{kind}.npy"
    array = np.ascontiguousarray(change(np.load(path)))
    np.save(path, array)
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["digests"][f"train/{kind}"] = array_digest(array)
    manifest["fingerprint"] = compute_fingerprint(manifest, manifest["digests"])
    (data / "manifest.json").write_text(json.dumps(manifest))
    refused(data)


ORIGINS = [b"", b"{", b"[]", b"3", b"{}", b'{"files": [], "statements": []}', b"[" * 200_000, b"\xff"]
ORIGINS += [b'{"files": [1,1,1,1,1,1,1,1], "statements": [1,1,1,1,1,1,1,1]}', b'{"files": "12345678", "statements": "12345678"}']


@pytest.mark.parametrize("text", ORIGINS, ids=[str(text[:30]) for text in ORIGINS])
def test_an_origin_of_anything_is_one_line_though_its_digest_fits(text, data):
    (data / "test" / "origin.json").write_bytes(text)
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["origins"] = {"test": hashlib.sha256(text).hexdigest()}
    (data / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"origin\.json can't be read"):
        open_test(open_prepared(data), "test")


def test_a_table_that_was_forged_as_a_whole_has_the_types_of_a_table(data):
    path = data / "train" / "records.npz"
    with np.load(path) as there:
        columns = {name: there[name] for name in RECORD_FIELDS}
    columns["sex"] = columns["sex"].astype(str)
    np.savez(path, **columns)
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["digests"]["train/records"] = columns_digest(columns)
    manifest["fingerprint"] = compute_fingerprint(manifest, manifest["digests"])
    (data / "manifest.json").write_text(json.dumps(manifest))
    refused(data)


FLAGS = ("--families", "cnn1d", "--profile", "small", "--trials", "1", "--address", "127.0.0.1:1")


def refused(data: Path, *, by_commands: bool = False) -> None:
    with pytest.raises(UsageError) as caught:
        open_prepared(data)
    assert len(str(caught.value)) < 640
    assert "\n" not in str(caught.value)
    described = ecg_tune("data", "describe", data)
    assert described.code in (0, 2), described.err
    assert described.err.count("\n") == (described.code == 2)
    if by_commands:
        said = ecg_tune("search", data.parent / "study", "--data", data, *FLAGS)
        check(said, longest=640)
        assert "--address" not in said.err, "it was taken"
        assert not (data.parent / "study").exists()


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail where more than 64 MB are asked for at once, as NumPy does for a forged header."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 64e6
    finally:
        tracemalloc.stop()
