"""What makes a recurrent network faster on a CPU: `python benchmarks/recurrent.py [--samples 1000] [--repeats 3] [--json]`.

Processor's seconds of one thread for forward and backward of a bidirectional GRU of 2 layers of 128 units on random signals of three
leads, each as a ratio to `torch.nn.GRU` with 32 records. Above 1 is faster. All variants are measured in one run, the fastest repeat
of each counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

N_LEADS, UNITS, LAYERS, RECORDS, STRIDE = 3, 128, 2, 32, 8

Network = Callable[[Tensor], Tensor]


def main(arguments: list[str] | None = None) -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="of a record: 10 s at 100 Hz")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    ratios = measure(given.samples, given.repeats)
    if given.json:
        print(json.dumps(ratios))
        return
    print("| variant | records a second, ratio |\n|---|---|")
    for name, ratio in ratios.items():
        print(f"| {name} | {ratio:.2f} |")


def measure(n_samples: int, repeats: int) -> dict[str, float]:
    """Return records a second of each variant, as a ratio to the first's."""
    torch.manual_seed(0)
    gru = nn.GRU(N_LEADS, UNITS, LAYERS, batch_first=True, bidirectional=True)
    stem, after_stem = nn.Conv1d(N_LEADS, UNITS, 15, STRIDE, padding=7), nn.GRU(UNITS, UNITS, LAYERS, batch_first=True, bidirectional=True)

    def plain(signal: Tensor) -> Tensor:
        output: Tensor = gru(signal)[0]
        return output

    def in_bfloat16(signal: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return plain(signal).float()

    def behind_a_stem(signal: Tensor) -> Tensor:
        output: Tensor = after_stem(stem(signal.transpose(1, 2)).transpose(1, 2))[0]
        return output

    variants: dict[str, tuple[Network, int]] = {
        f"torch.nn.GRU, {RECORDS} records": (plain, RECORDS),
        f"{RECORDS // 4} records at once": (plain, RECORDS // 4),
        f"{RECORDS * 4} records at once": (plain, RECORDS * 4),
        "bfloat16 autocast": (in_bfloat16, RECORDS),
        "both directions in one product, equal results": (lambda signal: packed(gru, signal), RECORDS),
        f"behind a convolution of stride {STRIDE}, another network": (behind_a_stem, RECORDS),
    }
    speeds = {name: n / _seconds(network, torch.randn(n, n_samples, N_LEADS), repeats) for name, (network, n) in variants.items()}
    first = next(iter(speeds.values()))
    return {name: speed / first for name, speed in speeds.items()}


def packed(gru: nn.GRU, signal: Tensor) -> Tensor:
    """Compute what a bidirectional GRU does (Cho et al., 2014, as torch writes it) with one batched product a step for both directions.

    Args:
        gru: Batch first; its weights are used.
        signal: (batch, n_samples, n_inputs).

    Returns:
        (batch, n_samples, 2 x units).
    """
    for layer in range(gru.num_layers):
        names = [f"l{layer}", f"l{layer}_reverse"]
        w_in, w_hidden, b_in, b_hidden = (
            torch.stack([getattr(gru, f"{kind}_{name}") for name in names]) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        both = torch.stack([signal, signal.flip(1)]).flatten(1, 2)  # (2, batch * n_samples, n_inputs)
        inputs = torch.baddbmm(b_in[:, None], both, w_in.transpose(1, 2)).unflatten(1, signal.shape[:2])
        hidden, steps = signal.new_zeros(2, len(signal), gru.hidden_size), []
        for now in inputs.unbind(2):
            reset, update, new = now.chunk(3, 2)
            gates = torch.baddbmm(b_hidden[:, None], hidden, w_hidden.transpose(1, 2))
            reset_hidden, update_hidden, new_hidden = gates.chunk(3, 2)
            update = torch.sigmoid(update + update_hidden)
            new = torch.tanh(new + torch.sigmoid(reset + reset_hidden) * new_hidden)
            hidden = torch.lerp(new, hidden, update)
            steps.append(hidden)
        forward, backward = torch.stack(steps, 2).unbind(0)  # (batch, n_samples, units) each
        signal = torch.cat([forward, backward.flip(1)], 2)
    return signal


def _seconds(network: Network, signal: Tensor, repeats: int) -> float:
    """Return the processor's seconds of a forward and backward pass, of the fastest of some after one to warm up."""
    taken = []
    for _ in range(repeats + 1):
        started = time.thread_time()
        network(signal).mean().backward()  # type: ignore[no-untyped-call]
        taken.append(time.thread_time() - started)
    return min(taken[1:])


if __name__ == "__main__":
    main()
