"""`ecg-tune train`: train one model, without a search."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.api.device import pick_device
from ecg_tune.api.families import say_refused_families
from ecg_tune.api.settings import space_context
from ecg_tune.api.yaml_file import read_yaml
from ecg_tune.cli.options import DataFolder, Device, next_evaluation
from ecg_tune.config import LARGEST_SEED, STORED, SearchSettings, TrainingConfig, TrialConfig, to_dict
from ecg_tune.config.reference import help_text
from ecg_tune.data.loaders import NO_STORED_IMAGES
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import ConfigError, UsageError
from ecg_tune.models import MODELS, check_family, trial_config
from ecg_tune.training.encoders import image_config, load_encoder
from ecg_tune.training.epoch import EpochResult
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.inputs import check_families
from ecg_tune.training.model_file import save_model
from search_spaces import SPACES, resolve

EXAMPLE = "Example: ecg-tune train rnn --data DATA --profile small --max-epochs 5"


def train(
    family: Annotated[
        str, typer.Argument(metavar="FAMILY", help="Model family, e.g. rnn, resnet or fusion; `ecg-tune models` lists them.")
    ],
    data: DataFolder,
    profile: Annotated[str, typer.Option(metavar="NAME", help="Default config to start from: full or small.")] = "full",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with settings to change, below `model:`, `training:` and `image:`.")
    ] = None,
    max_epochs: Annotated[
        int | None, typer.Option(metavar="N", help=help_text(SearchSettings, "max_epochs", purpose="Epochs to train at most."))
    ] = None,
    signal_from: Annotated[Path | None, typer.Option(metavar="FILE", help="Fusion only: trained signal model to start from.")] = None,
    image_from: Annotated[Path | None, typer.Option(metavar="FILE", help="Fusion only: trained image model to start from.")] = None,
    frozen: Annotated[bool, typer.Option("--frozen", help="Fusion only: keep the weights of both encoders.")] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="Seed of the initial weights, the order of the data and the crops.")
    ] = 0,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write the model to.")] = Path("checkpoints"),
) -> None:
    """Train one model with one set of hyper-parameters, without a search.

    Write <Name>_best.pth with the model, its history, its thresholds and a description of its data.
    """
    say_refused_families()
    check_family(family)
    epochs = SearchSettings(families=(family,), profile=profile, max_epochs=max_epochs).epochs
    prepared = open_prepared(data)
    check_families([family], leads=prepared.leads, where=data)
    chosen = to_dict(resolve(family, SPACES[family].defaults[profile], space_context(prepared, profile, epochs)))
    chosen = _merged(chosen, _encoder_settings(family, signal_from, image_from, frozen=frozen))
    changed = _with_file(chosen, config, stored_images=prepared.image_shape is not None)
    out.mkdir(parents=True, exist_ok=True)
    where = pick_device(device)
    fit = train_model(
        changed, prepared, seed=seed, device=where, on_epoch=lambda result: print(_line(result, changed.training), flush=True)
    )
    name = MODELS[family].name
    target = out / f"{name}_best.pth"
    save_model(target, saved_model(fit, prepared, name=name, device=where))
    message = f"validation macro AUC {fit.best.metrics['macro_auc']:.4f} on {len(prepared.validation)} records"
    print(f"best: epoch {fit.best_epoch}, {message}{' (SYNTHETIC data)' if prepared.synthetic else ''}")
    print(f"wrote {target}\n{next_evaluation(prepared, f'{out} --data {data}')}")


def _with_file(chosen: dict[str, Any], config: Path | None, *, stored_images: bool) -> TrialConfig:
    """Change a config by a settings file.

    Args:
        stored_images: Whether the data have them.

    Raises:
        ConfigError: A setting that is not allowed, or stored images where there are none.
    """
    changes = read_yaml(config) if config else {}
    if config and (of_search := sorted(set(changes) & {field.name for field in fields(SearchSettings)} - {"training"})):
        raise ConfigError(f"{config} is a file of `ecg-tune search` (it has {of_search[0]}): one training has model, training and image")
    changed = _merged(chosen, _with_new_encoders(changes))
    image = changed.get("image")
    if isinstance(image, dict) and image.get("kind") == STORED and not stored_images:
        raise ConfigError(NO_STORED_IMAGES)
    return trial_config(changed, where=str(config or ""))


def _line(result: EpochResult, training: TrainingConfig) -> str:
    """Describe an epoch in one line."""
    losses = f"loss {result.train_loss:.4f} train, {result.validation_loss:.4f} validation"
    auc = f"validation macro AUC {result.metrics['macro_auc']:.4f}"
    if result.micro_batch < (training.micro_batch or training.batch_size):
        losses += f", memory ran out: micro-batches of {result.micro_batch}, same effective batch"
    return f"epoch {result.epoch}/{training.max_epochs}: {auc}, {losses}, {result.seconds:.1f} s"


def _encoder_settings(family: str, signal: Path | None, image: Path | None, *, frozen: bool) -> dict[str, Any]:
    """Make a fusion start from trained models: take over their networks, weights and image settings."""
    if (signal or image or frozen) and family != "fusion":
        raise UsageError(f"--signal-from, --image-from and --frozen are for fusion, not for {family}")
    changes: dict[str, Any] = {"model": {"frozen": frozen}} if frozen else {"model": {}}
    if signal:
        saved = load_encoder(signal, inputs="signal")
        changes["model"] |= {
            "signal_family": saved.config.family,
            "signal": Whole(to_dict(saved.config.model)),
            "signal_checkpoint": str(signal.resolve()),
        }
    if image:
        saved = load_encoder(image, inputs="image")
        changes["model"] |= {
            "image_family": saved.config.family,
            "image": Whole(to_dict(saved.config.model)),
            "image_checkpoint": str(image.resolve()),
        }
        changes["image"] = to_dict(image_config(saved))
    return changes


def _with_new_encoders(changes: dict[str, Any]) -> dict[str, Any]:
    """Let an encoder of another family start from that family's defaults, not from the old encoder's settings."""
    model = changes.get("model")
    if not isinstance(model, dict):
        return changes
    sides = {side: Whole(model.get(side) or {}) for side in ("signal", "image") if f"{side}_family" in model}
    return {**changes, "model": {**model, **sides}}


class Whole(dict[str, Any]):
    """Settings that replace others as a whole instead of being merged into them."""


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge nested `changes` into a copy of `base`."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        merges = isinstance(old, dict) and isinstance(value, dict) and not isinstance(value, Whole)
        result[key] = _merged(dict(old or {}), value) if merges else value
    return result
