"""Attention on feature maps. Every block maps (batch, n_channels, height, width) to the same shape.

Three are gates: they multiply channels or pixels by numbers between 0 and 1, cost almost nothing, and sit in every stage of a
network. The fourth relates every pixel to every other; its cost grows with the square of the number of pixels, so that
networks have one only, behind their last stage, where the map is small.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

SELF_ATTENTION = "self_attention"


class ChannelGate(nn.Module):
    """Squeeze-and-excitation (Hu et al., 2018): scale each channel by a number computed from the means of all.

    Args:
        use_maximum: Let the maxima through the same two layers and add both, as CBAM does (Woo et al., 2018).
    """

    def __init__(self, n_channels: int, *, use_maximum: bool = False) -> None:
        super().__init__()
        n_hidden = max(8, n_channels // 16)  # fewer ReLUs may all be dead from the start
        self.use_maximum = use_maximum
        self.excitation = nn.Sequential(nn.Linear(n_channels, n_hidden), nn.ReLU(inplace=True), nn.Linear(n_hidden, n_channels))

    def forward(self, image: Tensor) -> Tensor:
        """Scale each channel."""
        score = self.excitation(image.mean((2, 3)))  # (batch, n_channels)
        if self.use_maximum:
            score = score + self.excitation(image.amax((2, 3)))
        result: Tensor = image * score.sigmoid()[:, :, None, None]
        return result


class SpatialGate(nn.Module):
    """The spatial half of CBAM (Woo et al., 2018): pixels weighted by a 7×7 convolution over the channels' mean and maximum."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Scale each pixel."""
        summary = torch.cat([image.mean(1, keepdim=True), image.amax(1, keepdim=True)], dim=1)  # (batch, 2, height, width)
        result: Tensor = image * self.convolution(summary).sigmoid()
        return result


class CBAM(nn.Sequential):
    """Convolutional block attention (Woo et al., 2018): the channel gate with means and maxima, then the spatial gate."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(ChannelGate(n_channels, use_maximum=True), SpatialGate(n_channels))


class NonLocal(nn.Module):
    """Non-local block in its embedded Gaussian form (Wang et al., 2018): self-attention over pixels with a residual.

    The batch normalisation behind it starts with scale 0, so that the block starts as the identity.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_hidden = max(1, n_channels // 2)
        self.query, self.key, self.value = (nn.Conv2d(n_channels, n_hidden, 1) for _ in range(3))
        self.output = nn.Conv2d(n_hidden, n_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, image: Tensor) -> Tensor:
        """Add to each pixel the mean of all values, weighted by similarity."""
        query, key, value = (layer(image).flatten(2) for layer in (self.query, self.key, self.value))  # (batch, n_hidden, pixels)
        weights = (query.mT @ key).softmax(-1)  # (batch, pixels, pixels)
        attended = (value @ weights.mT).unflatten(2, image.shape[2:])  # (batch, n_hidden, height, width)
        result: Tensor = image + self.norm(self.output(attended))
        return result


ATTENTIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "channel": ChannelGate,
    "spatial": SpatialGate,
    "cbam": CBAM,
    SELF_ATTENTION: NonLocal,
}
"""From an attention's name to its block for a number of channels."""


def stage_attention(name: str, n_channels: int) -> nn.Module:
    """Make the block for every stage of a network: a gate, or the identity."""
    return ATTENTIONS["none" if name == SELF_ATTENTION else name](n_channels)


def final_attention(name: str, n_channels: int) -> nn.Module:
    """Make the block behind a network's last stage: the non-local block, or the identity."""
    return ATTENTIONS[name if name == SELF_ATTENTION else "none"](n_channels)
