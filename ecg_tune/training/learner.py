"""The training loop, one epoch at a time, with a state that can be saved and resumed on any machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ecg_tune.config import AugmentConfig, TrialConfig
from ecg_tune.data.loaders import BatchLoader, DeviceSplit, millivolts, to_device
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.models import Fusion, FusionConfig, build_model
from ecg_tune.timing import OFF, NoStopwatch
from ecg_tune.training.auxiliary import JointNetwork, training_loss, with_statements
from ecg_tune.training.averaging import AveragedWeights
from ecg_tune.training.encoders import load_encoders, trained_parts
from ecg_tune.training.epoch import EpochResult, measure_epoch, out_of_patience
from ecg_tune.training.freed_memory import keep_freed_memory
from ecg_tune.training.inputs import check_inputs
from ecg_tune.training.loss import with_soft_labels, with_teachers
from ecg_tune.training.mixup import mixup
from ecg_tune.training.numerics import deterministic, mixed_precision
from ecg_tune.training.oom import MicroBatches
from ecg_tune.training.optimizers import Schedule, make_optimizer
from ecg_tune.training.predictor import Predictor, crop_length, model_inputs
from ecg_tune.transforms.augment import augment
from ecg_tune.transforms.images import n_channels
from ecg_tune.transforms.signals import n_evaluation_crops, random_crop, standardise


@dataclass(frozen=True)
class LearningData:
    """Train and validation on one device, with their normalisation and sampling rate. Holds no test record."""

    train: DeviceSplit
    validation: DeviceSplit
    normalisation: dict[str, Any]
    sampling_rate_hz: int


def learning_data(data: PreparedData, device: torch.device) -> LearningData:
    """Copy train and validation to a device. From now on this process keeps the memory that it frees, see `keep_freed_memory`."""
    keep_freed_memory()
    return LearningData(to_device(data.train, device), to_device(data.validation, device), data.normalisation, data.sampling_rate_hz)


class Learner:
    """Trains one config. `step` runs one epoch; `state_dict` holds everything that the next epoch depends on.

    All randomness comes from `seed`: weights, dropout, order and crops have random streams of their own, so that neither an
    earlier trial in the same process nor an interruption changes them.

    Args:
        data: On the device that trains.
        metric: Entry of `METRICS` that chooses the best epoch.
        stopwatch: Measures where the time of an epoch goes.

    Attributes:
        model: The network whose weights are trained.
        trained: The same, or with a second head beside it that only training has, see `ecg_tune.training.auxiliary`.
        validated: What is validated, kept and saved: the same network, or its averaged weights.
    """

    def __init__(
        self, config: TrialConfig, data: LearningData, *, seed: int, metric: str = "macro_auc", stopwatch: NoStopwatch = OFF
    ) -> None:
        check_inputs(config, data.train)
        self.config, self.data, self.metric, self.stopwatch = config, data, metric, stopwatch
        self.device = data.train.labels.device
        self.history: list[EpochResult] = []
        self.best_epoch = self.n_trained = 0
        self.best_state: dict[str, Tensor] = {}
        self.order = torch.Generator().manual_seed(seed)
        self.crops = torch.Generator().manual_seed(seed + 1)
        with torch.random.fork_rng(devices=self._cuda()):
            torch.manual_seed(seed)
            n_leads, n_classes = data.train.signals_uv.shape[2], data.train.labels.shape[1]
            channels = n_channels(config.image, n_leads) if config.image else 0
            model = build_model(config.model, family=config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)
            labelled = with_teachers(with_soft_labels(data.train, config.training.soft_labels), config.training.distillation)
            labelled = with_statements(labelled, config.training.auxiliary)
            n_statements = labelled.labels.shape[1] - n_classes
            trained = JointNetwork(model, n_statements) if n_statements else model
            self.rng = self._rng_state()
        load_encoders(model, config)
        # convolutions are faster on channels-last weights and images; other parameters are not four-dimensional
        self.model = model
        self.trained: nn.Module = trained.to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedWeights(self.model, config.training) if config.training.averaging != "none" else None
        self.validated: nn.Module = self.average.network if self.average else self.model
        self.predictor = Predictor(self.validated, config, normalisation=data.normalisation, sampling_rate_hz=data.sampling_rate_hz)
        self.loader = BatchLoader(
            labelled,
            batch_size=config.training.batch_size,
            inputs=self._crop_and_augment,
            generator=self.order,
            with_images=config.stored_images,
        )
        self.micro_batches = MicroBatches(config.training.micro_batch or config.training.batch_size, stopwatch=stopwatch)
        self.loss = training_loss(config.training, data.train.labels)
        self.optimizer = self._make_optimizer()
        self.schedule = Schedule(self.optimizer, config.training, n_batches=len(self.loader))

    @property
    def epoch(self) -> int:
        """Number of the last finished epoch; 0 before the first one."""
        return len(self.history)

    @property
    def ended_by(self) -> str | None:
        """Why training ended, "patience" or "max_epochs"; None while it continues."""
        return self.history[-1].ended_by if self.history else None

    def step(self) -> EpochResult:
        """Train one epoch, validate, and remember the weights if they are the best so far.

        Raises:
            NonFiniteLossError: A loss or the metric is not a finite number.
        """
        started = time.perf_counter()
        learning_rate = float(self.optimizer.param_groups[0]["lr"])
        train_loss = self.train_epoch()
        with self.stopwatch.part("validation"):
            validation_loss, probabilities = self.validate()
            result = measure_epoch(
                self.data.validation.labels.cpu().numpy(),
                probabilities.numpy(),
                metric=self.metric,
                epoch=self.epoch + 1,
                train_loss=train_loss,
                validation_loss=validation_loss,
                learning_rate=learning_rate,
                micro_batch=self.micro_batches.size,
                seconds=time.perf_counter() - started,
            )
        self.schedule.epoch_done(validation_loss)
        self.history.append(dataclasses.replace(result, ended_by=self._end_reason(result)))
        if not self.best_epoch or result.metrics[self.metric] > self.history[self.best_epoch - 1].metrics[self.metric]:
            self.best_epoch = self.epoch
            self.best_state = {k: v.detach().cpu().clone() for k, v in self.validated.state_dict().items()}
        return self.history[-1]

    def validate(self) -> tuple[float, Tensor]:
        """Predict the validation records.

        Returns:
            The loss, a mean over records and crops, and the probabilities (n_records, n_classes), float64 on the CPU.
        """
        self.validated.eval()
        return self.micro_batches.run(self._validate, n_records=len(self.data.validation))

    def _validate(self, micro_batch: int) -> tuple[float, Tensor]:
        split, losses, probabilities = self.data.validation, [], []
        # twice as many crops as in training, because no gradients are kept
        n_records = max(1, 2 * micro_batch // n_evaluation_crops(split.signals_uv.shape[1], self.predictor.length))
        with torch.inference_mode():  # in single precision, as everybody who loads the model will compute
            for rows in torch.arange(len(split)).split(n_records):
                signals, labels = (tensor[rows[0] : rows[-1] + 1] for tensor in (split.signals_uv, split.labels))
                images = split.read_images(rows) if self.config.stored_images else None
                logits = self.predictor.crop_logits(millivolts(signals), images)  # (batch, n_crops, n_classes)
                loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[:, None].expand_as(logits), reduction="none")
                losses.append(loss.mean(1).sum())
                probabilities.append(logits.sigmoid().mean(1).cpu())
        return float(torch.stack(losses).sum()) / split.labels.numel(), torch.cat(probabilities).double()

    def state_dict(self) -> dict[str, Any]:
        """Collect the state of network, optimiser, schedule and random streams; loadable with `weights_only=True`."""
        return {
            "model": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict() if self.average else {},
            "rng": self.rng,
            "order": self.order.get_state(),
            "crops": self.crops.get_state(),
            "history": [dataclasses.asdict(result) for result in self.history],
            "best_epoch": self.best_epoch,
            "best_state": self.best_state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the `state_dict` of a learner with the same config; only `max_epochs` may differ."""
        self.trained.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.rng = {name: value.cpu() for name, value in state["rng"].items()}
        self.order.set_state(state["order"].cpu())
        self.crops.set_state(state["crops"].cpu())
        *self.history, last = map(EpochResult.from_fields, state["history"])
        self.n_trained = len(self.history) + 1
        self.history.append(dataclasses.replace(last, ended_by=self._end_reason(last)))  # an extended training has not ended
        self.best_epoch, self.best_state = state["best_epoch"], state["best_state"]

    def train_epoch(self) -> float:
        """Train on every record once, without validation; returns the mean loss."""
        if isinstance(self.model, Fusion) and isinstance(self.config.model, FusionConfig):
            self.model.rest(self.n_trained < self.config.model.freeze_epochs)
        with self._own_randomness():
            loss = self._train()
        self.n_trained += 1
        if self.average:
            self.average.epoch_done(self.model)
        return loss

    def _train(self) -> float:
        self.model.train()
        clip, total = self.config.training.gradient_clip, torch.zeros((), device=self.device)
        network = torch.compile(self.trained) if self.config.training.compile else self.trained

        def compute_loss(records: Sequence[Tensor], labels: Tensor) -> Tensor:
            signal, *images = records
            with self.stopwatch.part("images"):
                inputs = model_inputs(signal, self.config, *images)
            with self.stopwatch.part("forward"), mixed_precision(self.model, self.device):
                return self.loss(network(*inputs), labels)

        for *records, labels in self.stopwatch.each("data", self.loader):
            if self.config.training.mixup:
                records, labels = mixup(records, labels, self.config.training.mixup, generator=self.crops)
            loss = self.micro_batches.backward(records, labels, compute_loss, self.optimizer.zero_grad)
            with self.stopwatch.part("optimiser"):
                if clip:
                    nn.utils.clip_grad_norm_(self.trained.parameters(), clip)
                self.optimizer.step()
                if self.average:
                    self.average.step_done(self.model)
                self.schedule.batch_done()
            total += loss * len(labels)
        return float(total) / len(self.data.train)

    def _make_optimizer(self) -> Optimizer:
        share = self.config.model.encoder_learning_rate if isinstance(self.config.model, FusionConfig) else 1.0
        slow = trained_parts(self.model) if isinstance(self.model, Fusion) else ()
        return make_optimizer(self.trained, self.config.training, slow=slow, share=share)

    def _crop_and_augment(self, signal_mv: Tensor, *images: Tensor) -> tuple[Tensor, ...]:
        """Standardise a batch (batch, n_samples, n_leads) in millivolts, crop it at random and augment it; images stay as they are."""
        length = crop_length(self.config, self.data.sampling_rate_hz)
        signal = random_crop(standardise(signal_mv, self.data.normalisation), length, generator=self.crops)
        changes = self.config.training.augment
        if changes != AugmentConfig():
            signal = augment(signal, changes, sampling_rate_hz=self.data.sampling_rate_hz, generator=self.crops)
        return (signal, *images)

    def _end_reason(self, result: EpochResult) -> str | None:
        """Decide whether training ends with this epoch, and why.

        Patience counts epochs since the lowest validation loss. It would end one-cycle and cosine before their rate has fallen, where
        most is gained; so it goes with plateau alone.
        """
        training = self.config.training
        losses = [*(r.validation_loss for r in self.history), result.validation_loss]
        if result.epoch >= training.max_epochs:
            return "max_epochs"
        return "patience" if training.schedule == "plateau" and out_of_patience(losses, training.patience) else None

    def _cuda(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []

    def _rng_state(self) -> dict[str, Tensor]:
        state = {"cpu": torch.get_rng_state()}
        return {**state, "cuda": torch.cuda.get_rng_state(self.device)} if self._cuda() else state

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Use the learner's random stream in the block, and leave the process's global one as it was."""
        with torch.random.fork_rng(devices=self._cuda()), deterministic(self.config.training.deterministic):
            torch.set_rng_state(self.rng["cpu"])
            if self._cuda() and "cuda" in self.rng:  # a checkpoint written on a CPU holds none
                torch.cuda.set_rng_state(self.rng["cuda"], self.device)
            yield
            self.rng = self._rng_state()
