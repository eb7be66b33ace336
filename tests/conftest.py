"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tune.config import CLASS_NAMES
from ecg_tune.data.prepared.dataset import SPLIT_NAMES, PreparedData, Split, open_prepared
from ecg_tune.data.prepared.writer import write_prepared
from tests.rays import SharedRay, ray_running

ROOT = Path(__file__).parents[1]
os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it once a process, when it is imported
NO_RAY = "/dev/null/this test starts a Ray - mark it with @pytest.mark.ray"


LONGEST = (
    "faults/test_kill.py",
    "cluster/test_jobs.py",
    "deploy/test_slurm.py",
    "test_families.py",
    "browser/test_live_page.py",
    "test_end_to_end.py",
    "faults/test_environment.py",
    "plugins/test_real_searches.py",
    "search/test_runner.py",
    "study/test_postgresql.py",
    "analysis/evaluation/test_external.py",
    "search/test_lost_workers.py",
    "faults/test_display.py",
    "browser/test_dashboard_page.py",
    "faults/test_full_disk.py",
    "browser/test_linking.py",
    "faults/test_study.py",
    "transforms/test_pyts.py",
    "search/test_trackers.py",
    "search/test_shares.py",
    "export/test_parity.py",
    "search/stopping/test_forecast.py",
    "data/test_exchange.py",
    "training/test_learner.py",
)
"""Files that take longest, the longest first (seconds of a core, measured)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with long tests first, so that two processes (`--dist loadfile`) end together."""
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in ("ray", "browser", "slow"))}
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path, len(places)), item.path not in long))


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's sight."""
    _forget_garbage()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Do the same after each file, with what its tests imported."""
    try:
        return (yield)
    finally:
        if nextitem is None or nextitem.path != item.path:
            _forget_garbage()


def _forget_garbage() -> None:
    """Collect garbage and look at all that is left no more: torch, Ray and pandas are a million objects, a third of a second a look."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let only tests with the marker `ray` start one, in any process: elsewhere Ray can't make its folder, whose name is the remedy."""
    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("ray"):
            patch.setenv("RAY_TMPDIR", NO_RAY)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def config_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests a config folder of their own: databases that they name are not known to who runs them."""
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def ptbxl() -> Path:
    """Return the folder with real PTB-XL records, or skip saying where it was looked for."""
    folder = Path(os.environ.get("ECG_TUNE_PTBXL", ROOT.parent / "shared" / "ptbxl"))
    if not (folder / "ptbxl_database.csv").is_file():
        pytest.skip(f"no PTB-XL at {folder} (set ECG_TUNE_PTBXL)")
    return folder


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    """Hold one Ray for all tests of a process; see `commands_join_ray` and `joined_ray`."""
    with ray_running() as ray:
        yield ray


@pytest.fixture(scope="module")
def commands_join_ray(shared_ray: SharedRay) -> Iterator[None]:
    """Let the commands that a file's tests start join the shared Ray: starting one takes ten seconds of a core."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_ray.environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def joined_ray(shared_ray: SharedRay) -> Iterator[None]:
    """Join the shared Ray in this process, so that the commands that a file's tests run here use it as it is."""
    import ray  # takes a second, which most tests don't need

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AIR_NEW_OUTPUT", "0")
        ray.init(address=shared_ray.address, log_to_driver=False, logging_level="ERROR")
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own
        yield
        ray.shutdown()


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Return a prepared data set of random walks in which a class is the strength of its own frequency; learnable in seconds."""
    return make_toy_data(tmp_path_factory.mktemp("toy_data"))


@pytest.fixture(scope="session")
def few_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Return a toy data set of two batches a training epoch, for tests to which the number of records is all the same."""
    return make_toy_data(tmp_path_factory.mktemp("few_data"), n_records=(40, 16, 8))


def make_toy_data(folder: Path, *, seed: int = 0, n_records: tuple[int, int, int] = (96, 48, 40)) -> PreparedData:
    """Write and open a toy data set: 2.5 s at 100 Hz, three leads, five classes."""
    rng = np.random.default_rng(seed)
    parts, first = {}, 1
    for name, n in zip(SPLIT_NAMES, n_records, strict=True):
        labels = (rng.random((n, 5)) < 0.4).astype(np.uint8)
        time_s = np.arange(250) / 100
        waves = np.sin(2 * np.pi * np.array([1, 2, 4, 8, 16])[:, None] * time_s)  # (classes, samples)
        signal = (labels[:, :, None] * waves).sum(1)[:, :, None] * [1.0, 0.5, -1.0] * 150
        signals = (signal + rng.normal(0, 60, (n, 250, 3))).astype(np.int16)
        ids = np.arange(first, first + n)
        records: dict[str, Any] = {"ecg_id": ids, "patient_id": ids // 2 + 1000 * first, "age": np.full(n, 60.0), "sex": ids % 2}
        records |= {"device": np.full(n, "toy"), "site": ids % 3, "fold": np.full(n, 1), "flags": np.zeros(n, np.int64)}
        parts[name] = Split(name=name, signals_uv=signals, labels=labels, records=records)
        first += n
    facts: dict[str, Any] = {"class_names": list(CLASS_NAMES), "leads": ["I", "II", "V2"], "sampling_rate_hz": 100, "n_samples": 250}
    facts |= {"split": "official", "label_rule": {"text": "toy", "min_likelihood": 0.0}, "synthetic": True, "source": {"name": "toy"}}
    facts["normalisation"] = {"kind": "global", "scale_mv": float(parts["train"].signals_uv.std() / 1000)}
    write_prepared(folder, parts, facts)
    return open_prepared(folder)
