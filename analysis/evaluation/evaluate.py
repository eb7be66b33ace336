"""The evaluation of a folder of models on the sealed test part, opened once.

Nothing is chosen here: thresholds and the best model come from the validation part, by way of the model files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.evaluation.candidates import Candidate, check_fit, check_judged, find_candidates, rehearse
from analysis.evaluation.errors.error_analysis import error_tables
from analysis.evaluation.explanations.model_explanations import EXPLANATIONS, explain
from analysis.evaluation.files import write_evaluation
from analysis.evaluation.metrics import ECGMetrics, Metrics, mean_metrics
from analysis.evaluation.predictions import ModelPredictions, ask
from analysis.evaluation.provenance import Bootstrap, Provenance, provenance_of
from analysis.evaluation.result import COST, FITTED, MEMBERS, AtThresholds, EvaluationResult, fitted_table, statistics
from analysis.evaluation.statistics.bootstrap import Run, intervals, mean_over_runs, patient_weights
from analysis.evaluation.statistics.cost_table import cost_table
from analysis.evaluation.thresholds import SENSITIVITY_TARGET
from analysis.retraining.ensemble import ENSEMBLE, ensemble_cost, ensemble_predictions, ensemble_ranking, ensemble_table
from analysis.retraining.ensemble_file import ENSEMBLE_FILE, keep_ensemble
from ecg_tune.config import Config, check_choice, check_range
from ecg_tune.data.loaders import BatchLoader, create_signal_dataloader
from ecg_tune.data.prepared.dataset import PreparedData, Split, open_prepared, open_test, read_ledger
from ecg_tune.data.prepared.ledger import LEDGER, ledger_entries
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array

MODEL_TYPES = ("signal", "image", "fusion")


def get_test_loader(model_type: str, config: Config) -> BatchLoader:
    """Open the seal (one ledger line) and return the test part's batches.

    Every model type gets the raw signal, since a predictor makes crops and images itself: (signal in mV
    (batch, n_samples, n_leads) float32, labels (batch, n_classes) float32), in the part's order at each pass.

    Args:
        model_type: "signal", "image" or "fusion", as `load_model` returns it.
    """
    check_choice("model type", model_type, MODEL_TYPES)
    part = open_test(open_prepared(config.data_dir), "evaluate", str(config.save_dir))
    return create_signal_dataloader(part, batch_size=config.BATCH_SIZE, device=config.DEVICE)


def evaluate(
    models_folder: Path,
    data: PreparedData,
    out: Path,
    *,
    study: str,
    ledger_folder: Path | None = None,
    device: str = "cpu",
    n_bootstrap: int = 1000,
    sensitivity_target: float = SENSITIVITY_TARGET,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> EvaluationResult:
    """Evaluate every model of a folder on the test part and write tables, figures, reports and predictions.

    Args:
        models_folder: `STUDY/models`, or a folder of `<Name>_best.pth`.
        out: Where the files go; made when missing.
        study: What ledger and reports call it.
        ledger_folder: The study's folder, which gets a copy of the ledger; None for none.
        n_bootstrap: Resamples of the intervals; 1000 or more for a report.
        sensitivity_target: What the third set of thresholds is to reach on validation, above 0, at most 1.
        seed: Seed of the resampling.
        progress: Called with one line a stage.

    Raises:
        DataError: No models, models of other data, one that does not run, or fewer than 2 test patients. The test part stays closed then.
        ConfigError: No such device.
    """
    tell = progress or (lambda line: None)
    check_range("bootstrap resamples", n_bootstrap, 1, 1_000_000)
    check_range("sensitivity target", sensitivity_target, 0.01, 1.0)
    candidates, provenance = _before_opening(models_folder, data, study=study, bootstrap=Bootstrap(n_bootstrap, seed), device=device)
    out.mkdir(parents=True, exist_ok=True)
    part = open_test(data, "evaluate", study)
    openings = read_ledger(data) if ledger_folder is None else merge_ledger(data, ledger_folder)
    provenance = dataclasses.replace(provenance, openings=openings)
    predictions = _ask_all(candidates, data, part, tell, sensitivity_target=sensitivity_target, device=device)
    joined = _join(predictions, data.validation, tell, sensitivity_target=sensitivity_target)
    if joined:
        _keep(models_folder, predictions[ENSEMBLE], candidates, joined, tell, sensitivity_target=sensitivity_target)
    tell(f"bootstrap: {n_bootstrap} resamples of patients")
    weights = patient_weights(part.records["patient_id"], n_resamples=n_bootstrap, seed=seed)
    result = _result(candidates, predictions, part, weights, provenance, sensitivity_target=sensitivity_target, out=out)
    tables = _more_tables(candidates, predictions, joined, data, part, weights, best=result.best, device=device)
    tell("explaining a few answers")
    tables[EXPLANATIONS], drawn = explain(candidates, data, part, predictions, device=device)
    result = dataclasses.replace(result, tables=result.tables | tables, explanations=tuple(drawn))
    tell(f"writing {out}")
    write_evaluation(result, data, part, predictions, weights)
    return result


def _before_opening(
    models_folder: Path, data: PreparedData, *, study: str, bootstrap: Bootstrap, device: str
) -> tuple[list[Candidate], Provenance]:
    """Return the models and what their evaluation will stand on, when nothing is in its way that can be known beforehand."""
    candidates = find_candidates(models_folder)
    check_fit(candidates, data)
    check_judged(candidates)
    provenance = provenance_of(data, study=study, bootstrap=bootstrap)
    if provenance.n_patients < 2:
        raise DataError(f"the test part holds {provenance.n_patients} patient: intervals resample patients, an evaluation needs 2 or more")
    rehearse(candidates, data, device)
    trained_on = ", ".join(sorted({saved.trained_on for candidate in candidates for saved in candidate.seeds}))
    return candidates, dataclasses.replace(provenance, trained_on=trained_on)


def _ask_all(
    candidates: Sequence[Candidate],
    data: PreparedData,
    part: Split,
    tell: Callable[[str], None],
    *,
    sensitivity_target: float,
    device: str,
) -> dict[str, ModelPredictions]:
    predictions = {}
    for candidate in candidates:
        tell(f"{candidate.name}: {len(candidate.files)} seed(s) on {len(part)} test records")
        predictions[candidate.name] = ask(candidate, data.validation, part, sensitivity_target=sensitivity_target, device=device)
    return predictions


def _join(
    predictions: dict[str, ModelPredictions], validation: Split, tell: Callable[[str], None], *, sensitivity_target: float
) -> dict[str, float]:
    """Add the ensemble to the answers and return its weights; none where there is nothing to join."""
    if len(predictions) < 2 or ENSEMBLE in predictions:
        return {}
    predictions[ENSEMBLE], weights = ensemble_predictions(predictions, validation, sensitivity_target=sensitivity_target)
    tell(f"{ENSEMBLE}, chosen on validation: " + ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items()))
    return weights


def _keep(
    folder: Path,
    ensemble: ModelPredictions,
    candidates: Sequence[Candidate],
    joined: Mapping[str, float],
    tell: Callable[[str], None],
    *,
    sensitivity_target: float,
) -> None:
    """Write the ensemble beside its members, so that it can be loaded; a folder that can't be written to costs no report."""
    try:
        keep_ensemble(folder, ensemble, candidates, joined, target=sensitivity_target)
    except OSError as error:
        tell(f"{folder / ENSEMBLE_FILE} can't be written ({error}): the ensemble is in the report, but can't be loaded")


