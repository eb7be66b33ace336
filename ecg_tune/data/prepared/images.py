"""Images that were made elsewhere and are stored beside the labels: read batch by batch from their files, never loaded as a whole.

PTB-XL's would be 13 GB as float32. So neither Ray's object store nor a pickle holds them: only the names of their files travel, and
every process maps the files itself.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tune.data.array_files import read_array
from ecg_tune.data.prepared.remote_copy import cache_folder, fetch_missing
from ecg_tune.errors import DataError
from ecg_tune.storage import S3Storage

IMAGES_FILE = "images.npy"
CHUNK_BYTES = 64 * 1024**2
"""Of the images that are in memory at once while all of them are read."""


@dataclass(frozen=True)
class ImageFile:
    """One .npy file of images.

    Attributes:
        folder: Where it lies, absolute; not used when the data are in S3.
        name: Its name below `folder`, or below `remote`.
        shape: (n_records, n_channels, size, size).
        remote: The S3 storage of the data: a machine whose cache lacks the file fetches it. None for a local folder.
        fingerprint: Of the data in S3, which names the cache; "" for a local folder.
    """

    folder: Path
    name: str
    shape: tuple[int, ...]
    remote: S3Storage | None = None
    fingerprint: str = ""

    def map(self) -> NDArray[Any]:
        """Map the file into this process.

        Raises:
            DataError: This machine can't read it, or it holds something else.
            UsageError: The bucket can't be read.
        """
        folder = self.folder
        if self.remote is not None:
            folder = cache_folder({"fingerprint": self.fingerprint})
            fetch_missing(self.remote, folder, [self.name])
        path = folder / self.name
        try:
            array = read_array(path, mapped=True)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} can't be read on {socket.gethostname()} ({' '.join(str(error).split())}): stored images stay in their files, so "
                "keep the data in a folder that every machine mounts at the same path, or on S3"
            ) from error
        if array.shape != self.shape:
            raise DataError(f"{path} has the shape {array.shape}, not {self.shape}: import the images again")
        return array


class StoredImages:
    """The images of a split's records, in one or more files.

    Args:
        files: In the order of the records; all with as many channels and pixels.
    """

    def __init__(self, files: Sequence[ImageFile]) -> None:
        self.files = tuple(files)
        self._maps: dict[int, NDArray[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "_maps": {}}  # a map belongs to its process

    def __len__(self) -> int:
        return sum(file.shape[0] for file in self.files)

    def __add__(self, other: StoredImages) -> StoredImages:
        """Join the images of two splits, the other's after these."""
        return StoredImages([*self.files, *other.files])

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_records, n_channels, size, size)."""
        return len(self), *self.files[0].shape[1:]

    @property
    def nbytes(self) -> int:
        """Bytes of all images as float32."""
        return 4 * int(np.prod(self.shape))

    def read(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Read the images of some records.

        Args:
            rows: (n,) row numbers from 0, in any order.

        Returns:
            (n, n_channels, size, size) float32.

        Raises:
            DataError: A file can't be read on this machine.
        """
        images = np.empty((len(rows), *self.shape[1:]), np.float32)
        starts = np.cumsum([0, *(file.shape[0] for file in self.files)])
        files = np.searchsorted(starts, rows, side="right") - 1
        for number in np.unique(files).tolist():
            own = files == number
            with np.errstate(over="ignore"):  # a double beyond single precision becomes infinite, which the import refuses
                images[own] = self._map(number)[rows[own] - starts[number]]
        return images

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """Read all images in their order, `CHUNK_BYTES` at a time."""
        n_records = max(1, CHUNK_BYTES // (4 * int(np.prod(self.shape[1:]))))
        for start in range(0, len(self), n_records):
            yield self.read(np.arange(start, min(start + n_records, len(self))))

    def digest(self) -> str:
        """Hash all images with their shape; 64 hex digits."""
        digest = hashlib.sha256(f"<f4{self.shape}".encode())
        for chunk in self.chunks():
            digest.update(chunk.data)
        return digest.hexdigest()

    def write(self, path: Path) -> str:
        """Write all images into one .npy file, chunk by chunk, and return their digest."""
        digest = hashlib.sha256(f"<f4{self.shape}".encode())
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": self.shape})
            for chunk in self.chunks():
                file.write(chunk.data)
                digest.update(chunk.data)
        return digest.hexdigest()

    def _map(self, number: int) -> NDArray[Any]:
        if number not in self._maps:
            self._maps[number] = self.files[number].map()
        return self._maps[number]


def images_of(folder: Path, name: str, manifest: Mapping[str, Any], remote: S3Storage | None) -> StoredImages | None:
    """Name the file of a split's stored images; None where the data have none.

    Args:
        folder: The data's folder on this machine.
        name: "train", "validation" or "test".
        remote: The S3 storage of the data; None for a local folder.
    """
    facts = manifest.get("images")
    if facts is None:
        return None
    size = int(facts["size"])
    shape = (int(manifest["counts"][name]["records"]), int(facts["n_channels"]), size, size)
    return StoredImages([ImageFile(folder.resolve(), f"{name}/{IMAGES_FILE}", shape, remote, str(manifest["fingerprint"]))])
