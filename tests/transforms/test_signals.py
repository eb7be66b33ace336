"""Standardisation and crops."""

from __future__ import annotations

import torch

from ecg_tune.transforms.signals import evaluation_crops, random_crop, standardise


def test_ten_seconds_give_seven_evaluation_crops_of_two_and_a_half():
    signal = torch.arange(1000.0)[None, :, None].expand(2, -1, 3)
    crops = evaluation_crops(signal, 250)
    assert crops.shape == (2, 7, 250, 3)
    assert [int(c) for c in crops[0, :, 0, 0]] == [0, 125, 250, 375, 500, 625, 750]


def test_evaluation_crops_cover_the_end_when_lengths_do_not_divide():
    crops = evaluation_crops(torch.arange(1000.0)[None, :, None], 300)
    assert crops[0, 0, 0, 0] == 0
    assert crops[0, -1, -1, 0] == 999


def test_a_full_length_crop_changes_nothing():
    signal = torch.randn(2, 250, 3)
    assert evaluation_crops(signal, None).shape == (2, 1, 250, 3)
    assert random_crop(signal, 250, generator=torch.Generator()) is signal


def test_random_crops_are_contiguous_pieces_of_their_own_record():
    signal = (torch.arange(1000.0)[None, :] + 10_000 * torch.arange(4.0)[:, None])[:, :, None].expand(-1, -1, 2)
    crops = random_crop(signal, 100, generator=torch.Generator().manual_seed(0))
    assert crops.shape == (4, 100, 2)
    assert (crops.diff(dim=1) == 1).all()
    assert [int(c) // 10_000 for c in crops[:, 0, 0]] == [0, 1, 2, 3]
    assert len(set((crops[:, 0, 0] % 10_000).tolist())) > 1


def test_global_scale_keeps_ratios_and_record_scale_keeps_none():
    signal = torch.randn(2, 250, 3)
    both = torch.cat([signal, 3 * signal])
    scaled = standardise(both, {"kind": "global", "scale_mv": 0.5})
    torch.testing.assert_close(scaled[2:], 3 * scaled[:2])
    z = standardise(both, {"kind": "record"})
    torch.testing.assert_close(z[2:], z[:2], atol=1e-5, rtol=0)


def test_a_constant_lead_becomes_zero_in_a_record_scale():
    for level_mv in (0.3, 31.987):
        assert (standardise(torch.full((1, 250, 1), level_mv), {"kind": "record"}) == 0).all()


def test_a_record_scale_is_the_same_to_the_last_bit_in_any_order_of_summing():
    signal = (torch.randn(8, 1000, 3).cumsum(1) * 50).round() / 1000
    order = torch.randperm(1000)
    assert torch.equal(standardise(signal[:, order], {"kind": "record"}), standardise(signal, {"kind": "record"})[:, order])