def _more_tables(
    candidates: Sequence[Candidate],
    predictions: Mapping[str, ModelPredictions],
    joined: Mapping[str, float],
    data: PreparedData,
    part: Split,
    weights: Array,
    *,
    best: str,
    device: str,
) -> dict[str, pd.DataFrame]:
    """Return the tables beside the test part's statistics: what was fitted, mistakes, costs, the ensemble's members."""
    split = str(data.manifest["split"])
    tables = {FITTED: fitted_table(predictions, data.validation, split=split, class_names=data.class_names)}
    tables |= error_tables(data, part, predictions, weights, best=best)
    tables[COST] = cost_table(candidates, data, device=device)
    if joined:
        tables[MEMBERS] = ensemble_table(joined, predictions, data.validation, split=split)
        tables[COST] = ensemble_cost(tables[COST], joined)
    return tables


def _result(
    candidates: Sequence[Candidate],
    predictions: Mapping[str, ModelPredictions],
    part: Split,
    weights: Array,
    provenance: Provenance,
    *,
    sensitivity_target: float,
    out: Path,
) -> EvaluationResult:
    """Return all that follows from the models' answers on the test part."""
    resamples = {name: mean_over_runs(part.labels, model.runs, weights) for name, model in predictions.items()}
    at_f1 = _at_f1(part, predictions, resamples, provenance)
    best = candidates[0].name  # an ensemble stands behind them and is never chosen
    joined = [ensemble_ranking(predictions[name]) for name in predictions if name not in {candidate.name for candidate in candidates}]
    return EvaluationResult(
        best=best,
        rankings=(*(candidate.ranking for candidate in candidates), *joined),
        at_f1=at_f1,
        at_half=_at(part, {name: model.runs_at_half for name, model in predictions.items()}, resamples, weights, provenance),
        at_sensitivity=_at(part, {name: model.runs_at_sensitivity for name, model in predictions.items()}, resamples, weights, provenance),
        tables=statistics(part, predictions, resamples, weights, at_f1.metrics, best=best, class_names=provenance.class_names),
        sensitivity_target=sensitivity_target,
        provenance=provenance,
        out=out,
    )


