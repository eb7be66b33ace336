"""The images of `ecg_tune.transforms.images` from operators that ONNX has, with every size and index worked out beforehand.

ONNX has no quantile, no search in sorted values and no scatter that every runtime takes; sorting, comparing and multiplying do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_tune.config import ImageConfig
from ecg_tune.transforms.images import block_bounds, quantile_ranks, unit_range


class Interpolation(nn.Module):
    """Put linearly interpolated samples between those of a signal that is shorter than its image, bit for bit as torch does.

    Exactly, because two samples of equal height share a bin of the Markov transition field, and two of almost equal height may not.
    """

    index: Tensor
    share: Tensor

    def __init__(self, n_samples: int, size: int) -> None:
        super().__init__()
        position = torch.arange(size, dtype=torch.float32) * (torch.tensor(n_samples - 1.0) / (size - 1.0))
        left = position.long().clamp(max=n_samples - 1)
        right = position - left
        self.register_buffer("index", torch.stack([left, (left + 1).clamp(max=n_samples - 1)]))  # (2, size)
        self.register_buffer("share", torch.stack([1 - right, right]))  # (2, size)

    def forward(self, leads: Tensor) -> Tensor:
        """Map (batch, n_leads, n_samples) to (batch, n_leads, size)."""
        left, right = leads[..., self.index[0]], leads[..., self.index[1]]
        # torch's kernel is one fused multiply-add: the product on the left is not rounded before the sum
        return (left.double() * self.share[0].double() + (right * self.share[1]).double()).float()


class BlockMean(nn.Module):
    """Average `size` consecutive blocks along the last axis in double precision, as `block_mean`."""

    bounds: Tensor

    def __init__(self, n_samples: int, size: int) -> None:
        super().__init__()
        self.register_buffer("bounds", block_bounds(n_samples, size))

    def forward(self, values: Tensor) -> Tensor:
        """Map (…, n_samples) to (…, size) float64."""
        values = values.double()
        total = torch.cat([torch.zeros_like(values[..., :1]), values.cumsum(-1)], -1)
        lower, upper = self.bounds[:-1], self.bounds[1:]
        return (total[..., upper] - total[..., lower]) / (upper - lower).double()


class GramianField(nn.Module):
    """GASF or GADF, as `gasf` and `gadf`."""

    def __init__(self, kind: str, n_samples: int, size: int, scale: str) -> None:
        super().__init__()
        self.kind, self.scale, self.block_mean = kind, scale, BlockMean(n_samples, size)

    def forward(self, signal: Tensor) -> Tensor:
        """Map (…, n_samples) to (…, size, size)."""
        exact = unit_range(self.block_mean(signal), self.scale)
        cos, sin = exact.float(), (1 - exact * exact).clamp(min=0).sqrt().float()
        left = [cos, sin] if self.kind == "gasf" else [sin, cos]
        return torch.stack(left, -1) @ torch.stack([cos, -sin], -2)


class TransitionField(nn.Module):
    """MTF, as `mtf`: its quantiles come from sorted samples, its bins from comparisons with them."""

    below: Tensor
    weight: Tensor

    def __init__(self, n_samples: int, size: int, n_bins: int) -> None:
        super().__init__()
        self.block_mean = BlockMean(n_samples, size)
        ranks = quantile_ranks(n_samples, n_bins)  # (n_bins - 1,)
        self.register_buffer("below", ranks.long())
        self.register_buffer("weight", ranks - ranks.floor())

    def forward(self, signal: Tensor) -> Tensor:
        """Map (…, n_samples) to (…, size, size)."""
        sorted_samples = signal.sort(-1).values
        low, high = sorted_samples[..., self.below].double(), sorted_samples[..., self.below + 1].double()
        edges = low + self.weight * (high - low)  # (…, n_bins - 1)
        above = (signal.double().unsqueeze(-2) > edges.unsqueeze(-1)).float()  # (…, n_bins - 1, n_samples)
        everything, nothing = torch.ones_like(above[..., :1, :]), torch.zeros_like(above[..., :1, :])
        bins = torch.cat([everything, above], -2) - torch.cat([above, nothing], -2)  # (…, n_bins, n_samples) of 0/1
        counts = bins[..., :-1] @ bins[..., 1:].transpose(-1, -2)
        transition = counts / counts.sum(-1, keepdim=True).clamp(min=1)
        share = self.block_mean(bins).float()  # (…, n_bins, size)
        field: Tensor = share.transpose(-1, -2) @ transition @ share
        return field


class Images(nn.Module):
    """Compute a batch's images, as `make_images`.

    Args:
        n_samples: Of the signals that it will get.
    """

    def __init__(self, config: ImageConfig, n_samples: int) -> None:
        super().__init__()
        self.lead = config.lead if config.kind == "triple" else None
        self.interpolation = Interpolation(n_samples, config.size) if n_samples < config.size else nn.Identity()
        n_samples = max(n_samples, config.size)
        kinds = ("gasf", "gadf", "mtf") if config.kind == "triple" else (config.kind,)
        self.fields = nn.ModuleList(
            TransitionField(n_samples, config.size, config.mtf_bins)
            if kind == "mtf"
            else GramianField(kind, n_samples, config.size, config.scale)
            for kind in kinds
        )

    def forward(self, signal: Tensor) -> Tensor:
        """Map (batch, n_samples, n_leads), standardised, to (batch, n_channels, size, size)."""
        leads = self.interpolation(signal.transpose(1, 2))
        if self.lead is None:
            image: Tensor = self.fields[0](leads)
            return image
        return torch.stack([field(leads[:, self.lead]) for field in self.fields], dim=1)
