"""Settings under their classic upper-case names, for scripts that use those.

`Config` decides nothing itself: the defaults are those of `TrainingConfig` and of the networks, the paths follow the layout of
the data. It is importable as `ecg_tune.config.Config`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from ecg_tune.config import trial
from ecg_tune.config.parsing import check_range, from_dict, nearest
from ecg_tune.config.trial import TrainingConfig
from ecg_tune.errors import ConfigError

T = TypeVar("T")
FOLDERS = ("DATA_DIR", "SAVE_DIR")
TRAINING = {
    "BATCH_SIZE": "batch_size",
    "NUM_EPOCHS": "max_epochs",
    "LEARNING_RATE": "learning_rate",
    "WEIGHT_DECAY": "weight_decay",
    "PATIENCE": "patience",
}
"""Classic name → field of `TrainingConfig`."""
NETWORK: dict[str, tuple[type, float, float]] = {"HIDDEN_SIZE": (int, 1, 65_536), "NUM_LAYERS": (int, 1, 64), "DROPOUT": (float, 0, 1)}
"""Classic name → type, lowest and highest value; a family's own config is stricter."""


class Computed(Generic[T]):
    """An attribute that is computed whenever it is read, from the class or an instance; assigning to it replaces it."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute

    def __get__(self, instance: object | None, owner: type) -> T:
        return self.compute(owner if instance is None else instance)


def is_exchange_tree(folder: Path | str) -> bool:
    """Tell plain files, as `ecg-tune data export` writes them, from prepared data."""
    return (Path(folder) / "labels").is_dir()


def _signals(split: str) -> Computed[Path]:
    return Computed(lambda config: _file(config, f"signals/{split}", f"{split}/signals.npy"))


def _images(split: str) -> Computed[Path]:
    def name(config: Any) -> Path:
        stored = Path(config.DATA_DIR) / split / "images.npy"
        return stored if stored.is_file() else _file(config, f"images/{split}/gaf", f"{split}/signals.npy")

    return Computed(name)


def _labels(split: str, short: str) -> Computed[Path]:
    return Computed(lambda config: _file(config, f"labels/y_{short}.npy", f"{split}/labels.npy"))


def _file(config: Any, exchanged: str, prepared: str) -> Path:
    """Name a file of the data: in an exchange tree a file, or the first batch of a folder of batches."""
    folder = Path(config.DATA_DIR)
    if not is_exchange_tree(folder):
        return folder / prepared
    path = folder / exchanged
    return path if path.suffix else min(path.glob("batch_*.npy"), default=path / "batch_0000.npy")


def _default_device(config: Any) -> str:
    import torch  # settings are read where only the standard library is

    return "cuda" if torch.cuda.is_available() else "cpu"


class Config:
    """Settings as attributes of the class, to be used as they are, or replaced in a subclass, in the class or in an instance.

    What is set in the class itself also holds for the factories of `ecg_tune.models`, where they are not told otherwise; what is set in
    a subclass or an instance holds where they get it: `create_bigru(config=Wide)`.

    Attributes:
        DATA_DIR: Prepared data, or a tree of plain files as `ecg-tune data export` writes it. The paths follow from it.
        SAVE_DIR: Folder of the model files `<Name>_best.pth`.
        HIDDEN_SIZE: Units of recurrent networks, in each direction.
        NUM_LAYERS: Layers of recurrent networks.
        DROPOUT: Of all networks, 0..1.
        BATCH_SIZE: This one and NUM_EPOCHS, LEARNING_RATE, WEIGHT_DECAY, PATIENCE are settings of `TrainingConfig`.
        SAVE_BEST: Whether `analysis.compat.train_model` writes the model file. The best epoch's weights are always the ones kept.
        NUM_WORKERS: Without effect: batches are made in the process that trains.
        CLASS_NAMES: In the order of the labels' columns; NUM_CLASSES counts them.
        DEVICE: Name of a torch device; CUDA where there is one, else the CPU.
        TRAIN_SIGNAL_PATH: In prepared data the file of the signals, (n_records, n_samples, n_leads) int16 microvolts; in a tree the
            first batch, (b, n_samples, n_leads) float32 millivolts. VAL_ and TEST_ have the same form, here and below.
        TRAIN_IMAGE_PATH: In a tree the first batch of `gaf` images, (b, n_leads, size, size) float32; in prepared data the file of the
            stored images, or that of the signals, from which images are computed batch by batch.
        TRAIN_LABEL_PATH: The labels, (n_records, n_classes) uint8, multi-hot.
        TEST_SIGNAL_PATH: Of the sealed test split, which only `analysis.get_test_loader` and the evaluation open.

    Args:
        data_dir: DATA_DIR.
        save_dir: SAVE_DIR.
        settings: Further attributes by name, in upper or lower case.

    Raises:
        ConfigError: An unknown name, here or when an instance's attribute is set, or a value out of range.

    Example:
        >>> class Wide(Config):
        ...     HIDDEN_SIZE = 256
        >>> config = Wide("DATA", BATCH_SIZE=16)
        >>> config.HIDDEN_SIZE, config.BATCH_SIZE, Config.HIDDEN_SIZE, Config.BATCH_SIZE
        (256, 16, 128, 32)
    """

    DATA_DIR: Path = Path("data")
    SAVE_DIR: Path = Path("checkpoints")
    HIDDEN_SIZE: int = trial.HIDDEN_SIZE
    NUM_LAYERS: int = trial.NUM_LAYERS
    DROPOUT: float = trial.DROPOUT
    BATCH_SIZE: int = TrainingConfig.batch_size
    NUM_EPOCHS: int = TrainingConfig.max_epochs
    LEARNING_RATE: float = TrainingConfig.learning_rate
    WEIGHT_DECAY: float = TrainingConfig.weight_decay
    PATIENCE: int = TrainingConfig.patience
    SAVE_BEST: bool = True
    NUM_WORKERS: int = 0
    CLASS_NAMES: tuple[str, ...] = trial.CLASS_NAMES
    NUM_CLASSES = Computed(lambda config: len(config.CLASS_NAMES))
    DEVICE = Computed(_default_device)

    TRAIN_SIGNAL_PATH, VAL_SIGNAL_PATH, TEST_SIGNAL_PATH = _signals("train"), _signals("validation"), _signals("test")
    TRAIN_IMAGE_PATH, VAL_IMAGE_PATH, TEST_IMAGE_PATH = _images("train"), _images("validation"), _images("test")
    TRAIN_LABEL_PATH, VAL_LABEL_PATH = _labels("train", "train"), _labels("validation", "val")
    TEST_LABEL_PATH = _labels("test", "test")

    def __init__(self, data_dir: Path | str | None = None, save_dir: Path | str | None = None, **settings: Any) -> None:
        given = {"DATA_DIR": self.DATA_DIR if data_dir is None else data_dir, "SAVE_DIR": self.SAVE_DIR if save_dir is None else save_dir}
        for name, value in {**given, **settings}.items():
            setattr(self, name.upper(), value)
        for name, (kind, low, high) in NETWORK.items():
            _check_number(name, getattr(self, name), kind, low, high)
        _ = self.training

    def __setattr__(self, name: str, value: Any) -> None:
        names = [known for known in dir(type(self)) if known.isupper()]
        if name not in names:
            raise ConfigError(f"unknown setting {name!r}: {nearest(name, names)}")
        super().__setattr__(name, Path(value) if name in FOLDERS else value)

    @property
    def training(self) -> TrainingConfig:
        """The settings of a training under their names of today.

        Raises:
            ConfigError: A value is out of range, or no number.
        """
        return from_dict(TrainingConfig, {field: getattr(self, name) for name, field in TRAINING.items()}, where=type(self).__name__)


def as_instance(config: Config | type[Config] | None) -> Config:
    """Make an instance of settings that are given as a class, or not at all: scripts pass `Config` as well as `Config()`.

    Raises:
        ConfigError: Something else was given, or a value is out of range.
    """
    if isinstance(config, Config):
        return config
    if config is None:
        return Config()
    if isinstance(config, type) and issubclass(config, Config):
        return config()
    raise ConfigError(f"config must be a Config, but got {type(config).__name__}: give Config() or a subclass of it")


def _check_number(name: str, value: Any, kind: type, low: float, high: float) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if number is None or (kind is int and not isinstance(number, int)):
        raise ConfigError(f"{name} must be {'a whole number' if kind is int else 'a number'}, but got {name}={value!r}")
    check_range(name, number, low, high)
