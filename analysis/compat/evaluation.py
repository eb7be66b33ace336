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
from analysis.retraining.candidates import Ranking, check_fit, check_reference_models, check_runs, find_candidates
from analysis.retraining.ensemble import make_ensemble as choose_and_write
from analysis.retraining.ensemble_file import ENSEMBLE, ENSEMBLE_FILE, members_of
from analysis.retraining.ensemble_predictor import EnsemblePredictor, build_ensemble
from ecg_tune.config import Config, as_instance, check_choice
from ecg_tune.errors import DataError
from ecg_tune.models import MODELS
from ecg_tune.training.model_file import build_predictor, checked_predictor, load_saved
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


def evaluate_all_models(config: Config | type[Config], metrics: ECGMetrics | None = None) -> dict[str, ModelResult]:
    """Evaluate every `<Name>_best.pth` of `config.SAVE_DIR`, highest validation macro AUC first. Opens the test split once.

    The ensemble comes last, where `ecg-tune retrain` or `make_ensemble` has written its file.

    Args:
        metrics: Its thresholds hold for all models; None takes each checkpoint's own F1 thresholds from validation.
    """
    config = as_instance(config)
    data = open_config_data(config)
    candidates = find_candidates(config.SAVE_DIR, manifest=False)
    ensemble_file = config.SAVE_DIR / ENSEMBLE_FILE
    models = [*candidates, *([members_of(ensemble_file)] if ensemble_file.is_file() else [])]
    check_fit(models, data)
    check_runs(models, data, config.DEVICE)
    loader = get_test_loader("signal", config)
    results = {}
    for candidate in candidates:
        (path,), (saved,) = candidate.files, candidate.seeds
        model, model_type = build_predictor(load_saved(path)), MODELS[saved.config.family].inputs
        own = metrics or ECGMetrics(data.class_names, saved.thresholds["f1"])
        results[candidate.name] = evaluate_model(model, loader, model_type, own, config.DEVICE)
        results[candidate.name].validation_macro_auc = saved.validation_macro_auc
    if ensemble_file.is_file():
        ensemble, model_type = build_ensemble(ensemble_file)
        own = metrics or ECGMetrics(data.class_names, ensemble.thresholds["f1"])
        results[ENSEMBLE] = evaluate_model(ensemble, loader, model_type, own, config.DEVICE)
        results[ENSEMBLE].validation_macro_auc = ensemble.saved.validation_macro_auc
        results[ENSEMBLE].fitted_on_validation = True
    return results


def best_model(results: Mapping[str, ModelResult]) -> str:
    """Name the model with the highest validation macro AUC, never an ensemble; the test metrics have no say."""
    return max(
        (name for name in results if not results[name].fitted_on_validation),
        key=lambda name: np.nan_to_num(results[name].validation_macro_auc, nan=-1.0),
    )


def generate_best_model_analysis(
    results: Mapping[str, ModelResult], best: str, config: Config | type[Config], output_dir: Path | str
) -> list[Path]:
    """Write table 05, the detailed report and the figures 08 to 10 of the best model; return the files."""
    provenance = provenance_of(open_config_data(config), study=str(config.SAVE_DIR), threshold_rule=GIVEN_RULE)
    names, chosen, out = provenance.class_names, results[best], Path(output_dir)
    generate_best_model_table(results, best, out, class_names=names)
    thresholds = {name: {"thresholds as used": result.thresholds} for name, result in results.items()}
    detail = write_text(detailed_text(results, {}, provenance, best=best, thresholds=thresholds), out / DETAILED_FILE)
    probabilities = {name: [result.probabilities] for name, result in results.items()}
    figures = draw_predictions(chosen.labels, probabilities, chosen, out, best=best, class_names=names, note=figure_note(provenance))
    return [out / "05_best_model_detailed.csv", detail, *figures]


def save_summary_report(results: Mapping[str, ModelResult], best: str, config: Config | type[Config], output_dir: Path | str) -> Path:
    """Write `EVALUATION_SUMMARY.txt` and return its path."""
    provenance = provenance_of(open_config_data(config), study=str(config.SAVE_DIR), threshold_rule=GIVEN_RULE)
    rankings = [
        Ranking(name, 1, result.validation_macro_auc, float("nan"), fitted_on_validation=result.fitted_on_validation)
        for name, result in results.items()
    ]
    return write_text(summary_text(results, rankings, provenance, best=best), Path(output_dir) / SUMMARY_FILE)


def main(config: Config | type[Config] | None = None, output_dir: Path | str = "results") -> EvaluationResult:
    """Evaluate the models of `config.SAVE_DIR` on `config.DATA_DIR` and write everything to `output_dir`."""
    settings = as_instance(config)
    data = open_config_data(settings)
    return evaluate(settings.SAVE_DIR, data, Path(output_dir), study=str(settings.SAVE_DIR), device=settings.DEVICE)
