"""Write a graph as an ONNX file, and open one in ONNX Runtime."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ecg_tune.errors import UsageError
from ecg_tune.export.graph import INPUT, Graph
from ecg_tune.export.metadata import DESCRIPTION, VERSION

OPSET = 17
"""The first with layer normalisation; ONNX Runtime reads it since version 1.12."""
LARGEST_BYTES = 2**31 - 1
"""Of a file: ONNX is a protocol buffer."""
INSTALL = "ONNX needs the packages onnx and onnxruntime: pip install 'ecg-tune[onnx]'"


def require_packages() -> None:
    """Make sure that the packages of the extra `onnx` are installed.

    Raises:
        UsageError: One is missing.
    """
    try:
        import onnx  # an extra: only this export needs it  # noqa: F401
        import onnxruntime  # as above  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{INSTALL} ({error})") from error


def write_onnx(graph: Graph, metadata: Mapping[str, str], file: BinaryIO) -> None:
    """Write a graph with a dynamic batch, and its metadata in `metadata_props`.

    By torch's TorchScript exporter, old as it is: the newer one unrolls recurrent networks into one copy of the cell for each sample, and
    had not finished a small GRU of 250 samples after ten minutes. This one takes a second or two for every family, writes ONNX's
    own GRU and LSTM, and needs no further package.

    Raises:
        UsageError: ONNX has no operator for a part of the network, or the file would be too large, as of many large members.
    """
    import onnx  # an extra, see `require_packages`

    weights = sum(tensor.numel() * tensor.element_size() for tensor in (*graph.parameters(), *graph.buffers()))
    if weights > LARGEST_BYTES:
        raise UsageError(
            f"an ONNX file holds {LARGEST_BYTES / 1e9:.3g} GB at most, and the weights of {len(graph.members)} network(s) are "
            f"{weights / 1e9:.3g} GB: use --format torch-export, or export one member"
        )
    traced: Any = BytesIO()  # torch's types name paths alone; it takes open files
    names = (INPUT, *graph.outputs)
    with warnings.catch_warnings(), torch.inference_mode(), OnnxOperators():
        warnings.simplefilter("ignore")  # on the exporter's age, and on sizes that become constants, as they should
        try:
            torch.onnx.export(
                graph, (graph.example(),), traced, dynamo=False, opset_version=OPSET, input_names=[INPUT], output_names=list(graph.outputs),
                dynamic_axes={name: {0: "batch"} for name in names},
            )  # fmt: skip
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(f"ONNX can't express this model ({reason}): use --format torch-export") from error
    model = onnx.load_from_string(traced.getvalue())
    model.producer_name, model.producer_version, model.doc_string = "ecg-tune", metadata.get(VERSION, ""), metadata.get(DESCRIPTION, "")
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    file.write(model.SerializeToString())


def open_onnx(path: Path) -> Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]:
    """Open a file in ONNX Runtime on the CPU; the result maps a batch of signals to the outputs."""
    import onnxruntime  # an extra, see `require_packages`

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda signal_mv: session.run(None, {INPUT: signal_mv})


def _transposed(values: Tensor) -> Tensor:
    return values.transpose(-1, -2)


def _pool(image: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """Average to a fixed grid by two matrix products; ONNX pools only to sizes that divide the map's."""
    height, width = (int(side) for side in image.shape[-2:])
    rows, columns = (output_size, output_size) if output_size is None or isinstance(output_size, int) else output_size
    return _shares(height, rows or height) @ image @ _shares(width, columns or width).T


def _shares(n: int, size: int) -> Tensor:
    """Make the matrix (size, n) that averages n values to `size`, as adaptive pooling does."""
    return F.adaptive_avg_pool1d(torch.eye(n)[None], size)[0].T


REPLACED: dict[Any, Callable[..., Tensor]] = {F.adaptive_avg_pool2d: _pool, torch.Tensor.mT.__get__: _transposed}  # type: ignore[attr-defined]
"""Operations that the exporter does not know, and equal ones that it does."""


class OnnxOperators(TorchFunctionMode):
    """While it is active, the operations of `REPLACED` are replaced in every network that runs, also in those of packages."""

    def __torch_function__(self, function: Any, types: Any, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run one operation."""
        return REPLACED.get(function, function)(*args, **(kwargs or {}))
