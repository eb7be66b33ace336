"""Count a network's parameters, and the multiply-accumulate operations (MACs) of one forward pass.

Counted on the meta device, where nothing is computed. Matrix products and convolutions count, as in published numbers;
normalisations, activations and poolings do not. Recurrent layers go by formula, since fused kernels hide from the counter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ecg_tune.config import CLASS_NAMES, TrialConfig
from ecg_tune.models import MODELS, build_model, n_parameters
from ecg_tune.transforms.images import n_channels


@dataclass(frozen=True)
class Cost:
    """A network's size.

    Attributes:
        inputs: What one forward pass takes, e.g. "250 x 3 signal + 3 x 48 x 48 image".
        n_parameters: Trainable ones.
        macs: Multiply-accumulate operations of one forward pass of one crop; twice as many FLOPs.
    """

    inputs: str
    n_parameters: int
    macs: int


def cost(
    config: TrialConfig, *, n_leads: int = 3, n_samples: int = 1000, sampling_rate_hz: int = 100, n_classes: int = len(CLASS_NAMES)
) -> Cost:
    """Count parameters and MACs of the network of a config.

    Args:
        n_samples: Samples of a whole record; where the config crops, one crop is counted.
    """
    crop_s, kind = config.training.crop_s, MODELS[config.family].inputs
    shapes: dict[str, tuple[int, ...]] = {"signal": (n_samples if crop_s is None else round(crop_s * sampling_rate_hz), n_leads)}
    channels = 0
    if config.image is not None:
        channels = n_channels(config.image, n_leads)
        shapes["image"] = (channels, config.image.size, config.image.size)
    wanted = ("signal", "image") if kind == "fusion" else (kind,)
    with torch.device("meta"):
        model = build_model(config.model, family=config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
        inputs = [torch.zeros(1, *shapes[name]) for name in wanted]
    text = " + ".join(f"{' x '.join(map(str, shapes[name]))} {name}" for name in wanted)
    return Cost(inputs=text, n_parameters=n_parameters(model), macs=forward_macs(model, *inputs))


def forward_macs(model: nn.Module, *inputs: Tensor) -> int:
    """Count the MACs of `model(*inputs)`. Afterwards the model can't compute any more: its recurrent layers are stubs."""
    recurrent = [module for module in model.modules() if isinstance(module, (nn.GRU, nn.LSTM))]
    stubs = [_Stub(layer) for layer in recurrent]
    for layer, stub in zip(recurrent, stubs, strict=True):
        layer.forward = stub  # type: ignore[method-assign, assignment]
    with FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return int(counter.get_total_flops()) // 2 + sum(stub.macs for stub in stubs)


def recurrent_macs(layer: nn.GRU | nn.LSTM, n_steps: int) -> int:
    """Count the MACs of one sequence by formula: in each step every gate multiplies the input and the last state by its weights."""
    gates, directions = 4 if isinstance(layer, nn.LSTM) else 3, 2 if layer.bidirectional else 1
    widths = [layer.input_size] + [directions * layer.hidden_size] * (layer.num_layers - 1)
    return sum(n_steps * directions * gates * layer.hidden_size * (width + layer.hidden_size) for width in widths)


class _Stub:
    """Stands in for a batch-first recurrent layer: right shapes, no work, MACs by formula."""

    def __init__(self, layer: nn.GRU | nn.LSTM) -> None:
        self.layer, self.macs = layer, 0

    def __call__(self, signal: Tensor) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
        layer, (n_records, n_steps, _) = self.layer, signal.shape
        self.macs += n_records * recurrent_macs(layer, n_steps)
        directions = 2 if layer.bidirectional else 1
        states = signal.new_zeros(n_records, n_steps, directions * layer.hidden_size)
        final = signal.new_zeros(layer.num_layers * directions, n_records, layer.hidden_size)
        return states, (final, final) if isinstance(layer, nn.LSTM) else final
