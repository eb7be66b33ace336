"""The formats of exported files, and how one is written: checked against its model first, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import check_choice
from ecg_tune.errors import ConfigError, WorkFailedError
from ecg_tune.export.graph import Graph
from ecg_tune.export.onnx_file import open_onnx, require_packages, write_onnx
from ecg_tune.export.parity import TOLERANCE, Run, largest_differences
from ecg_tune.export.torch_file import open_torch_export, open_torchscript, write_torch_export, write_torchscript
from ecg_tune.output_file import check_output
from ecg_tune.storage import LocalStorage


@dataclass(frozen=True)
class Format:
    """A format of exported files.

    Attributes:
        suffix: That its files end with.
        write: Writes a graph and its metadata into an open file.
        open: Opens a file to run it.
        require: Refuses when a package is missing.
    """

    suffix: str
    write: Callable[[Graph, Mapping[str, str], BinaryIO], None]
    open: Callable[[Path], Run]
    require: Callable[[], None] = lambda: None


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", write_onnx, open_onnx, require_packages),
    "torchscript": Format(".ts", write_torchscript, open_torchscript),
    "torch-export": Format(".pt2", write_torch_export, open_torch_export),
}


def find_format(name: str, out: Path) -> Format:
    """Look up a format, and refuse a file name that does not fit it or can't be written.

    The suffix keeps a slip from replacing anything else: a file of the same kind is replaced, as `train` replaces a model.

    Raises:
        ConfigError: Unknown format, another suffix, or a folder.
        UsageError: A package is missing.
    """
    check_choice("format", name, FORMATS)
    found = FORMATS[name]
    if out.suffix != found.suffix:
        raise ConfigError(f"a file of the format {name} ends with {found.suffix}, but got {str(out)!r}: call it {out.stem}{found.suffix}")
    if ":" in out.parts[0]:  # s3:, file:
        raise ConfigError(f"{str(out).replace(':/', '://', 1)} is not a file of this machine: give a path")
    check_output(out)
    found.require()
    return found


def export(
    graph: Graph, metadata: Mapping[str, str], out: Path, *, to: Format, reference: Run, signals_uv: Mapping[str, NDArray[np.int16]]
) -> dict[str, float]:
    """Write a file, once it has predicted what its model predicts.

    Args:
        reference: The model itself.
        signals_uv: Signals to compare on, by name: (n_records, n_samples, n_leads) int16, microvolts.

    Returns:
        The largest difference of a probability on each of `signals_uv`.

    Raises:
        WorkFailedError: A difference is above `TOLERANCE`; nothing is written.
        UsageError: The format can't express the model.
    """
    differences: dict[str, float] = {}

    def write(file: BinaryIO) -> None:
        to.write(graph, metadata, file)
        file.flush()
        exported = to.open(Path(file.name))
        for name, signals in signals_uv.items():
            found = largest_differences(reference, exported, signals)
            for output, difference in zip(graph.outputs, found, strict=True):
                if not difference <= TOLERANCE:  # NaN is refused too
                    raise WorkFailedError(
                        f"{out} was not written: its output {output!r} differs from the model's by {difference:.1g} on {name}, "
                        f"more than {TOLERANCE:g}; try another --format"
                    )
            differences[name] = max(found)

    LocalStorage(out.parent).write(out.name, write)
    return differences