def merge_ledger(data: PreparedData, folder: Path) -> list[dict[str, str]]:
    """Add the openings of this content's test part to those a study knows, and return all of them, oldest first.

    The data may have been prepared again elsewhere, with a ledger of its own: neither side's lines are lost.
    """
    lines = {json.dumps(line, sort_keys=True): line for line in [*ledger_entries(folder, data.fingerprint), *read_ledger(data)]}
    merged = sorted(lines.values(), key=lambda line: line["time"])
    scratch = folder / f".{LEDGER}.part"
    scratch.write_text("".join(json.dumps(line) + "\n" for line in merged), encoding="utf-8")
    scratch.replace(folder / LEDGER)
    return merged


def _at_f1(
    part: Split, predictions: Mapping[str, ModelPredictions], resamples: Mapping[str, Mapping[str, Array]], provenance: Provenance
) -> AtThresholds:
    names = provenance.class_names
    metrics = {name: _mean_over_seeds(part, model.runs, names) for name, model in predictions.items()}
    return AtThresholds(metrics, {name: intervals(part.labels, values, class_names=names) for name, values in resamples.items()})


def _at(
    part: Split,
    runs: Mapping[str, Sequence[Run]],
    ranks: Mapping[str, Mapping[str, Array]],
    weights: Array,
    provenance: Provenance,
) -> AtThresholds:
    names, metrics, limits = provenance.class_names, {}, {}
    for name, several in runs.items():
        metrics[name] = _mean_over_seeds(part, several, names)
        values = mean_over_runs(part.labels, several, weights, known_ranks=ranks[name])
        limits[name] = intervals(part.labels, values, class_names=names)
    return AtThresholds(metrics, limits)


def _mean_over_seeds(part: Split, runs: Sequence[Run], class_names: Sequence[str]) -> Metrics:
    return mean_metrics([ECGMetrics(class_names, run.thresholds).calculate_metrics(part.labels, run.probabilities) for run in runs])
