"""Check that a family keeps the whole contract: network, space, and training. For our own families, and for packages that bring one.

A package's test runs them all::

    @pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
    def test_the_family_keeps_the_contract(check):
        check("tiny_tcn")

Each check takes a family's name and raises `AssertionError`, saying what was found. Together they take a minute or two on a CPU.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.trial import FixedTrial
from torch import nn

from ecg_tune.config import CLASS_NAMES, PROFILES, TrialConfig, to_dict
from ecg_tune.data.loaders import DeviceSplit
from ecg_tune.errors import UsageError, WorkFailedError
from ecg_tune.export.formats import FORMATS, export
from ecg_tune.export.graph import Graph
from ecg_tune.export.parity import model_run, random_signals
from ecg_tune.models import MODELS, EncoderClassifier, build_model, n_parameters, trial_config
from ecg_tune.training.learner import Learner, LearningData
from ecg_tune.training.model_file import load_weights, save_atomic
from ecg_tune.training.predictor import Predictor, model_inputs
from ecg_tune.transforms.images import n_channels
from search_spaces import SPACES, SpaceContext, resolve
from search_spaces.memory import Unfilled

LARGEST = 60_000_000
"""Parameters that no suggestion may exceed: with Adam's two moments and gradients about 1 GB."""
N_CLASSES = len(CLASS_NAMES)


@cache
def toy_data(*, n_records: tuple[int, int] = (48, 24), seed: int = 0) -> LearningData:
    """Make records in which each class is the strength of its own frequency: 2.5 s at 100 Hz, three leads, int16 microvolts.

    Args:
        n_records: Of the train and the validation split.
    """
    rng = np.random.default_rng(seed)
    waves = np.sin(2 * np.pi * np.array([1, 2, 4, 8, 16])[:, None] * np.arange(250) / 100)  # (classes, samples)
    splits = []
    for n in n_records:
        labels = rng.random((n, N_CLASSES)) < 0.4
        signal = (labels[:, :, None] * waves).sum(1)[:, :, None] * [1.0, 0.5, -1.0] * 150
        signals_uv = (signal + rng.normal(0, 60, (n, 250, 3))).astype(np.int16)
        splits.append(DeviceSplit(torch.from_numpy(signals_uv), torch.from_numpy(labels.astype(np.float32))))
    scale_mv = float(splits[0].signals_uv.float().std() / 1000)
    return LearningData(splits[0], splits[1], {"kind": "global", "scale_mv": scale_mv}, 100)


def small_config(family: str, **training: Any) -> TrialConfig:
    """Build the family's default config of the profile `small`, with some training settings replaced."""
    config = resolve(family, SPACES[family].defaults["small"], SpaceContext("small", 4))
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **training))


def network_of(config: TrialConfig, *, device: str = "cpu", n_leads: int = 3, n_classes: int = N_CLASSES) -> EncoderClassifier:
    """Make the network of a config."""
    channels = n_channels(config.image, n_leads) if config.image else 0
    with torch.device(device), Unfilled() if device == "meta" else nullcontext():
        return build_model(config.model, family=config.family, n_leads=n_leads, n_channels=channels, n_classes=n_classes)


def check_network(family: str) -> None:
    """Check that the network maps a batch to finite features and logits: for any leads and classes, also one record in training."""
    config = small_config(family)
    for n_records, n_leads, n_classes, training in ((2, 3, N_CLASSES, False), (1, 3, N_CLASSES, True), (3, 2, 4, True)):
        torch.manual_seed(0)
        network = network_of(config, n_leads=n_leads, n_classes=n_classes).train(training)
        inputs = model_inputs(torch.randn(n_records, 250, n_leads), config)
        for made, width in ((network.encode(*inputs), network.n_features), (network(*inputs), n_classes)):
            assert made.shape == (n_records, width), f"expected the shape {(n_records, width)}, but got {tuple(made.shape)}"
            assert made.isfinite().all(), "features or logits are not finite"
    if MODELS[family].inputs == "image":
        assert isinstance(network.encoder, nn.Sequential), "a network on images needs `encoder`, an nn.Sequential, for Grad-CAM"


