"""Attention blocks shared by the networks."""

from __future__ import annotations

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention over time with a residual and layer normalisation (Vaswani et al., 2017).

    No positions are added: the states come from a recurrent network, which knows the order already.

    Args:
        n_features: Width of a state, a multiple of `n_heads`.
    """

    def __init__(self, n_features: int, *, n_heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(n_features, n_heads, dropout=dropout, batch_first=True)
        self.norm = nn.LayerNorm(n_features)

    def forward(self, states: Tensor) -> Tensor:
        """Map (batch, n_steps, n_features) to the same shape."""
        attended, _ = self.attention(states, states, states, need_weights=False)
        result: Tensor = self.norm(states + attended)
        return result
