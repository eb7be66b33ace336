"""`ecg-tune export-onnx`: write a model or an ensemble for other runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from torch import nn

from analysis.retraining.ensemble_predictor import EnsemblePredictor, build_ensemble
from ecg_tune.api.study_data import headline, open_study_data
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.errors import DataError, UsageError
from ecg_tune.export.formats import export, find_format
from ecg_tune.export.graph import INPUT, Graph
from ecg_tune.export.metadata import ensemble_metadata, model_metadata, portable_config
from ecg_tune.export.parity import model_run, random_signals, some_records
from ecg_tune.study.study import Study
from ecg_tune.training.model_file import build_predictor, load_saved
from ecg_tune.training.platt import platt_scaled
from ecg_tune.training.predictor import Predictor

EXAMPLE = "Example: ecg-tune export-onnx STUDY/models/ResNet_best.pth resnet.onnx --data DATA"


def export_onnx(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, e.g. STUDY/models/ResNet_best.pth, or an ensemble's .json.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; one that is there is replaced. Ends with .onnx (.ts, .pt2).")],
    format: Annotated[
        str,
        typer.Option(metavar="NAME", help="onnx; or for torch alone, where ONNX can't: torchscript (.ts) or torch-export (.pt2)."),
    ] = "onnx",
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DIR", help="Prepared data; the file is checked on its validation records.", show_default="those of the study"
        ),
    ] = None,
) -> None:
    """Write a trained model or an ensemble as one ONNX file, from raw millivolts to probabilities.

    Scaling, crops and images are computed inside the file, and its metadata say how to feed it. It is written only when it predicts what
    the model predicts, within 1e-4, on random signals and on real validation records.
    """
    to = find_format(format, out)
    source = _source(model)
    signals = {"random signals": random_signals(source.graph.n_samples, source.graph.n_leads)}
    prepared = _data_of(data, model)
    if prepared is not None:
        source.check_data(prepared)
        records = some_records(prepared.validation.signals_uv)
        signals[f"{len(records)} validation records"] = records
        print(headline(prepared))
    differences = export(source.graph, source.metadata, out, to=to, reference=source.predict, signals_uv=signals)
    for name, difference in differences.items():
        print(f"largest difference from torch on {name}: {difference:.1e}")
    if prepared is None:
        print("not checked on real records: give them with --data DIR")
    shape = f"{INPUT} (batch, {source.graph.n_samples}, {source.graph.n_leads}) float32 millivolts"
    mark = " (SYNTHETIC data)" if source.metadata["synthetic"] == "true" else ""
    print(f"wrote {out}{mark}: {out.stat().st_size / 1e6:.1f} MB, {shape} -> {', '.join(source.graph.outputs)}")


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        module: Maps millivolts (batch, n_samples, n_leads) to logits: the model as Python uses it.
        platt: Slope and intercept of each class, (n_classes, 2); no rows where nothing was fitted.
    """

    path: str
    module: nn.Module
    platt: NDArray[np.float64]
    graph: Graph
    metadata: dict[str, str]
    facts: dict[str, object]

    def predict(self, signal_mv: NDArray[np.float32]) -> Sequence[NDArray[np.floating]]:
        """Predict as Python does; probabilities (batch, n_classes), and the calibrated ones where there are any."""
        (probabilities,) = model_run(self.module)(signal_mv)
        return [probabilities, platt_scaled(probabilities.astype(np.float64), self.platt)] if len(self.platt) else [probabilities]

    def check_data(self, data: PreparedData) -> None:
        """Refuse records that the model does not take.

        Raises:
            DataError: Other leads, sampling rate or length.
        """
        found = {"leads": list(data.leads), "sampling_rate_hz": data.sampling_rate_hz, "n_samples": data.n_samples}
        for name, value in found.items():
            if value != self.facts[name]:
                raise DataError(
                    f"{self.path} takes records with {name} {self.facts[name]}, but {data.folder} has {value}: give its own data"
                )


def _source(path: str) -> Source:
    """Load what a file holds.

    Raises:
        DataError: Not a model or an ensemble, or one whose weights or facts don't fit together.
    """
    try:
        return _ensemble(Path(path)) if path.endswith(".json") else _model(path)
    except UsageError:
        raise  # says it already
    except (RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} can't be used ({type(error).__name__}: {reason}): train or retrain it again") from error


def _model(path: str) -> Source:
    saved = load_saved(path)
    predictor = build_predictor(saved)
    _check_exportable(predictor, path)
    graph = Graph([predictor], n_samples=int(saved.data["n_samples"]), platt=saved.platt)
    return Source(path, predictor, predictor.platt, graph, model_metadata(saved), saved.data)


def _ensemble(path: Path) -> Source:
    ensemble, _ = build_ensemble(path)
    _check_exportable(ensemble, str(path))
    saved, predictors = ensemble.saved, [member for member in ensemble.members if isinstance(member, Predictor)]
    weights = [member.weight for member in saved.members]
    graph = Graph(predictors, n_samples=int(saved.data["n_samples"]), weights=weights, platt=saved.platt)
    members = [
        {
            "name": member.name,
            "file": member.file,
            "weight": member.weight,
            "family": predictor.config.family,
            "config": portable_config(predictor.config),
        }
        for member, predictor in zip(saved.members, predictors, strict=True)
    ]
    metadata = ensemble_metadata(
        saved.data,
        name=path.stem,
        seed=saved.seed,
        trained_on=saved.trained_on,
        members=members,
        thresholds=saved.thresholds,
        platt=saved.platt,
    )
    return Source(str(path), ensemble, ensemble.platt, graph, metadata, saved.data)


def _check_exportable(predictor: Predictor | EnsemblePredictor, path: str) -> None:
    if predictor.stored_images:
        raise DataError(
            f"{path} takes stored images, which an exported file can't make from millivolts: export a model that takes signals or computes "
            "its images, or predict in Python with ecg_tune.predict(model, split)"
        )


def _data_of(data: str | None, model: str) -> PreparedData | None:
    """Open the data to check on: those that are given, or those of the study in whose models/ the file lies."""
    if data is not None:
        return open_prepared(data)
    study = Path(model).absolute().parent.parent
    if "://" in model or not Study.exists(study):
        return None
    try:
        return open_study_data(study, None)
    except UsageError as error:
        print(f"the study's data can't be opened ({error})")
        return None
