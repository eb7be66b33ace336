"""Write a graph for torch itself, where ONNX can't: as TorchScript for C++, or as an exported program (`torch.export`)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from ecg_tune.errors import UsageError
from ecg_tune.export.graph import INPUT, Graph

METADATA = "metadata.json"
"""Name of the extra file inside both formats that holds the metadata."""


def write_torchscript(graph: Graph, metadata: Mapping[str, str], file: BinaryIO) -> None:
    """Write a traced graph for `torch.jit.load`."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # on TorchScript's age, and on sizes that become constants, as they should
        traced = torch.jit.trace(graph, graph.example(), check_trace=False)
        torch.jit.save(traced, file, _extra_files={METADATA: json.dumps(metadata)})


def write_torch_export(graph: Graph, metadata: Mapping[str, str], file: BinaryIO) -> None:
    """Write a graph for `torch.export.load`.

    Raises:
        UsageError: Its network can't be traced with a dynamic batch.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(graph, (graph.example(),), dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}})
    except (RuntimeError, ValueError, TypeError) as error:
        raise UsageError(f"torch.export can't take this model ({' '.join(str(error).split())[:200]}): use --format torchscript") from error
    torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata)})


def open_torchscript(path: Path) -> Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]:
    """Open a file of `write_torchscript`; the result maps a batch of signals to the outputs."""
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore", DeprecationWarning)
        return _runs(torch.jit.load(file))


def open_torch_export(path: Path) -> Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]:
    """Open a file of `write_torch_export`; the result maps a batch of signals to the outputs."""
    with path.open("rb") as file:
        return _runs(torch.export.load(file).module())


def _runs(module: Any) -> Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]:
    def run(signal_mv: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        with torch.no_grad():
            return [output.numpy() for output in module(torch.from_numpy(signal_mv))]

    return run
