"""The names that scripts use, step by step: load a model, choose an ensemble, get the test split, evaluate, write.

`main` does the same in one call, with intervals; `ecg-tune evaluate` is that on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.evaluation.evaluate import evaluate, get_test_loader, open_config_data
from analysis.evaluation.metrics import ECGMetrics, Metrics
from analysis.evaluation.plots.figures import draw_predictions
from analysis.evaluation.provenance import figure_note, provenance_of
from analysis.evaluation.report.text_reports import DETAILED_FILE, SUMMARY_FILE, detailed_text, summary_text, write_text
from analysis.evaluation.result import EvaluationResult
from analysis.evaluation.tables import generate_best_model_table
from analysis.retraining.candidates import (
    Candidate,
    Ranking,
    check_fit,
    check_reference_models,
    check_runs,
    find_candidates,
    without_weights,
)
from analysis.retraining.ensemble import make_ensemble as choose_and_write
from analysis.retraining.ensemble_file import ENSEMBLE, ENSEMBLE_FILE, members_of
from analysis.retraining.ensemble_predictor import EnsemblePredictor, build_ensemble
from ecg_tune.config import Config, as_instance, check_choice
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models import MODELS
from ecg_tune.training.model_file import checked_predictor, load_saved
from ecg_tune.training.predictor import Predictor

GIVEN_RULE = "those the script used, listed for each model in DETAILED_METRICS_REPORT.txt"


class ModelResult(dict[str, dict[str, float]]):
    """The metrics of one model, a plain dict, with what they were computed from.

    Attributes:
        labels: (n_records, n_classes) of 0/1.
        probabilities: (n_records, n_classes).
        thresholds: (n_classes,).
        validation_macro_auc: Of the checkpoint; NaN unless `evaluate_all_models` filled it in.
        fitted_on_validation: An ensemble, whose members were chosen on the records of `validation_macro_auc`.
    """

    def __init__(self, metrics: Metrics, *, labels: Any, probabilities: Any, thresholds: Any) -> None:
        super().__init__(metrics)
        self.labels, self.probabilities, self.thresholds = labels, probabilities, thresholds
        self.validation_macro_auc = float("nan")
        self.fitted_on_validation = False


def load_model(
    name: Path | str, checkpoint_path: Path | str | None = None, config: Config | type[Config] | None = None
) -> tuple[Predictor | EnsemblePredictor, str]:
    """Load a model file; return its predictor and its type: "signal", "image" or "fusion".

    `load_model("checkpoints/ResNet1D_best.pth")` is enough; `load_model("ResNet1D", "checkpoints/ResNet1D_best.pth", config)` also
    checks the name. A predictor takes the raw signal (batch, n_samples, n_leads) in millivolts and returns logits (batch, n_classes).
    Its `thresholds` are those of the file, from validation.

    Args:
        name: The name the file must carry, e.g. "ResNet1D"; or the file, when there is no `checkpoint_path`.
        checkpoint_path: A `<Name>_best.pth` or a seed's file; for the "Ensemble" its .json, in the folder of its members.
        config: Says where the model goes (`DEVICE`); None for `Config()`.

    Raises:
        DataError: Not a model file, or one of another model; or a member of the ensemble is not what it was.
    """
    location = name if checkpoint_path is None else checkpoint_path  # may be an s3:// URI, which a Path would break
    wanted, device = None if checkpoint_path is None else str(name), as_instance(config).DEVICE
    if str(location).endswith(".json"):
        _check_name(ENSEMBLE, wanted, location)
        ensemble, model_type = build_ensemble(Path(location))
        return ensemble.to(device), model_type
    saved = load_saved(location)
    _check_name(saved.name, wanted, location)
    return checked_predictor(saved, location).to(device), MODELS[saved.config.family].inputs


def _check_name(name_in_file: str, wanted: str | None, location: Path | str) -> None:
    if wanted not in (None, name_in_file):
        raise DataError(f"{location} holds the model {name_in_file!r}, but {wanted!r} was asked for: pass its own name or file")


def evaluate_model(
    model: nn.Module, loader: Iterable[tuple[Tensor, ...]], model_type: str, metrics: ECGMetrics, device: str | torch.device
) -> ModelResult:
    """Predict a loader's records with one model, and compute its metrics.

    Args:
        loader: Batches of (signal in mV, labels), maybe with stored images between, as `get_test_loader` gives them.
        model_type: What `load_model` returned; every type takes the same batches.
        metrics: Carries the thresholds.
    """
    check_choice("model type", model_type, sorted({row.inputs for row in MODELS.values()}))
    model.to(device).eval()
    batches, label_batches = [], []
    with torch.inference_mode():
        for *inputs, labels in loader:
            batches.append(model(*(own.to(device) for own in inputs)).sigmoid().cpu())
            label_batches.append(labels.cpu())
    if not batches:
        raise DataError("the loader gave no batch: evaluate on a split that holds records")
    truth, probabilities = torch.cat(label_batches).numpy().astype(np.uint8), torch.cat(batches).double().numpy()
    computed = metrics.calculate_metrics(truth, probabilities)
    return ModelResult(computed, labels=truth, probabilities=probabilities, thresholds=metrics.thresholds)


def make_ensemble(config: Config | type[Config]) -> Path | None:
    """Choose an ensemble of the models in `config.SAVE_DIR` on validation, and write its files there, without opening the test split.

    `ecg-tune retrain` has done this for a study's models; call it for models trained one by one.

    Returns:
        Its file, for `load_model`; None where there are fewer than two trainings.

    Raises:
        DataError: No models, models of other data, or one that does not run.
    """
    config = as_instance(config)
    data, candidates = open_config_data(config), find_candidates(config.SAVE_DIR)
    check_fit(candidates, data)
    check_reference_models(candidates)
    check_runs(candidates, data, config.DEVICE)
    written = choose_and_write(config.SAVE_DIR, candidates, data, device=config.DEVICE)
    return config.SAVE_DIR / written["file"] if written else None


def evaluate_all_models(
    models: Mapping[str, Path | str] | Config | type[Config] | None = None,
    config: Config | type[Config] | ECGMetrics | None = None,
    metrics: ECGMetrics | None = None,
) -> dict[str, ModelResult]:
    """Evaluate models on the test split of `config.DATA_DIR`, which is opened once.

    `evaluate_all_models(config)` takes every `<Name>_best.pth` of `config.SAVE_DIR`, highest validation macro AUC first, and last the
    ensemble, where `ecg-tune retrain` or `make_ensemble` has written its file. `evaluate_all_models(models, config)` takes those that are
    named, in their order.

    Args:
        models: {what the results call it: its model file, or an ensemble's .json}. Or the config, and maybe the metrics after it.
        config: A `Config`, or a class of them; None for `Config()`.
        metrics: Its thresholds hold for all models; None takes each checkpoint's own F1 thresholds from validation.

    Raises:
        ConfigError: What is given for a model is no path.
        DataError: No models, no model file, or a model of other data. The test split stays sealed then.
    """
    if not isinstance(models, Mapping):
        metrics = config if isinstance(config, ECGMetrics) else metrics
        config, models = config if models is None else models, None
    settings = as_instance(config)  # type: ignore[arg-type]  # refuses metrics
    data, files = open_config_data(settings), _files_in(settings.SAVE_DIR) if models is None else _checked_files(models)
    candidates = [
        members_of(path) if _is_ensemble(path) else Candidate(name, (path,), (without_weights(path),), (path,))
        for name, path in files.items()
    ]
    check_fit(candidates, data)
    check_runs(candidates, data, settings.DEVICE)
    loader, results = get_test_loader("signal", settings), dict[str, ModelResult]()
    for (name, path), candidate in zip(files.items(), candidates, strict=True):
        model, model_type = load_model(path, config=settings)
        own = metrics or ECGMetrics(data.class_names, model.thresholds["f1"])
        results[name] = evaluate_model(model, loader, model_type, own, settings.DEVICE)
        joined = model.saved if isinstance(model, EnsemblePredictor) else None
        results[name].validation_macro_auc = (joined or candidate.seeds[0]).validation_macro_auc
        results[name].fitted_on_validation = joined is not None
    return results


def _files_in(folder: Path) -> dict[str, Path]:
    """List the models of a folder, the best on validation first, and its ensemble."""
    files = {candidate.name: candidate.files[0] for candidate in find_candidates(folder, manifest=False)}
    return {**files, **({ENSEMBLE: folder / ENSEMBLE_FILE} if (folder / ENSEMBLE_FILE).is_file() else {})}


def _checked_files(models: Mapping[str, Path | str]) -> dict[str, Path]:
    for name, path in models.items():
        if not isinstance(path, str | Path):
            raise ConfigError(f"models must be {{name: model file}}, but {name!r} is a {type(path).__name__}: give its path")
    if not models:
        raise DataError("there is no model to evaluate: give {name: model file} with one or more")
    return {name: Path(path) for name, path in models.items()}


def _is_ensemble(path: Path) -> bool:
    return path.suffix == ".json"


def best_model(results: Mapping[str, ModelResult]) -> str:
    """Name the model with the highest validation macro AUC, never an ensemble; the test metrics have no say."""
    return max(
        (name for name in results if not results[name].fitted_on_validation),
        key=lambda name: np.nan_to_num(results[name].validation_macro_auc, nan=-1.0),
    )


def generate_best_model_analysis(
    results: Mapping[str, ModelResult],
    best: str | None = None,
    config: Config | type[Config] | None = None,
    output_dir: Path | str = "results",
) -> list[Path]:
    """Write table 05, the detailed report and the figures 08 to 10 of the best model; return the files.

    Args:
        results: Of `evaluate_all_models`, or {model: what `evaluate_model` returns}.
        best: The model; None for `best_model(results)`.
        config: Names data and models in the report; None for `Config()`.
        output_dir: Where the files are written.

    Raises:
        ConfigError: `best` is none of the results.
        DataError: `best` is left out, and the results do not say how good the models are on validation.
    """
    best, settings = _chosen(results, best), as_instance(config)
    provenance = provenance_of(open_config_data(settings), study=str(settings.SAVE_DIR), threshold_rule=GIVEN_RULE)
    names, chosen, out = provenance.class_names, results[best], Path(output_dir)
    generate_best_model_table(results, best, out, class_names=names)
    thresholds = {name: {"thresholds as used": result.thresholds} for name, result in results.items()}
    detail = write_text(detailed_text(results, {}, provenance, best=best, thresholds=thresholds), out / DETAILED_FILE)
    probabilities = {name: [result.probabilities] for name, result in results.items()}
    figures = draw_predictions(chosen.labels, probabilities, chosen, out, best=best, class_names=names, note=figure_note(provenance))
    return [out / "05_best_model_detailed.csv", detail, *figures]


def save_summary_report(
    results: Mapping[str, ModelResult],
    best: str | None = None,
    config: Config | type[Config] | None = None,
    output_dir: Path | str = "results",
) -> Path:
    """Write `EVALUATION_SUMMARY.txt` and return its path; arguments and errors as `generate_best_model_analysis`."""
    best, settings = _chosen(results, best), as_instance(config)
    provenance = provenance_of(open_config_data(settings), study=str(settings.SAVE_DIR), threshold_rule=GIVEN_RULE)
    rankings = [
        Ranking(name, 1, result.validation_macro_auc, float("nan"), fitted_on_validation=result.fitted_on_validation)
        for name, result in results.items()
    ]
    return write_text(summary_text(results, rankings, provenance, best=best), Path(output_dir) / SUMMARY_FILE)


def _chosen(results: Mapping[str, ModelResult], best: str | None) -> str:
    """Check the name of the best model, or find it by validation."""
    if best is None:
        if all(np.isnan(result.validation_macro_auc) for result in results.values()):
            raise DataError("the results do not say how good the models are on validation: give best=…, or evaluate by evaluate_all_models")
        return best_model(results)
    if best not in results:
        raise ConfigError(f"best must be a model of the results, {', '.join(results)}, but got {best!r}: give a folder as output_dir=…")
    return best


def main(config: Config | type[Config] | None = None, output_dir: Path | str = "results") -> EvaluationResult:
    """Evaluate the models of `config.SAVE_DIR` on `config.DATA_DIR` and write everything to `output_dir`."""
    settings = as_instance(config)
    data = open_config_data(settings)
    return evaluate(settings.SAVE_DIR, data, Path(output_dir), study=str(settings.SAVE_DIR), device=settings.DEVICE)
