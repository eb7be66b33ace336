"""Compare the default `rnn`, which pools both directions correctly, with the same network read at its last step.

    python benchmarks/pooling.py DATA [--epochs 8] [--seeds 2] [--json]

The last-step reading, common in published code, takes the backward direction after it has seen one sample. Validation only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from unittest.mock import patch

import torch
from command_line import run_script
from torch import Tensor

from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.models import RNN
from ecg_tune.training.fit import train_model
from search_spaces import SPACES, SpaceContext, resolve


def last_step(self: RNN, signal: Tensor) -> Tensor:
    """Encode by the last step's state of both directions, three times over so that the classifier is as wide."""
    states, _ = self.recurrent(signal)
    return self.attention(states)[:, -1].repeat(1, 3)


def main() -> None:
    """Print one line a seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = open_prepared(arguments.data)
    config = resolve("rnn", SPACES["rnn"].defaults["small"], SpaceContext("small", arguments.epochs))
    rows = []
    for seed in range(arguments.seeds):
        right = train_model(config, data, seed=seed).best.metrics["macro_auc"]
        with patch.object(RNN, "encode", last_step):
            wrong = train_model(config, data, seed=seed).best.metrics["macro_auc"]
        rows.append({"seed": seed, "right": right, "last_step": wrong})
        if not arguments.json:
            print(f"seed {seed}: right pooling {right:.4f}, last step {wrong:.4f}, gain {right - wrong:+.4f}", flush=True)
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    run_script(main)
