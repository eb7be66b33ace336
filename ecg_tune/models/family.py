"""What the rest of the project must know of a model family, in one frozen object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ecg_tune.config import ModelConfig
from ecg_tune.models.base import EncoderClassifier


@dataclass(frozen=True)
class Family:
    """A model family: its network, the settings of that network, and where its search space and trainable are.

    Built-in families are entries of `MODELS`, `search_spaces.SPACES` and `trainables.TRAINABLES`. An installed package adds one
    by an entry point of the group `ecg_tune.families`, whose name is the family's and whose value names such an object::

        [project.entry-points."ecg_tune.families"]
        tiny_tcn = "ecg_tune_tiny_tcn.model:FAMILY"

    Space and trainable are named by text, not held: model files are then opened where neither Optuna nor Ray is installed.
    `search_spaces.conformance` checks that a family keeps the whole contract.

    Attributes:
        name: What reports and model files call it, e.g. "TinyTCN".
        inputs: What its network takes: "signal" or "image"; only the built-in fusion takes both ("fusion").
        config: Its settings, a frozen subclass of `ModelConfig`. Every field has a default, an annotation that plain data can be
            read into (int, float, str, bool, tuples of them), and a range that is checked when it is made.
        create: Makes the network: `create(config, n_inputs=…, n_classes=…)` with the leads of a signal or the channels of an
            image as `n_inputs`. None for fusion, whose encoders `build_model` makes.
        space: "module:NAME" of a plug-in's `search_spaces.Space`; "" for a built-in family.
        trainable: "module:NAME" of a plug-in's own subclass of `trainables.LearnerTrainable`; "" takes that class itself.
    """

    name: str
    inputs: str
    config: type[ModelConfig]
    create: Callable[..., EncoderClassifier] | None
    space: str = ""
    trainable: str = ""
