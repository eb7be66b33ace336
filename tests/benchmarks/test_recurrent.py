"""The benchmark of recurrent networks compares what gives equal results."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn


@pytest.mark.slow
def test_both_directions_in_one_product_give_what_torch_gives_and_all_variants_run():
    recurrent = importlib.import_module("recurrent")
    torch.manual_seed(0)
    gru, signal = nn.GRU(3, 8, 2, batch_first=True, bidirectional=True), torch.randn(4, 20, 3)
    torch.testing.assert_close(recurrent.packed(gru, signal), gru(signal)[0], rtol=1e-4, atol=1e-5)
    ratios = recurrent.measure(16, 1)
    assert next(iter(ratios.values())) == 1
    assert len(ratios) == 6
