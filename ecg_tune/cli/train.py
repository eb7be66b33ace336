"""`ecg-tune train`: one config, no search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.cli.options import DataFolder, Device, pick_device, read_yaml

EXAMPLE = "Example: ecg-tune train rnn --data DATA --profile small --max-epochs 5"


def train(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help="E.g. rnn, resnet, fusion.")],
    data: DataFolder,
    profile: Annotated[str, typer.Option(help="Default config to start from: full or small.")] = "full",
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML with model, training, image settings to change.")] = None,
    max_epochs: Annotated[int | None, typer.Option(help="Epochs at most; default 50 full, 10 small.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order and crops.")] = 0,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the checkpoint.")] = Path("checkpoints"),
) -> None:
    """Train one config and write <Name>_best.pth with its history, thresholds and data description."""
    from ecg_tune.config import SearchSettings, check_choice, to_dict
    from ecg_tune.data.prepared import open_prepared
    from ecg_tune.models import MODELS, trial_config
    from ecg_tune.training.checkpoint import save_model
    from ecg_tune.training.fit import saved_model, train_model
    from ecg_tune.training.learner import EpochResult
    from search_spaces import SPACES, SpaceContext, resolve

    check_choice("family", family, MODELS)
    epochs = SearchSettings(families=(family,), profile=profile, max_epochs=max_epochs).epochs
    chosen = to_dict(resolve(family, SPACES[family].defaults[profile], SpaceContext(profile, epochs)))
    changed = trial_config(_merged(chosen, read_yaml(config)) if config else chosen, where=str(config or ""))
    prepared = open_prepared(data)
    where = pick_device(device)

    def show(result: EpochResult) -> None:
        losses = f"loss {result.train_loss:.4f} train, {result.validation_loss:.4f} validation"
        auc = f"validation macro AUC {result.metrics['macro_auc']:.4f}"
        print(f"epoch {result.epoch}/{changed.training.max_epochs}: {auc}, {losses}, {result.seconds:.1f} s", flush=True)

    fit = train_model(changed, prepared, seed=seed, device=where, on_epoch=show)
    name = MODELS[family].name
    target = out / f"{name}_best.pth"
    save_model(target, saved_model(fit, prepared, name=name, device=where))
    said = f"validation macro AUC {fit.best.metrics['macro_auc']:.4f} on {len(prepared.validation)} records"
    print(f"best: epoch {fit.best_epoch}, {said}{' (SYNTHETIC data)' if prepared.synthetic else ''}")
    print(f"wrote {target}\nnext: ecg-tune evaluate {out} --data {data} --out results/")


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with nested `changes`."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