def check_predictor(family: str) -> None:
    """Check that a model takes raw signals of 2.5 s and of 10 s."""
    config = small_config(family)
    predictor = Predictor(network_of(config), config, normalisation={"kind": "global", "scale_mv": 0.25}, sampling_rate_hz=100).eval()
    for n_samples in (250, 1000):
        shape = tuple(predictor(torch.randn(2, n_samples, 3)).shape)
        assert shape == (2, N_CLASSES), f"{n_samples} samples gave {shape}"


def check_defaults(family: str) -> None:
    """Check that the defaults of both profiles name exactly the parameters that the space suggests."""
    for profile in PROFILES:
        params = SPACES[family].defaults[profile]
        trial = FixedTrial(dict(params))
        SPACES[family].suggest(trial, SpaceContext(profile, 5))
        assert trial.params == params, f"{profile}: suggested and default parameters differ: {set(trial.params) ^ set(params)}"
        alien = [name for name in params if not name.startswith(f"{family}.")]
        assert not alien, f"parameters must begin with {family}., but got {alien}"


def check_suggestions(family: str) -> None:
    """Check that 200 random suggestions of each profile build within the parameter bound and come back from plain data unchanged."""
    for profile in PROFILES:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        context = SpaceContext(profile, 9)
        for _ in range(200):
            trial = study.ask()
            config = SPACES[family].suggest(trial, context)
            size = n_parameters(network_of(config, device="meta"))
            assert size <= LARGEST, f"{trial.params} has {size:,} parameters, more than {LARGEST:,}"
            assert config.training.max_epochs == context.max_epochs, "the space must take max_epochs from its context"
            assert trial_config(to_dict(config)) == config, f"{config} changes on its way through plain data"
            assert resolve(family, trial.params, context) == config, f"{trial.params} suggested two configs"


def check_real_steps(family: str) -> None:
    """Check that five random suggestions of the profile `small` train for an epoch with finite losses."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    for _ in range(5):
        config = SPACES[family].suggest(study.ask(), SpaceContext("small", 3))
        result = Learner(config, toy_data(), seed=0).step()
        assert math.isfinite(result.train_loss + result.validation_loss), f"{config}: {result}"
        assert 0 <= result.metrics["macro_auc"] <= 1, f"{config}: {result}"


def check_resume(family: str) -> None:
    """Check that a training that is resumed from a file gives the same bits as one that was never interrupted."""
    config = small_config(family)
    whole = Learner(config, toy_data(), seed=3)
    expected = [dataclasses.replace(whole.step(), seconds=0.0) for _ in range(3)]
    first = Learner(config, toy_data(), seed=3)
    first.step()
    second = Learner(config, toy_data(), seed=99)  # the seed must not matter any more
    with tempfile.TemporaryDirectory() as folder:
        save_atomic(Path(folder) / "last.pt", first.state_dict())
        second.load_state_dict(load_weights(Path(folder) / "last.pt"))
    for _ in range(2):
        torch.manual_seed(7)  # nor must what else happened in the process
        second.step()
    found = [dataclasses.replace(result, seconds=0.0) for result in second.history]
    assert found == expected, f"resumed: {found}, not interrupted: {expected}"
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, second.model.state_dict()[name], rtol=0, atol=0)


def check_seeds(family: str) -> None:
    """Check that equal seeds train equally and different ones do not: all randomness comes from torch's global generator."""
    losses = [Learner(small_config(family), toy_data(), seed=seed).step().train_loss for seed in (1, 1, 2)]
    assert losses[0] == losses[1], f"the same seed gave the losses {losses[:2]}"
    assert losses[1] != losses[2], f"two seeds gave the same loss {losses[2]}"


