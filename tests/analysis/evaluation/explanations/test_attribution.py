"""Integrated gradients and Grad-CAM against closed forms; the randomisation check."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from analysis.evaluation.explanations.attribution import grad_cam, integrated_gradients
from analysis.evaluation.explanations.cases import ALARM, FOUND, MISSED, pick_cases
from analysis.evaluation.explanations.model_explanations import explain_image
from analysis.evaluation.explanations.randomisation import randomisation, rank_correlation
from ecg_tune.config import ImageConfig, TrainingConfig, TrialConfig
from ecg_tune.models import create_alexnet, create_bigru, create_resnet, create_resnet1d
from ecg_tune.models.alexnet import AlexNetConfig
from ecg_tune.models.resnet import ResNetConfig
from ecg_tune.training.predictor import Predictor


def test_of_a_linear_score_each_input_gets_its_own_share_and_of_a_square_too() -> None:
    weights, inputs = torch.tensor([[1.0, -2.0], [0.5, 0.0]]), torch.tensor([[3.0, 1.0], [-4.0, 7.0]])
    linear = integrated_gradients(lambda batch: (batch * weights).sum((1, 2)) + 5, inputs)
    torch.testing.assert_close(linear.values, inputs * weights)
    square = integrated_gradients(lambda batch: (batch**2).sum((1, 2)), inputs)
    torch.testing.assert_close(square.values, inputs**2)
    assert square.gained == pytest.approx(75.0)


@pytest.mark.parametrize("create", [create_bigru, create_resnet1d])
@pytest.mark.slow
def test_attributions_sum_to_what_the_network_gained_over_a_flat_line(create) -> None:
    torch.manual_seed(0)
    network = create().eval()
    signal = torch.randn(200, 3, dtype=torch.float32)
    coarse, fine = (integrated_gradients(lambda batch: network(batch)[:, 1], signal, steps=steps) for steps in (2, 64))
    assert abs(fine.gap) < 0.02 * abs(fine.gained) + 1e-3
    assert abs(fine.gap) <= abs(coarse.gap) + 1e-3
    assert fine.values.shape == signal.shape
    other = integrated_gradients(lambda batch: network(batch)[:, 2], signal)
    assert rank_correlation(fine.values.numpy(), other.values.numpy(), signed=True) < 0.999


class Bright(nn.Module):
    """Class 0 is the mean of what is above zero in the first channel, class 1 its opposite."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        mean = self.encoder(image)[:, 0]
        return torch.stack([mean, -mean], dim=1)


def test_grad_cam_points_to_the_place_that_raises_the_class() -> None:
    image = torch.full((2, 8, 8), -1.0)
    image[0, 1:3, 5:7] = 2.0
    image[1] = 9.0  # a channel that the class does not look at
    cam = grad_cam(Bright(), image, 0)
    np.testing.assert_allclose(cam.numpy(), (image[0] > 0).float().numpy(), atol=1e-6)
    assert not grad_cam(Bright(), image, 1).any()


def test_the_map_of_an_image_model_is_shown_at_the_moments_of_its_crops() -> None:
    network = Bright()
    training, image = TrainingConfig(crop_s=1.0), ImageConfig(size=16, scale="global")
    predictor = Predictor(
        network,
        TrialConfig("resnet", ResNetConfig(), training, image),
        normalisation={"kind": "global", "scale_mv": 1.0},
        sampling_rate_hz=50,
    )
    signal = torch.zeros(1, 200, 1)
    signal[0, 100:110] = 50.0  # one tall wave in the middle of 4 s
    shown = explain_image(predictor, signal, 0)
    assert shown.shape == (200,)
    assert np.isfinite(shown).all()
    assert shown.min() >= 0
    assert 95 <= shown.argmax() <= 115


def test_grad_cam_works_on_the_image_families_whatever_their_attention() -> None:
    nets = [create_resnet(ResNetConfig(width=8, layers=(1, 1), stem="small", attention="self_attention"))]
    nets += [create_alexnet(AlexNetConfig(width=0.1, classifier_width=16, stem="small", attention="cbam"))]
    for net in nets:
        cam = grad_cam(net.eval(), torch.randn(3, 32, 32), 2)
        assert cam.shape == (32, 32)
        assert 0 <= float(cam.min()) <= float(cam.max()) <= 1


def test_rank_correlation_is_one_for_the_same_map_and_undefined_for_an_empty_one() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3))
    assert rank_correlation(values, -values) == pytest.approx(1.0)
    assert rank_correlation(values, -values, signed=True) == pytest.approx(-1.0)
    assert np.isnan(rank_correlation(values, np.zeros_like(values)))


def test_the_surest_predictions_are_picked_right_and_wrong() -> None:
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]])
    predictions = np.array([[0.9, 0.1], [0.7, 0.8], [0.2, 0.6], [0.1, 0.2], [0.8, 0.1]])
    found = pick_cases(labels, predictions, np.array([0.5, 0.5]))
    assert [(case.kind, case.row, case.k) for case in found] == [(FOUND, 0, 0), (FOUND, 2, 1), (ALARM, 1, 1), (MISSED, 3, 1)]
    perfect = pick_cases(labels, labels.astype(float), np.array([0.5, 0.5]))
    assert [case.kind for case in perfect] == [FOUND, FOUND]


def test_a_random_network_whose_map_is_flat_is_left_out_of_the_check() -> None:
    values = np.arange(12.0).reshape(3, 4)
    found = randomisation(values, [np.zeros_like(values), values, -values])
    assert found == pytest.approx(
        {"Rank_correlation": 1.0, "Rank_correlation_lowest": 1.0, "Rank_correlation_highest": 1.0, "Rank_correlation_signed": 0.0}
    )
    assert np.isnan(list(randomisation(values, [np.zeros_like(values)]).values())).all()
