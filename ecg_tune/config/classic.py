"""Settings under their classic upper-case names, for scripts that use those.

`Config` decides nothing itself: the training values come from `TrainingConfig`, the paths from the layout of a prepared
data set. It is importable as `ecg_tune.config.Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ecg_tune.config.parsing import check_range
from ecg_tune.config.trial import CLASS_NAMES, TrainingConfig


@dataclass(frozen=True)
class Config:
    """Frozen view of the settings under their classic names.

    Attributes:
        data_dir: A prepared data set (`ecg-tune data prepare`).
        save_dir: Folder of the checkpoints `<Name>_best.pth`.
        training: Settings behind the upper-case training names.
        hidden_size: Width of the recurrent layers (classic default 128).
        num_layers: Recurrent layers (classic default 2).
        dropout: 0..1 (classic default 0.3).
        device: A torch device, or "auto": CUDA where there is one, else the CPU.
    """

    data_dir: Path = Path("data")
    save_dir: Path = Path("checkpoints")
    training: TrainingConfig = field(default_factory=TrainingConfig)
    hidden_size: int = 128
    num_layers: int = 2
    dropout: float = 0.3
    device: str = "auto"

    SAVE_BEST = True  # not annotated, so no field: the best epoch's weights are always the ones kept
    NUM_WORKERS = 0  # the data stays on the device: there are no loader processes
    CLASS_NAMES = CLASS_NAMES
    NUM_CLASSES = len(CLASS_NAMES)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_dir", Path(self.data_dir))
        object.__setattr__(self, "save_dir", Path(self.save_dir))
        check_range("hidden_size", self.hidden_size, 1, 65_536)
        check_range("num_layers", self.num_layers, 1, 64)
        check_range("dropout", self.dropout, 0, 1)

    @property
    def TRAIN_SIGNAL_PATH(self) -> Path:  # noqa: N802
        """File of the signals: (n_records, n_samples, n_leads), int16 microvolts. VAL_ and TEST_ have the same form."""
        return self.data_dir / "train" / "signals.npy"

    @property
    def VAL_SIGNAL_PATH(self) -> Path:  # noqa: N802
        return self.data_dir / "validation" / "signals.npy"

    @property
    def TEST_SIGNAL_PATH(self) -> Path:  # noqa: N802
        """File of the sealed test split. Read it through `analysis.get_test_loader`, which keeps the ledger."""
        return self.data_dir / "test" / "signals.npy"

    @property
    def TRAIN_IMAGE_PATH(self) -> Path:  # noqa: N802
        """File of the signals: images are computed from it on the device, batch by batch. VAL_ and TEST_ do the same."""
        return self.TRAIN_SIGNAL_PATH

    @property
    def VAL_IMAGE_PATH(self) -> Path:  # noqa: N802
        return self.VAL_SIGNAL_PATH

    @property
    def TEST_IMAGE_PATH(self) -> Path:  # noqa: N802
        return self.TEST_SIGNAL_PATH

    @property
    def TRAIN_LABEL_PATH(self) -> Path:  # noqa: N802
        """File of the labels: (n_records, n_classes), uint8, multi-hot. VAL_ and TEST_ have the same form."""
        return self.data_dir / "train" / "labels.npy"

    @property
    def VAL_LABEL_PATH(self) -> Path:  # noqa: N802
        return self.data_dir / "validation" / "labels.npy"

    @property
    def TEST_LABEL_PATH(self) -> Path:  # noqa: N802
        return self.data_dir / "test" / "labels.npy"

    @property
    def SAVE_DIR(self) -> Path:  # noqa: N802
        return self.save_dir

    @property
    def HIDDEN_SIZE(self) -> int:  # noqa: N802
        return self.hidden_size

    @property
    def NUM_LAYERS(self) -> int:  # noqa: N802
        return self.num_layers

    @property
    def DROPOUT(self) -> float:  # noqa: N802
        return self.dropout

    @property
    def BATCH_SIZE(self) -> int:  # noqa: N802
        return self.training.batch_size

    @property
    def NUM_EPOCHS(self) -> int:  # noqa: N802
        return self.training.max_epochs

    @property
    def LEARNING_RATE(self) -> float:  # noqa: N802
        return self.training.learning_rate

    @property
    def WEIGHT_DECAY(self) -> float:  # noqa: N802
        return self.training.weight_decay

    @property
    def PATIENCE(self) -> int:  # noqa: N802
        return self.training.patience

    @property
    def DEVICE(self) -> str:  # noqa: N802
        """Name of the torch device. Torch is imported only when this is read."""
        if self.device != "auto":
            return self.device
        import torch  # settings are read where only the standard library is

        return "cuda" if torch.cuda.is_available() else "cpu"