def check_overfits(family: str) -> None:
    """Check that sixteen records are learnt by heart in 60 epochs: gradients reach the weights, and the inputs the output."""
    train = toy_data().train
    few = DeviceSplit(train.signals_uv[:16, :100], train.labels[:16])  # 1 s each: a recurrent network goes step by step
    data = dataclasses.replace(toy_data(), train=few, validation=few)
    config = small_config(family, max_epochs=60, learning_rate=5e-3, weight_decay=0.0, patience=60)
    learner = Learner(dataclasses.replace(config, model=_without_dropout(config.model)), data, seed=0)
    while not learner.ended_by and (not learner.history or learner.history[-1].train_loss > 0.05):
        learner.step()
    loss = learner.history[-1].train_loss
    assert loss < 0.1, f"after {learner.epoch} epochs the training loss of sixteen records is {loss:.3f}, not below 0.1"


def _without_dropout(model: Any) -> Any:
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if field.name == "dropout":
            changes[field.name] = 0.0
        elif dataclasses.is_dataclass(value):  # an encoder's config
            changes[field.name] = _without_dropout(value)
    return dataclasses.replace(model, **changes)


def check_encoder(family: str) -> None:
    """Where its space can suggest the network alone, fusions with it as an encoder are suggested, and one trains for an epoch."""
    side, built_in = MODELS[family].inputs, family in SPACES.built_in
    if SPACES[family].suggest_model is None:
        return
    for profile in PROFILES:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
        context = SpaceContext(profile, 3, package_spaces={} if built_in else {family: SPACES[family]})
        for _ in range(5):
            study.enqueue_trial({f"fusion.{side}_family": family})
            trial = study.ask()
            config = SPACES["fusion"].suggest(trial, context)
            encoder = getattr(config.model, side)
            assert isinstance(encoder, MODELS[family].config), f"suggest_model must give a {MODELS[family].config.__name__}, not {encoder}"
            alien = [name for name in trial.params if not name.startswith("fusion.")]
            assert not alien, f"parameters of suggest_model must begin with its prefix, but got {alien}"
            assert trial_config(to_dict(config)) == config, f"{config} changes on its way through plain data"
    result = Learner(small_fusion(family), toy_data(), seed=0).step()
    assert math.isfinite(result.train_loss + result.validation_loss), f"a fusion with it: {result}"


def small_fusion(family: str) -> TrialConfig:
    """Return the default fusion of the profile `small`, with a family's default network as one of its encoders."""
    side, fusion = MODELS[family].inputs, small_config("fusion")
    changes: dict[str, Any] = {f"{side}_family": family, side: small_config(family).model}
    return dataclasses.replace(fusion, model=dataclasses.replace(fusion.model, **changes))


def check_export(family: str) -> None:
    """Check that a model can be written as ONNX, or as TorchScript where ONNX can't, and that the file predicts the same for any batch."""
    torch.manual_seed(0)
    config, normalisation = small_config(family), {"kind": "record"}
    predictor = Predictor(network_of(config), config, normalisation=normalisation, sampling_rate_hz=100, leads=("I", "II", "V2")).eval()
    graph, signals = Graph([predictor], n_samples=500), {"random signals": random_signals(500, 3)}
    refused = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("onnx", "torchscript"):
            out = (Path(folder) / "model").with_suffix(FORMATS[name].suffix)
            try:
                FORMATS[name].require()
                export(graph, {}, out, to=FORMATS[name], reference=model_run(predictor), signals_uv=signals)
                return
            except WorkFailedError as error:
                raise AssertionError(str(error)) from error
            except UsageError as error:
                refused.append(str(error))
    raise AssertionError("; ".join(refused))


CHECKS: dict[str, Callable[[str], None]] = {
    "network": check_network,
    "predictor": check_predictor,
    "defaults": check_defaults,
    "suggestions": check_suggestions,
    "real_steps": check_real_steps,
    "resume": check_resume,
    "seeds": check_seeds,
    "overfits": check_overfits,
    "encoder": check_encoder,
    "export": check_export,
}
"""Every check by name."""
