"""The frozen settings. Standard library only, so that every other module may import them.

A setting is validated where it is made: a value out of range raises `ConfigError` naming the value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ecg_tune.config.parsing import check_range
from ecg_tune.config.setting import check_different, check_settings, setting
from ecg_tune.errors import ConfigError

CLASS_NAMES = ("NORM", "MI", "STTC", "CD", "HYP")
LABEL_LEVELS = ("superclass", "subclass", "diagnostic", "form", "rhythm", "all")
LEAD_NAMES = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
HIDDEN_SIZE, NUM_LAYERS, DROPOUT = 128, 2, 0.3
"""Classic sizes of networks: units and layers of recurrent ones, dropout of all. Defaults of the families' configs."""
ENCODERS = "encoders"
"""Folder, in a study or in the storage of its checkpoints, with the model files that fusions start from."""
FAMILY_GROUP = "ecg_tune.families"
"""Group of entry points by which installed packages bring model families."""
LARGEST_SEED, MOST_TRIALS = 2**31 - 1, 1_000_000
PROFILES = ("full", "small")
STORED = "stored"
"""The kind of images that are not computed from signals."""


@dataclass(frozen=True)
class DataConfig:
    """How `ecg-tune data prepare` reads PTB-XL."""

    leads: tuple[str, ...] = setting(
        ("I", "II", "V2"),
        "Leads, comma-separated, in the order of the signal's last axis; `all` for the twelve.",
        choices=LEAD_NAMES,
        label="lead",
        metavar="LEADS",
        flag="",
    )
    sampling_rate_hz: int = setting(
        100, "Sampling rate of the records, in Hz.", choices=(100, 500), label="rate", unit="Hz", metavar="HZ", flag="rate"
    )
    split: str = setting(
        "70-15-15",
        "Train, validation and test split, always by patient: shares in percent, or PTB-XL's official folds 1-8 / 9 / 10.",
        choices=("70-15-15", "official"),
        flag="",
    )
    labels: str = setting(
        "superclass",
        "Classes to predict: PTB-XL's 5 diagnostic superclasses, its 23 subclasses, its 44 diagnostic, 19 form or 12 rhythm statements, "
        "or all 71 statements.",
        choices=LABEL_LEVELS,
        flag="",
    )
    rare_classes: str = setting(
        "refuse",
        "Classes that none, or all, of the train or the validation records have: `refuse` the data set, or `drop` them and say so.",
        choices=("refuse", "drop"),
        label="rare classes",
        flag="",
    )
    limit: int | None = setting(
        None, "Read only so many records, evenly from the table, for a quick try; every report says so.", limits=(30, 10_000_000), flag=""
    )
    min_likelihood: float = setting(
        0.0,
        "Ignore statements with a lower likelihood, in percent. 0 keeps all, also those of unknown likelihood.",
        limits=(0, 100),
        flag="",
    )
    normalise: str = setting(
        "global",
        "`global` divides all records by one standard deviation, that of the train split, and keeps differences in voltage; `record` "
        "gives each record and lead mean 0 and standard deviation 1.",
        choices=("global", "record"),
        label="normalisation",
        flag="",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_different("leads", self.leads)


@dataclass(frozen=True)
class ImageConfig:
    """How a signal becomes an image, or which stored image is taken instead."""

    kind: str = setting(
        "gasf",
        "Gramian angular field (summation or difference) or Markov transition field, one lead a channel; `triple` has the three of one "
        "lead as channels; `stored` takes the images that were imported with the data.",
        choices=("gasf", "gadf", "mtf", "triple", STORED),
        label="image kind",
    )
    size: int = setting(224, "Side of the image, in pixels.", limits=(8, 512), label="image size")
    mtf_bins: int = setting(8, "Quantile bins of the Markov transition field.", limits=(2, 64))
    scale: str = setting(
        "series",
        "`series` scales each lead to its own minimum and maximum, as pyts does; `global` keeps amplitudes.",
        choices=("series", "global"),
        label="image scale",
    )
    lead: int = setting(1, "Index of the lead that `triple` shows.", limits=(0, 11), label="image lead")
    channels: int = setting(3, "Channels of `stored` images; the others have one a lead.", limits=(1, 64), label="image channels")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class AugmentConfig:
    """How training signals are varied; everything is off by default."""

    amplitude: float = setting(0.0, "Largest relative change of a record's amplitude.", limits=(0, 0.5))
    noise: float = setting(
        0.0, "Standard deviation of the white noise that is added, in standard deviations of the signal.", limits=(0, 0.5)
    )
    shift_s: float = setting(0.0, "Largest shift in time, in seconds.", limits=(0, 2.0))
    mask_s: float = setting(0.0, "Longest stretch that is set to zero, in seconds.", limits=(0, 2.0))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained. The defaults are the classic ones."""

    batch_size: int = setting(32, "Records of one optimiser step.", limits=(1, 4096))
    max_epochs: int = setting(50, "Epochs to train at most.", limits=(1, 10_000))
    optimizer: str = setting("adam", "Optimiser.", choices=("adam", "adamw"))
    learning_rate: float = setting(1e-3, "Learning rate, of the schedule's highest point.", limits=(1e-8, 10))
    weight_decay: float = setting(1e-4, "Weight decay (L2 penalty for adam, decoupled for adamw).", limits=(0, 10))
    schedule: str = setting(
        "plateau",
        "Learning-rate schedule: `plateau` lowers the rate when the validation loss stops falling.",
        choices=("plateau", "one_cycle", "cosine"),
    )
    warmup_epochs: int = setting(
        0, "Epochs in which the learning rate rises linearly to its value; `one_cycle` has its own rise.", limits=(0, 10_000)
    )
    patience: int = setting(
        5,
        "`plateau`: epochs without a lower validation loss before training ends. The other schedules run to their last epoch.",
        limits=(1, 10_000),
    )
    averaging: str = setting(
        "none",
        "What is validated and saved: the weights themselves, their exponential moving average, or the mean of the last quarter of epochs.",
        choices=("none", "ema", "swa"),
    )
    gradient_clip: float = setting(1.0, "Largest norm of the gradient; 0 switches clipping off.", limits=(0, 1e6))
    crop_s: float | None = setting(
        None,
        "Seconds of the random crop in training, and of the crops that are averaged in evaluation.",
        limits=(0.5, 10),
        unset="whole records",
    )
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    mixup: float = setting(
        0.0, "Mix pairs of records and their labels, by shares from Beta(mixup, mixup); 0 switches it off.", limits=(0, 1)
    )
    label_smoothing: float = setting(0.0, "Share of each label that is moved to one half.", limits=(0, 0.5))
    soft_labels: float = setting(
        0.0,
        "How far a training label follows the likelihood that PTB-XL gives for its statements: at 0.5 a label of likelihood 50 % counts "
        "0.75. Unknown ones stay 1; 0 switches it off. Validation and test keep their labels.",
        limits=(0, 1),
    )
    distillation: float = setting(
        0.0,
        "Share of the teachers in the training labels, of data that `ecg-tune data teach` made: at 0.5 a label is half the record's own, "
        "half the probability that networks with more leads give it. 0 switches it off. Validation and test keep their labels.",
        limits=(0, 1),
    )
    auxiliary: float = setting(
        0.0,
        "Weight of the loss of a second head that learns PTB-XL's finer statements beside the labels. It is dropped when training ends; 0 "
        "switches it off.",
        limits=(0, 10),
    )
    class_weights: bool = setting(False, "Let the positives of a class weigh as much as its negatives.")
    deterministic: bool = setting(False, "Use only algorithms that give the same bits every time; some are slower.")
    compile: bool = setting(False, "Let `torch.compile` fuse the network. The first epoch takes longer.")
    micro_batch: int | None = setting(
        None,
        "Records that go through the network at once, at most `batch_size`; gradients are accumulated to the same step.",
        limits=(1, 4096),
        unset="the whole batch, split only when memory runs out",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.micro_batch is not None:
            check_range("micro_batch", self.micro_batch, 1, self.batch_size)
        if self.warmup_epochs and self.schedule == "one_cycle":
            raise ConfigError("warmup_epochs goes with plateau and cosine, one_cycle warms up by itself: leave it out, or fix schedule")


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

    def __post_init__(self) -> None:
        if self.stored_images and (self.training.crop_s is not None or self.training.augment != AugmentConfig()):
            raise ConfigError(f"{self.family} takes stored images, which show whole, unchanged records: leave crop_s and augment out")

    @property
    def stored_images(self) -> bool:
        """Whether the network takes images that come with the data instead of being computed."""
        return self.image is not None and self.image.kind == STORED


def inputs_text(leads: Sequence[str], images: Sequence[int]) -> str:
    """Say what records hold, e.g. "leads I,II,V2 and stored images of 3 x 224 x 224".

    Args:
        images: Channels and pixels a side of stored images; empty where images are computed from the leads.
    """
    parts = [f"leads {','.join(leads)}"] if leads else []
    return " and ".join(parts + ([f"stored images of {images[0]} x {images[1]} x {images[1]}"] if images else []))
