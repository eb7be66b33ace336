"""The frozen settings. Standard library only, so that every other module may import them.

A setting is validated where it is made: a value out of range raises `ConfigError` naming the value and what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ecg_tune.config.parsing import check_choice, check_range
from ecg_tune.errors import ConfigError

CLASS_NAMES = ("NORM", "MI", "STTC", "CD", "HYP")
LEAD_NAMES = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
PROFILES = ("full", "small")


@dataclass(frozen=True)
class DataConfig:
    """What `data prepare` makes of PTB-XL.

    Attributes:
        leads: Names out of `LEAD_NAMES`, in the order of the signal's last axis.
        sampling_rate_hz: 100 or 500.
        split: "70-15-15" or "official" (folds 1-8 / 9 / 10).
        min_likelihood: Statements with a lower likelihood (0..100) are ignored; 0 keeps all (0 means unknown).
        normalise: "global" (one sd from the training part) or "record" (z-score per record and lead).
    """

    leads: tuple[str, ...] = ("I", "II", "V2")
    sampling_rate_hz: int = 100
    split: str = "70-15-15"
    min_likelihood: float = 0.0
    normalise: str = "global"

    def __post_init__(self) -> None:
        for lead in self.leads:
            check_choice("lead", lead, LEAD_NAMES)
        if not self.leads or len(set(self.leads)) != len(self.leads):
            raise ConfigError(f"leads must be one or more different names, but got {','.join(self.leads)!r}")
        if self.sampling_rate_hz not in (100, 500):
            raise ConfigError(f"rate must be 100 or 500 Hz, but got {self.sampling_rate_hz}")
        check_choice("split", self.split, ("70-15-15", "official"))
        check_choice("normalisation", self.normalise, ("global", "record"))
        check_range("min_likelihood", self.min_likelihood, 0, 100)


@dataclass(frozen=True)
class ImageConfig:
    """How a signal becomes an image.

    Attributes:
        kind: "gasf", "gadf" or "mtf" (one lead a channel), or "triple" (the three of one lead as channels).
        size: Side in pixels, 32..224.
        mtf_bins: Quantile bins of the Markov transition field.
        scale: "series" (each lead's own minimum and maximum, as pyts) or "global" (keeps amplitudes).
        lead: Index of the lead that "triple" draws.
    """

    kind: str = "gasf"
    size: int = 224
    mtf_bins: int = 8
    scale: str = "series"
    lead: int = 1

    def __post_init__(self) -> None:
        check_choice("image kind", self.kind, ("gasf", "gadf", "mtf", "triple"))
        check_choice("image scale", self.scale, ("series", "global"))
        check_range("image size", self.size, 8, 512)
        check_range("mtf_bins", self.mtf_bins, 2, 64)
        check_range("image lead", self.lead, 0, 11)


@dataclass(frozen=True)
class AugmentConfig:
    """How training signals are varied; everything is off by default.

    Attributes:
        amplitude: Largest relative change of a record's amplitude, 0..0.5.
        noise: Standard deviation of added white noise, in standard deviations of the signal, 0..0.5.
        shift_s: Largest shift in time, seconds, 0..2.
        mask_s: Longest stretch set to zero, seconds, 0..2.
    """

    amplitude: float = 0.0
    noise: float = 0.0
    shift_s: float = 0.0
    mask_s: float = 0.0

    def __post_init__(self) -> None:
        for name, high in (("amplitude", 0.5), ("noise", 0.5), ("shift_s", 2.0), ("mask_s", 2.0)):
            check_range(name, getattr(self, name), 0, high)


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained. The defaults are the classic ones.

    Attributes:
        crop_s: Length of the random training crop and of the averaged evaluation crops; None uses whole records.
        gradient_clip: Largest gradient norm; 0 switches clipping off.
        patience: Epochs without a lower validation loss before training ends.
        label_smoothing: Share of each label that is moved to one half, 0..0.5.
        class_weights: Let positives of a class weigh as much as its negatives.
        deterministic: Use only algorithms that give the same bits every time; some are slower.
        micro_batch: Records that go through the network at once, gradients accumulated to the same step; None: the whole
            batch, split only when memory runs out.
        compile: Let `torch.compile` fuse the network; the first epoch pays for it.
    """

    batch_size: int = 32
    max_epochs: int = 50
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "plateau"
    patience: int = 5
    gradient_clip: float = 1.0
    crop_s: float | None = None
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    label_smoothing: float = 0.0
    class_weights: bool = False
    deterministic: bool = False
    compile: bool = False
    micro_batch: int | None = None

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, ("adam", "adamw"))
        check_choice("schedule", self.schedule, ("plateau", "one_cycle", "cosine"))
        check_range("batch_size", self.batch_size, 1, 4096)
        check_range("max_epochs", self.max_epochs, 1, 10_000)
        check_range("learning_rate", self.learning_rate, 1e-8, 10)
        check_range("weight_decay", self.weight_decay, 0, 10)
        check_range("patience", self.patience, 1, 10_000)
        check_range("gradient_clip", self.gradient_clip, 0, 1e6)
        if self.micro_batch is not None:
            check_range("micro_batch", self.micro_batch, 1, self.batch_size)
        check_range("label_smoothing", self.label_smoothing, 0, 0.5)
        if self.crop_s is not None:
            check_range("crop_s", self.crop_s, 0.5, 10)


@dataclass(frozen=True)
class ModelConfig:
    """Base of the families' own configs; each lives beside its network in `ecg_tune.models`."""


@dataclass(frozen=True)
class TrialConfig:
    """Everything that defines one training, apart from data and seed."""

    family: str
    model: ModelConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)
    image: ImageConfig | None = None
