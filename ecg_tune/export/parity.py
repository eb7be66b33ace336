"""Compare an exported file with the model that it came from, on the signals of a data set and on random ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg_tune.data.loaders import millivolts

TOLERANCE = 1e-4
"""Largest difference of a probability that an exported file may show."""
BATCHES = (1, 2, 7)
N_REAL, REAL_BATCH = 64, 32
"""Records of a data set to compare at most, and how many of them at once."""

Run = Callable[[NDArray[np.float32]], Sequence[NDArray[np.floating]]]
"""Maps signals (batch, n_samples, n_leads) in millivolts to the outputs, (batch, n_classes) each."""


def model_run(model: nn.Module) -> Run:
    """Run a model that maps millivolts to logits, e.g. a `Predictor`; the only output are its probabilities, float64."""

    def run(signal_mv: NDArray[np.float32]) -> Sequence[NDArray[np.floating]]:
        with torch.inference_mode():
            return [model(torch.from_numpy(signal_mv)).double().sigmoid().numpy()]

    return run


def random_signals(n_samples: int, n_leads: int) -> NDArray[np.int16]:
    """Make one signal for each record of `BATCHES`: random walks with beats, flat leads, and one of zeros, whole microvolts.

    Returns:
        (n_records, n_samples, n_leads) int16, microvolts.
    """
    rng, shape = np.random.default_rng(0), (sum(BATCHES), n_samples, n_leads)
    signals = np.cumsum(rng.normal(0, 20, shape), axis=1) + 800 * (rng.random(shape) < 0.01)
    signals[0, :, 0] = 31987  # a broken electrode's
    signals[1] = 0
    signals[2, n_samples // 3 :] = signals[2, :1]
    return np.rint(signals).astype(np.int16)


def some_records(signals_uv: NDArray[np.int16]) -> NDArray[np.int16]:
    """Take at most `N_REAL` records, evenly spaced."""
    index = np.unique(np.linspace(0, len(signals_uv) - 1, min(N_REAL, len(signals_uv))).round().astype(int))
    return np.asarray(signals_uv[index])


def largest_differences(reference: Run, exported: Run, signals_uv: NDArray[np.int16]) -> list[float]:
    """Find the largest difference of each output, in the order of the outputs; NaN where a value is, or a shape differs.

    Args:
        signals_uv: (n_records, n_samples, n_leads) int16, microvolts. They go in the batches `BATCHES`, then `REAL_BATCH` at a time.
    """
    differences = []
    for signal in _split(millivolts(torch.from_numpy(signals_uv))):
        batch = signal.contiguous().numpy()
        pairs = zip(reference(batch), exported(batch), strict=True)
        differences.append([np.abs(expected - found).max() if expected.shape == found.shape else np.nan for expected, found in pairs])
    return [float(number) for number in np.max(differences, axis=0)]


def _split(signals: Tensor) -> Iterator[Tensor]:
    first, rest = signals[: sum(BATCHES)], signals[sum(BATCHES) :]
    sizes = [min(size, len(first) - start) for start, size in zip(np.cumsum((0, *BATCHES)), BATCHES, strict=False) if start < len(first)]
    yield from first.split(sizes)
    if len(rest):
        yield from rest.split(REAL_BATCH)
