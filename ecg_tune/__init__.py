"""Search, train and use ECG classifiers from Python. Each name is loaded when it is first used; `import ecg_tune` loads no library.

Example:
    >>> from pathlib import Path
    >>> import ecg_tune
    >>> from ecg_tune.config import DataConfig
    >>> from ecg_tune.data.synthetic.generator import synthesize
    >>> counts = synthesize(Path("ptbxl"), n_records=60)  # or a folder with the real PTB-XL
    >>> manifest = ecg_tune.prepare(Path("ptbxl"), Path("prepared"), DataConfig())
    >>> data = ecg_tune.open_data("prepared")
    >>> model = ecg_tune.load_model("model.pth")
    >>> model.leads == data.leads, model.sampling_rate_hz == data.sampling_rate_hz
    (True, True)
    >>> recording = ecg_tune.Recording(data.validation.signals_uv[0] / 1000, data.leads, data.sampling_rate_hz)
    >>> ecg_tune.predict(model, recording).shape
    (1, 5)
"""

from __future__ import annotations

import importlib
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecg_tune.api.evaluate import evaluate
    from ecg_tune.api.retrain import retrain
    from ecg_tune.api.search import search
    from ecg_tune.data.prepared.dataset import open_prepared as open_data
    from ecg_tune.data.ptbxl.prepare import prepare
    from ecg_tune.data.recordings.files import read_recordings
    from ecg_tune.data.recordings.recording import Recording
    from ecg_tune.search.callbacks import Callback
    from ecg_tune.study.study import Study
    from ecg_tune.training.fit import train_model
    from ecg_tune.training.model_file import load_model
    from ecg_tune.training.predictor import predict_probabilities as predict

    open_study = Study.open
    __version__: str

__all__ = [
    "Callback",
    "Recording",
    "__version__",
    "evaluate",
    "load_model",
    "open_data",
    "open_study",
    "predict",
    "prepare",
    "read_recordings",
    "retrain",
    "search",
    "train_model",
]

_FACE = {
    "Callback": "ecg_tune.search.callbacks:Callback",
    "Recording": "ecg_tune.data.recordings.recording:Recording",
    "evaluate": "ecg_tune.api.evaluate:evaluate",
    "load_model": "ecg_tune.training.model_file:load_model",
    "open_data": "ecg_tune.data.prepared.dataset:open_prepared",
    "open_study": "ecg_tune.study.study:Study.open",
    "predict": "ecg_tune.training.predictor:predict_probabilities",
    "prepare": "ecg_tune.data.ptbxl.prepare:prepare",
    "read_recordings": "ecg_tune.data.recordings.files:read_recordings",
    "retrain": "ecg_tune.api.retrain:retrain",
    "search": "ecg_tune.search",  # the package is called itself, see there
    "train_model": "ecg_tune.training.fit:train_model",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _FACE:
        raise AttributeError(f"module 'ecg_tune' has no attribute {name!r}")
    module, _, attribute = _FACE[name].partition(":")
    found = importlib.import_module(module)
    return attrgetter(attribute)(found) if attribute else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Look up the installed version, which `pyproject.toml` sets; "unknown" for sources on the path that were not installed."""
    # takes longer than all else here, and every command imports this package
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ecg-tune")
    except PackageNotFoundError:
        return "unknown"
