"""The evaluation of a folder of models on the sealed test part, opened once.

Nothing is chosen here: thresholds and the best model come from the validation part, by way of the model files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.bootstrap import Run, intervals, patient_weights
from analysis.candidates import Candidate, check_fit, find_candidates, rehearse
from analysis.ecg_metrics import ECGMetrics, Metrics, mean_metrics
from analysis.evaluated import Bootstrap, Evidence, Standing, evidence_of, figure_note
from analysis.report import DETAILED_FILE, SUMMARY_FILE, detailed_text, summary_text, write_text
from analysis.tables import (
    THRESHOLDED,
    Intervals,
    generate_best_model_table,
    generate_macro_table,
    generate_per_class_tables,
    predictions_table,
)
from analysis.visualizations import draw_answers, generate_visualizations
from ecg_tune.config import Config, check_choice, check_range
from ecg_tune.data.loaders import BatchLoader, create_signal_dataloader
from ecg_tune.data.prepared import LEDGER, Part, PreparedData, ledger_entries, open_prepared, open_test, read_ledger
from ecg_tune.metrics import Array
from ecg_tune.training.checkpoint import build_predictor, load_saved
from ecg_tune.training.predictor import predict_probabilities

MODEL_TYPES = ("signal", "image", "fusion")
HALF = "_at_0.5"
PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        best: The model with the highest validation macro AUC.
        standings: The models, best first, with their validation results.
        metrics: {model: mean over seeds of `ECGMetrics.calculate_metrics`} at the F1 thresholds of validation.
        metrics_at_half: The same at 0.5.
        intervals: {model: {"macro_avg" or class: {metric: Interval}}} for `metrics`.
    """

    best: str
    standings: tuple[Standing, ...]
    metrics: dict[str, Metrics]
    metrics_at_half: dict[str, Metrics]
    intervals: Intervals
    evidence: Evidence
    out: Path


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
        seed: Seed of the resampling.
        progress: Called with one line a stage.

    Raises:
        DataError: No models, models of other data, or one that does not run. The test part stays closed then.
        ConfigError: No such device.
    """
    tell = progress or (lambda line: None)
    check_range("bootstrap resamples", n_bootstrap, 1, 1_000_000)
    candidates = find_candidates(models_folder)
    check_fit(candidates, data)
    rehearse(candidates, data, device)
    out.mkdir(parents=True, exist_ok=True)
    part = open_test(data, "evaluate", study)
    openings = read_ledger(data) if ledger_folder is None else merge_ledger(data, ledger_folder)
    runs: dict[str, list[Run]] = {}
    for candidate in candidates:
        tell(f"{candidate.name}: {len(candidate.files)} seed(s) on {len(part)} test records")
        runs[candidate.name] = _runs(candidate, part, device)
    tell(f"bootstrap: {n_bootstrap} resamples of patients")
    evidence = dataclasses.replace(evidence_of(data, study=study, bootstrap=Bootstrap(n_bootstrap, seed)), openings=openings)
    result = _result(candidates, part, runs, evidence, out)
    tell(f"writing {out}")
    _write(result, candidates, part, runs)
    return result


def _result(
    candidates: Sequence[Candidate], part: Part, runs: Mapping[str, Sequence[Run]], evidence: Evidence, out: Path
) -> EvaluationResult:
    names, bootstrap = evidence.class_names, evidence.bootstrap
    assert bootstrap is not None, "an evaluation always has intervals"
    weights = patient_weights(part.records["patient_id"], n_resamples=bootstrap.n_resamples, seed=bootstrap.seed)
    return EvaluationResult(
        best=candidates[0].name,
        standings=tuple(candidate.standing for candidate in candidates),
        metrics={name: _mean_over_seeds(part, several, names) for name, several in runs.items()},
        metrics_at_half={name: _mean_over_seeds(part, several, names, threshold=0.5) for name, several in runs.items()},
        intervals={name: intervals(part.labels, several, weights, class_names=names) for name, several in runs.items()},
        evidence=evidence,
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


def _runs(candidate: Candidate, part: Part, device: str) -> list[Run]:
    """Return every seed's answers; one model is in memory at a time."""
    found = []
    for path in candidate.files:
        saved = load_saved(path)
        probabilities = predict_probabilities(build_predictor(saved), part.signals_uv, device=device)
        found.append(Run(probabilities, np.asarray(saved.thresholds["f1"], dtype=np.float64)))
    return found


def _mean_over_seeds(part: Part, runs: Sequence[Run], class_names: Sequence[str], *, threshold: float | None = None) -> Metrics:
    return mean_metrics(
        [
            ECGMetrics(class_names, run.thresholds if threshold is None else threshold).calculate_metrics(part.labels, run.probabilities)
            for run in runs
        ]
    )


def _write(result: EvaluationResult, candidates: Sequence[Candidate], part: Part, runs: Mapping[str, Sequence[Run]]) -> None:
    out, names, best, evidence = result.out, result.evidence.class_names, result.best, result.evidence
    generate_macro_table(result.metrics, out, intervals=result.intervals)
    generate_macro_table(result.metrics_at_half, out, suffix=HALF)
    generate_per_class_tables(result.metrics, out, class_names=names)
    generate_per_class_tables(result.metrics_at_half, out, class_names=names, metrics=THRESHOLDED, suffix=HALF)
    generate_best_model_table(result.metrics, best, out, class_names=names, intervals=result.intervals)
    answers: dict[str, Array] = {}
    thresholds: dict[str, dict[str, Array]] = {}
    for candidate in candidates:
        pairs = list(zip(candidate.seeds, runs[candidate.name], strict=True))
        answers |= {f"{candidate.name}_seed{saved.seed}": run.probabilities for saved, run in pairs}
        thresholds[candidate.name] = {f"seed {saved.seed}": run.thresholds for saved, run in pairs}
    predictions_table(part.labels, part.records, answers, class_names=names).to_csv(out / PREDICTIONS, index=False, lineterminator="\n")
    summary = summary_text(result.metrics, result.standings, evidence, best=best, intervals=result.intervals)
    write_text(summary, out / SUMMARY_FILE)
    at_half, limits = result.metrics_at_half, result.intervals
    write_text(detailed_text(result.metrics, at_half, evidence, best=best, thresholds=thresholds, intervals=limits), out / DETAILED_FILE)
    scores = {name: [run.probabilities for run in several] for name, several in runs.items()}
    note = figure_note(evidence)
    generate_visualizations(result.metrics, out, class_names=names, best=best, intervals=result.intervals, note=note)
    draw_answers(part.labels, scores, result.metrics[best], out, class_names=names, best=best, note=note)
