"""The family keeps ecg-tune's contract, and its network is what the documentation says."""

from __future__ import annotations

import pytest
import torch
from ecg_tune_tiny_tcn.model import TinyTCNConfig, create_tiny_tcn

from ecg_tune.errors import ConfigError
from ecg_tune.models import n_parameters
from search_spaces.conformance import CHECKS


@pytest.mark.parametrize("check", CHECKS)
def test_the_family_keeps_the_contract(check):
    CHECKS[check]("tiny_tcn")


def test_the_default_has_the_documented_parameters():
    assert n_parameters(create_tiny_tcn()) == 47_653


def test_no_block_sees_a_later_sample():
    network = create_tiny_tcn(TinyTCNConfig(channels=4, depth=3)).eval()
    signal = torch.randn(1, 100, 3)
    changed = signal.clone()
    changed[:, 60:] += 1
    before, after = (network.blocks(x.transpose(1, 2))[..., :60] for x in (signal, changed))
    torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_a_bad_setting_is_refused_with_its_range():
    with pytest.raises(ConfigError, match=r"depth must be 1\.\.10, but got depth=11"):
        TinyTCNConfig(depth=11)
