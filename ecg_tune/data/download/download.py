"""Download PTB-XL into a folder. Every file is verified; what is there already with the right SHA-256 is kept."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Semaphore
from typing import TypeVar

from ecg_tune.config.parsing import check_choice, check_range
from ecg_tune.data.download.client import Client, check_base_url
from ecg_tune.data.download.failures import UnavailableFileError
from ecg_tune.data.download.listing import (
    RECORDS,
    PublishedFile,
    expected_bytes,
    read_listing,
    read_record_names,
    record_files,
    table_files,
)
from ecg_tune.data.download.target import check_space, held_target, is_right, save
from ecg_tune.data.ptbxl.checksums import CHECKSUMS
from ecg_tune.data.ptbxl.tables import read_ptbxl
from ecg_tune.errors import DataError

VERSIONS = ("1.0.1", "1.0.2", "1.0.3")
PHYSIONET = "https://physionet.org/files/ptb-xl/{}/"
MOST_CONNECTIONS = 32
MOST_UNAVAILABLE = 20
TICK_S = 0.5

Result = TypeVar("Result")


@dataclass(frozen=True)
class Transfer:
    """How far a download is.

    Attributes:
        step: "checking" files that are there, or "downloading".
        done: Files that this step has done.
        total: Files of this step.
        n_bytes: Bytes fetched by this step.
        retries: Tries that failed and were repeated, of the whole download.
    """

    step: str
    done: int
    total: int
    n_bytes: int
    retries: int


@dataclass(frozen=True)
class DownloadReport:
    """What a download did.

    Attributes:
        version: Of the table: "1.0.3", or "a part of N records".
        n_records: Records of the wanted rate that are complete now.
        n_unpublished: Records of the table that the server does not have at this rate.
        n_present: Files that were there already, verified.
        n_fetched: Files that were fetched.
        replaced: Those of them that were there with a wrong SHA-256.
        n_bytes: Bytes that were fetched.
        retries: Tries that failed and were repeated.
        seconds: Duration of the whole.
    """

    version: str
    n_records: int
    n_unpublished: int
    n_present: int
    n_fetched: int
    replaced: tuple[str, ...]
    n_bytes: int
    retries: int
    seconds: float


Progress = Callable[[Transfer], None]


def address_of(version: str) -> str:
    """Find the address of a published version at PhysioNet.

    Raises:
        ConfigError: The version is not one that can be read.
    """
    check_choice("version", version, VERSIONS)
    return PHYSIONET.format(version)


def download(
    out: Path, *, base_url: str, rate_hz: int = 100, connections: int = 8, progress: Progress = lambda transfer: None
) -> DownloadReport:
    """Fetch PTB-XL's tables and its records of one sampling rate. An interrupted download continues: what is right is kept.

    Args:
        out: A new or empty folder, or one with an earlier download of the same files.
        base_url: Address of a folder in the published layout, with `RECORDS` and `SHA256SUMS.txt`.
        rate_hz: 100 or 500.
        connections: At a time, 1..32.
        progress: Called about twice a second.

    Raises:
        DataError: `out` holds something else, the server can't be used, or the disk is too small. What is complete stays.
        ConfigError: An argument is out of range.
    """
    started = time.monotonic()
    check_range("jobs", connections, 1, MOST_CONNECTIONS)
    with Client(check_base_url(base_url)) as client, ThreadPool(connections) as pool:
        run = _Download(out, client, pool, connections, progress)
        sums = run.read(PublishedFile(CHECKSUMS, None))
        where = client.base_url + CHECKSUMS
        listed = read_listing(sums, where=where)
        published = run.read(PublishedFile(RECORDS, listed.get(RECORDS)))
        names = read_record_names(published, where=client.base_url + RECORDS, rate_hz=rate_hz)
        records = record_files(names, listed, where=where)
        with held_target(out, listed, base_url=client.base_url), closing(run):
            for name, content in ((CHECKSUMS, sums), (RECORDS, published)):
                save(out, name, content)
            run.complete(table_files(listed))
            table = read_ptbxl(out)
            run.complete(records, sizes=[expected_bytes(file, rate_hz=rate_hz) for file in records])
    return DownloadReport(
        version=table.version,
        n_records=len(names),
        n_unpublished=len(set(table.filenames[rate_hz]) - set(names)),
        n_present=run.n_present,
        n_fetched=client.n_files,
        replaced=tuple(sorted(run.replaced)),
        n_bytes=client.n_bytes,
        retries=client.retries,
        seconds=time.monotonic() - started,
    )


class _Download:
    """Completes lists of files in a folder, and counts."""

    def __init__(self, out: Path, client: Client, pool: ThreadPool, connections: int, progress: Progress) -> None:
        self.out, self.client, self.pool, self.connections, self.progress = out, client, pool, connections, progress
        self.writers = Semaphore(connections)
        self.n_present = 0
        self.replaced: list[str] = []

    def read(self, file: PublishedFile) -> bytes:
        """Read a file from the folder where it is right, else from the server, without saving it."""
        if is_right(self.out, file):
            self.n_present += 1
            return (self.out / file.name).read_bytes()
        ((_, content),) = self._run("downloading", self.client.fetch, [file])
        return content

    def complete(self, files: Sequence[PublishedFile], *, sizes: Sequence[int] | None = None) -> None:
        """Verify the files that are there, then fetch those that are missing or wrong.

        Args:
            files: What shall be there afterwards.
            sizes: Their expected sizes in bytes, to look first whether the missing ones fit on the disk.

        Raises:
            DataError: They don't fit, the server can't be used, or some files can't be had; all others are there then.
        """
        right = {file for file, found in self._run("checking", lambda file: is_right(self.out, file), files) if found}
        self.n_present += len(right)
        missing = [file for file in files if file not in right]
        if sizes is not None:
            check_space(self.out, [size for file, size in zip(files, sizes, strict=True) if file not in right])
        wrong = {file.name for file in missing if (self.out / file.name).exists() and file.sha256 is not None}
        problems: list[UnavailableFileError] = []
        for file, result in self._run("downloading", self._fetch, missing):
            if isinstance(result, UnavailableFileError):
                problems.append(result)
                if len(problems) == MOST_UNAVAILABLE:
                    break
            elif file.name in wrong:
                self.replaced.append(file.name)
        if problems:
            several = f"{len(problems)} files are not to be had, the first: " if len(problems) > 1 else ""
            raise DataError(f"{several}{problems[0]}")

    def close(self) -> None:
        """Let no thread begin a file any more, and wait for those that are being written, so that none is left half-written."""
        for _ in range(self.connections):
            self.writers.acquire()

    def _fetch(self, file: PublishedFile) -> UnavailableFileError | None:
        """Fetch and save one file. A file that the server lacks must not keep the others from coming: it is a result."""
        try:
            content = self.client.fetch(file)
        except UnavailableFileError as error:
            return error
        if self.writers.acquire(blocking=False):  # there is one for each thread, and none once the download has ended
            try:
                save(self.out, file.name, content)
            finally:
                self.writers.release()
        return None

    def _run(
        self, step: str, work: Callable[[PublishedFile], Result], files: Sequence[PublishedFile]
    ) -> Iterator[tuple[PublishedFile, Result]]:
        """Do something with every file in the pool's threads, show the progress, and yield the results as they come."""
        results = self.pool.imap_unordered(lambda file: (file, work(file)), files)
        done, shown, before = 0, 0.0, self.client.n_bytes
        while done < len(files):
            try:
                result = results.next(timeout=TICK_S)
            except multiprocessing.TimeoutError:
                pass
            else:
                done += 1
                yield result
            if time.monotonic() > shown + TICK_S or done == len(files):
                shown = time.monotonic()
                self.progress(Transfer(step, done, len(files), self.client.n_bytes - before, self.client.retries))
