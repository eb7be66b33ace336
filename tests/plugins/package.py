"""Write a small package with entry points, as pip would have installed it: a module and its metadata on a path."""

from __future__ import annotations

from pathlib import Path


def write_package(folder: Path, *, module: str, families: dict[str, str], code: str, package: str = "") -> Path:
    """Write `module`.py and metadata that name `families`, and return the folder, which is to be put on the path.

    Args:
        families: From a family's name to what its entry point names, e.g. "alien:FAMILY".
        package: The package's name; "" takes the module's.
    """
    name = package or module
    metadata = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    entries = "".join(f"{family} = {value}\n" for family, value in families.items())
    (metadata / "entry_points.txt").write_text(f"[ecg_tune.families]\n{entries}")
    (folder / f"{module}.py").write_text(code)
    return folder


WORKING = '''
"""A plug-in with two families, each with a trainable of its own that writes down which trials it ran."""
import json
import os
from dataclasses import dataclass, replace

from ecg_tune.config import TrialConfig
from ecg_tune.models import CNN1DConfig, Family, create_cnn1d
from search_spaces.suggestions import Space, TRAINING_DEFAULTS, crop, prefixed, training
from trainables import LearnerTrainable


@dataclass(frozen=True)
class Config(CNN1DConfig):
    pass


def suggest_model(trial, prefix, context):
    return Config(filters=trial.suggest_categorical(f"{prefix}.filters", (4, 8)), depth=2)


def space(family, **more):
    def suggest(trial, context):
        model = suggest_model(trial, family, context)
        rest = training(trial, family, context, learning_rates=(1e-3, 1e-2), crop_s=1.0)
        return TrialConfig(family=family, model=model, training=rest)

    return Space(suggest, {p: prefixed(family, {"filters": 4}, TRAINING_DEFAULTS[p]) for p in ("full", "small")}, **more)


ALPHA_SPACE, BETA_SPACE = space("alpha", suggest_model=suggest_model), space("beta")


class Marking(LearnerTrainable):
    def step(self):
        result = super().step()
        line = {"class": type(self).__name__, "number": self.task["number"], "epoch": result["epoch"], "pid": os.getpid()}
        with open(self.shared.checkpoints.root / "ran.jsonl", "a") as file:
            file.write(json.dumps(line) + "\\n")
        return result


class AlphaTrainable(Marking): ...


class BetaTrainable(Marking): ...


ALPHA = Family("Alpha", "signal", Config, create_cnn1d, space="two_families:ALPHA_SPACE", trainable="two_families:AlphaTrainable")
BETA = replace(ALPHA, name="Beta", space="two_families:BETA_SPACE", trainable="two_families:BetaTrainable")
'''
TWO = {"alpha": "two_families:ALPHA", "beta": "two_families:BETA"}
