"""What an exported file says about itself: texts by name, those with structure as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from ecg_tune.config import TrialConfig, to_dict
from ecg_tune.metrics import UNTUNED_RULE, untuned_classes
from ecg_tune.training.model_file import SavedModel

FORMAT = 1
"""Of the names and meanings below; a change that breaks readers counts it up."""
ENSEMBLE_FAMILY = "ensemble"
DESCRIPTION, VERSION = "description", "ecg_tune_version"


def model_metadata(saved: SavedModel) -> dict[str, str]:
    """Describe a trained model: how it is fed, what it predicts, where it comes from."""
    facts = {"name": saved.name, "family": saved.config.family, "config": portable_config(saved.config), "seed": saved.seed}
    return _described(
        {**_data_facts(saved.data), **facts, "trained_on": saved.trained_on, "thresholds": saved.thresholds, "platt": saved.platt}
    )


def ensemble_metadata(
    data: Mapping[str, Any],
    *,
    name: str,
    seed: int,
    trained_on: str,
    members: list[dict[str, Any]],
    thresholds: Mapping[str, list[float]],
    platt: list[list[float]],
) -> dict[str, str]:
    """Describe an ensemble.

    Args:
        data: What the members' files say about their data, `SavedModel.data`.
        members: One object a member: name, weight, family, config.
        platt: Slope and intercept of each class.
    """
    facts = {"name": name, "family": ENSEMBLE_FAMILY, "members": members, "seed": seed, "trained_on": trained_on}
    return _described({**_data_facts(data), **facts, "thresholds": thresholds, "platt": platt})


def portable_config(config: TrialConfig) -> dict[str, Any]:
    """Turn a config into plain data. A fusion's encoder files are named without their folders, which are this machine's own."""
    content = to_dict(config)
    for name in ("signal_checkpoint", "image_checkpoint"):
        if content["model"].get(name):
            content["model"][name] = PurePath(content["model"][name]).name
    return content


def _data_facts(data: Mapping[str, Any]) -> dict[str, Any]:
    shape = {"units": "mV", **{name: data[name] for name in ("leads", "sampling_rate_hz", "n_samples", "class_names", "normalisation")}}
    origin = {"data_fingerprint": data["fingerprint"], "split": data["split"], "synthetic": bool(data["synthetic"])}
    return {"format": FORMAT, VERSION: version("ecg-tune"), **shape, **origin}


def _described(facts: dict[str, Any]) -> dict[str, str]:
    """Turn facts into texts, and add a sentence for viewers that show a model's description."""
    leads, classes = ", ".join(facts["leads"]), ", ".join(facts["class_names"])
    signal = f"{facts['n_samples']} samples at {facts['sampling_rate_hz']} Hz of the leads {leads}, in {facts['units']}"
    mark = "Trained on SYNTHETIC data. " if facts["synthetic"] else ""
    untuned = ", ".join(untuned_classes(facts["class_names"], facts["thresholds"]["f1"])) if "f1" in facts["thresholds"] else ""
    note = f" Thresholds not tuned: {untuned} ({UNTUNED_RULE})." if untuned else ""
    facts[DESCRIPTION] = f"{mark}{facts['name']} of ecg-tune {facts[VERSION]}: {signal}, to probabilities of {classes}.{note}"
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
