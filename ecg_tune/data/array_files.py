"""Read .npy and .npz files that may hold anything: nothing is believed that a header says before the file's size agrees with it.

NumPy itself reserves the memory that a header asks for, waits for a pipe's writer, and raises errors of many kinds. What can't be
read here is a `ValueError` that says why.
"""

from __future__ import annotations

import io
import math
import stat
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

NUMBERS, TEXTS = "iufb", "US"
"""Kinds of dtypes."""
LONGEST_HEADER = 2**16
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
DAMAGE = (ValueError, SyntaxError, TokenError, MemoryError, RecursionError, EOFError, TypeError, OverflowError, LookupError)
"""What NumPy raises for headers that it has not written."""
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OverflowError, LookupError)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def n_values(self) -> int:
        return math.prod(self.shape)

    def shaped(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give values their shape."""
        return values.reshape(self.shape, order="F" if self.fortran else "C")


def read_array(path: Path, *, kinds: str = NUMBERS, mapped: bool = False) -> NDArray[Any]:
    """Read one plain array.

    Args:
        kinds: Kinds of the dtypes that it may have.
        mapped: Map the file instead of loading it; one without any value is loaded.

    Raises:
        OSError: The file can't be read.
        ValueError: It is no plain array of these kinds, or of another size than its header says.
    """
    size = _size_of_file(path)
    with path.open("rb") as file:
        header = _read_header(file, size, kinds)
        if mapped and header.n_values:
            return np.memmap(path, header.dtype, "r", file.tell(), header.shape, "F" if header.fortran else "C")
        return header.shaped(np.fromfile(file, header.dtype, header.n_values))


def read_columns(path: Path, kinds: Mapping[str, str], n_rows: int | None = None) -> dict[str, NDArray[Any]]:
    """Read the columns of a table from an .npz file as `numpy.savez` writes it.

    Args:
        kinds: Name → kinds of the dtypes that the column may have.
        n_rows: Values of each column; None takes any number, equal in all.

    Raises:
        OSError: The file can't be read.
        ValueError: It is no such file, lacks a column, or a column is of another kind or size.
    """
    size, columns = _size_of_file(path), {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name, wanted in kinds.items():
                columns[name] = _read_member(archive, f"{name}.npy", size, wanted)
    except ZIP_DAMAGE as error:
        raise ValueError(f"no whole .npz file: {' '.join(str(error).split())[:200]}") from error
    for name, column in columns.items():
        n_rows = len(column) if n_rows is None and column.ndim else n_rows
        if column.shape != (n_rows,):
            raise ValueError(f"{name} has the shape {column.shape}, not ({n_rows},)")
    return columns


def _size_of_file(path: Path) -> int:
    """Return a file's size in bytes.

    Raises:
        ValueError: It is no plain file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no plain file")
    return status.st_size


def _read_member(archive: zipfile.ZipFile, name: str, size: int, kinds: str) -> NDArray[Any]:
    """Read one array of an archive. `numpy.savez` does not compress: so an array is never larger than its file."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
        raise ValueError(f"{name} is not stored as numpy.savez does")
    with archive.open(info) as file:
        header = _read_header(file, info.file_size, kinds)  # type: ignore[arg-type]
        return header.shaped(np.frombuffer(file.read(), header.dtype) if header.n_values else np.empty(0, header.dtype))


def _read_header(file: BinaryIO, size: int, kinds: Collection[str]) -> _Header:
    """Read an array's header, and compare it with the size of the whole.

    Raises:
        ValueError: It is no header of a plain array of these kinds, or the size is another one.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"its version is {version}")
        length = file.read(2 if version == (1, 0) else 4)
        if (n_bytes := int.from_bytes(length, "little")) > LONGEST_HEADER:
            raise ValueError(f"its header has {n_bytes} bytes")
        header = _Header(*HEADERS[version](io.BytesIO(length + file.read(n_bytes))))
    except DAMAGE as error:
        raise ValueError(f"no .npy file with one array: {' '.join(str(error).split())[:200]}") from error
    shape, _, dtype = header
    if dtype.kind not in kinds or dtype.hasobject or dtype.subdtype or not dtype.itemsize:
        raise ValueError(f"it holds {str(dtype)[:60]}, not numbers" if kinds == NUMBERS else f"it holds {str(dtype)[:60]}")
    if (
        not all(type(n) is int and 0 <= n < 2**62 for n in shape)
        or len(shape) > 32
        or header.n_values * dtype.itemsize != size - file.tell()
    ):
        raise ValueError(f"its header says {str(shape)[:60]} {dtype}, which are not the {size} bytes of the file")
    return header
