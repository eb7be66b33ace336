"""Two ways to show which parts of an input moved a prediction: integrated gradients and Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]
STEPS = 32
AT_ONCE = 16
POOLING = (nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten)


@dataclass(frozen=True)
class Attribution:
    """Integrated gradients of one input.

    Attributes:
        values: One attribution for each number of the input; they sum to `gained`, up to the error of the integration.
        gained: The score of the input minus that of the baseline.
    """

    values: Tensor
    gained: float

    @property
    def gap(self) -> float:
        """Subtract `gained` from the sum of the values; the completeness axiom asks for 0."""
        return float(self.values.double().sum()) - self.gained


def integrated_gradients(score: Score, inputs: Tensor, *, steps: int = STEPS) -> Attribution:
    """Integrate the gradients from an input of zeros to this one (Sundararajan, Taly & Yan, 2017), by the midpoint rule.

    Args:
        score: Maps (batch, …) to (batch,).
        inputs: One input, (…). Zeros must mean "nothing to see": a flat line, for a standardised signal.
        steps: Points of the integration.
    """
    midpoints = (torch.arange(steps, device=inputs.device, dtype=inputs.dtype) + 0.5) / steps
    total = torch.zeros_like(inputs)
    with torch.backends.cudnn.flags(enabled=False):  # cuDNN differentiates recurrent nets in training mode only
        for some in midpoints.split(AT_ONCE):
            points = (some.reshape(-1, *[1] * inputs.dim()) * inputs).requires_grad_()
            (gradient,) = torch.autograd.grad(score(points).sum(), points)
            total += gradient.sum(0)
        with torch.no_grad():
            ends = score(torch.stack([inputs, torch.zeros_like(inputs)]))
    return Attribution(inputs * total / steps, float(ends[0] - ends[1]))


def grad_cam(network: nn.Module, image: Tensor, class_index: int) -> Tensor:
    """Compute the Grad-CAM of one image (Selvaraju et al., 2017), (size, size) in 0..1; its maximum is 1 unless all values are 0.

    Args:
        network: An image network of `ecg_tune.models`. Its `encoder` ends with pooling; the feature maps before that are used.
        image: (n_channels, size, size).
    """
    maps: list[Tensor] = []
    last = [layer for layer in network.encoder if not isinstance(layer, POOLING)][-1]  # type: ignore[union-attr]

    def keep(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        maps.append(output)

    handle = last.register_forward_hook(keep)
    try:
        logit = network(image[None].requires_grad_())[0, class_index]
        (gradient,) = torch.autograd.grad(logit, maps[0])
    finally:
        handle.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (1, n_maps, 1, 1)
    cam = (weights * maps[0]).sum(dim=1, keepdim=True).relu().detach()
    cam = nn.functional.interpolate(cam, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    return cam / cam.max().clamp(min=torch.finfo(cam.dtype).tiny)
