"""The result of an evaluation: metrics, intervals and statistics of all models on the test split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.evaluation.ensemble_table import ensemble_ranking
from analysis.evaluation.explanations.model_explanations import ModelExplanation
from analysis.evaluation.metrics import ECGMetrics, Metrics, mean_metrics
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import Provenance
from analysis.evaluation.statistics.bootstrap import ThresholdedPredictions, intervals, mean_over_seeds
from analysis.evaluation.statistics.calibration_table import calibration_table
from analysis.evaluation.statistics.decision import decision_table
from analysis.evaluation.statistics.paired_tests import ComparedModel, paired_table
from analysis.evaluation.statistics.subgroups import subgroup_table
from analysis.evaluation.tables import Intervals, patients_as_known
from analysis.retraining.candidates import Candidate, Ranking, winner_of
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import Array, untuned_classes
from ecg_tune.study.race_result import Raced, SeedScatter, read_race, scatter_by_family, won_text

PAIRED, FITTED = "11_paired_comparisons", "12_fitted_on_validation"
CALIBRATION, DECISION, SUBGROUPS = "13_calibration", "14_decision_curves", "15_subgroups"
COST, MEMBERS = "16_cost", "20_ensemble"


@dataclass(frozen=True)
class AtThresholds:
    """All models at one rule's thresholds.

    Attributes:
        metrics: {model: mean over seeds of `ECGMetrics.calculate_metrics`}.
        intervals: {model: {"macro_avg" or class: {metric: Interval}}}.
    """

    metrics: dict[str, Metrics]
    intervals: Intervals


@dataclass(frozen=True)
class EvaluationResult:
    """Everything that reports and files are made from.

    Attributes:
        best: The winner of the race over seeds, if it is among the models; else that with the highest validation macro AUC.
        rankings: The models, best first, with their validation results.
        at_f1, at_half, at_sensitivity: At the F1 thresholds of validation, at 0.5, and at those of the wanted sensitivity.
        tables: The statistics by the name of their file, e.g. "11_paired_comparisons".
        sensitivity_target: What `at_sensitivity` was to reach on validation.
        resamples: {model: `mean_over_seeds`} at the F1 thresholds, (n_resamples, n_classes) a metric.
        explanations: The explained predictions of the best signal model and of the best image model.
        race: How the last race over seeds ended, all racers, the winner first; empty without one.
        race_winner: The model that won it; "" where it is not among these.
        scatter: How far seeds scatter, and how far the search's values were above, by family.
        difference_note: Of external validation, what the difference to the internal test rests on, or why there is none.
    """

    best: str
    rankings: tuple[Ranking, ...]
    at_f1: AtThresholds
    at_half: AtThresholds
    at_sensitivity: AtThresholds
    tables: dict[str, pd.DataFrame]
    sensitivity_target: float
    provenance: Provenance
    out: Path
    resamples: dict[str, dict[str, Array]]
    explanations: tuple[ModelExplanation, ...] = ()
    race: tuple[Raced, ...] = ()
    race_winner: str = ""
    scatter: tuple[SeedScatter, ...] = ()
    difference_note: str = ""

    @property
    def choice(self) -> str:
        """By what the best model was chosen: the race over seeds, where it was won by one of these, else their validation results."""
        if not self.race_winner:
            return "highest validation macro AUC"
        of = {ranking.name: ranking.validation_macro_auc for ranking in self.rankings if not ranking.fitted_on_validation}
        highest = max(of, key=lambda name: of[name])
        if not of[highest] > of[self.best]:
            return won_text(self.race)
        return f"{won_text(self.race)}, though {highest} has {of[highest]:.4f} over the seeds trained since, which no race has counted"

    @property
    def metrics(self) -> dict[str, Metrics]:
        """The metrics of the headline tables: at the F1 thresholds."""
        return self.at_f1.metrics

    @property
    def intervals(self) -> Intervals:
        """The intervals of `metrics`."""
        return self.at_f1.intervals


def compute_result(
    candidates: Sequence[Candidate],
    predictions: Mapping[str, ModelPredictions],
    test: Split,
    weights: Array,
    provenance: Provenance,
    *,
    sensitivity_target: float,
    out: Path,
) -> EvaluationResult:
    """Compute metrics, intervals and statistics from the predictions on test.

    Args:
        candidates: The models, best on validation first; that one is the best model, an ensemble never is.
        predictions: {model: predictions}, the ensemble's last.
        weights: (n_records, n_resamples) of `patient_weights`.
        sensitivity_target: What the sensitivity thresholds reach on validation.
        out: Where the files go.
    """
    provenance = dataclasses.replace(provenance, untuned=_untuned(predictions, provenance.class_names))
    resamples = {name: mean_over_seeds(test.labels, model.at_f1_thresholds, weights) for name, model in predictions.items()}
    at_f1 = _at_f1(test, predictions, resamples, provenance)
    best = candidates[0].name
    ensembles = [ensemble_ranking(predictions[name]) for name in predictions if name not in {candidate.name for candidate in candidates}]
    statistics = _statistics(test, predictions, resamples, weights, at_f1.metrics, best=best, class_names=provenance.class_names)
    at_half = {name: model.at_half for name, model in predictions.items()}
    at_sensitivity = {name: model.at_sensitivity_thresholds for name, model in predictions.items()}
    return EvaluationResult(
        best=best,
        rankings=(*(candidate.ranking for candidate in candidates), *ensembles),
        at_f1=at_f1,
        at_half=_at(test, at_half, resamples, weights, provenance),
        at_sensitivity=_at(test, at_sensitivity, resamples, weights, provenance),
        tables={name: patients_as_known(table, provenance) for name, table in statistics.items()},
        sensitivity_target=sensitivity_target,
        provenance=provenance,
        out=out,
        resamples=resamples,
    )


def with_race(result: EvaluationResult, folder: Path, candidates: Sequence[Candidate]) -> EvaluationResult:
    """Add how the last race over seeds ended, where there was one, and how far seeds scatter.

    Args:
        folder: Where the models and their manifest lie.
    """
    race = read_race(folder)
    seeds_raced = race and not race[0].folds
    scatter = scatter_by_family(race if seeds_raced else [candidate.raced for candidate in candidates])
    return dataclasses.replace(result, race=tuple(race), race_winner=winner_of(race, candidates), scatter=tuple(scatter))


def _untuned(predictions: Mapping[str, ModelPredictions], class_names: Sequence[str]) -> tuple[str, ...]:
    """Name the classes whose F1 threshold was not tuned, in one model or more."""
    found = {name for model in predictions.values() for seed in model.seeds for name in untuned_classes(class_names, seed.f1_thresholds)}
    return tuple(name for name in class_names if name in found)


def _at_f1(
    test: Split, predictions: Mapping[str, ModelPredictions], resamples: Mapping[str, Mapping[str, Array]], provenance: Provenance
) -> AtThresholds:
    names = provenance.class_names
    metrics = {name: _mean_over_seeds(test, model.at_f1_thresholds, names) for name, model in predictions.items()}
    return AtThresholds(metrics, {name: intervals(test.labels, values, class_names=names) for name, values in resamples.items()})


def _at(
    test: Split,
    predictions: Mapping[str, Sequence[ThresholdedPredictions]],
    ranks: Mapping[str, Mapping[str, Array]],
    weights: Array,
    provenance: Provenance,
) -> AtThresholds:
    names, metrics, limits = provenance.class_names, {}, {}
    for name, seeds in predictions.items():
        metrics[name] = _mean_over_seeds(test, seeds, names)
        values = mean_over_seeds(test.labels, seeds, weights, known_ranks=ranks[name])
        limits[name] = intervals(test.labels, values, class_names=names)
    return AtThresholds(metrics, limits)


def _mean_over_seeds(test: Split, seeds: Sequence[ThresholdedPredictions], class_names: Sequence[str]) -> Metrics:
    return mean_metrics([ECGMetrics(class_names, seed.thresholds).calculate_metrics(test.labels, seed.probabilities) for seed in seeds])


def _statistics(
    test: Split,
    predictions: Mapping[str, ModelPredictions],
    resamples: Mapping[str, Mapping[str, Array]],
    weights: Array,
    metrics: Mapping[str, Metrics],
    *,
    best: str,
    class_names: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """Make the tables of `EvaluationResult.tables` that rest on the test split.

    Args:
        resamples: {model: `mean_over_seeds` at the F1 thresholds}, on the resamples of `weights`.
        metrics: {model: mean over seeds} at the F1 thresholds.
    """
    labels, patients = test.labels, test.records["patient_id"]
    pairs = {
        name: ComparedModel(model.at_f1_thresholds, model.chosen, resamples[name], metrics[name]) for name, model in predictions.items()
    }
    return {
        PAIRED: paired_table(labels, patients, pairs, class_names=class_names),
        CALIBRATION: calibration_table(labels, patients, predictions, weights, class_names=class_names),
        DECISION: decision_table(labels, predictions[best], weights, class_names=class_names),
        SUBGROUPS: subgroup_table(test, [seed.test for seed in predictions[best].seeds], weights, class_names=class_names),
    }


def fitted_table(
    predictions: Mapping[str, ModelPredictions],
    validation: Split,
    *,
    split_scheme: str,
    class_names: Sequence[str],
    positives: Mapping[str, int],
) -> pd.DataFrame:
    """Tabulate what was fitted on validation: one row a model file and class, thresholds and Platt's slope and intercept.

    Args:
        class_names: Classes of the predictions.
        positives: {class: validation records that have it}.
    """
    rows = [
        {
            "Model": model.name,
            "Seed": seed.seed,
            "Class": class_name,
            "Positives": positives[class_name],
            "F1_threshold": seed.f1_thresholds[k],
            "Sensitivity_threshold": seed.sensitivity_thresholds[k],
            "Platt_slope": seed.platt[k, 0],
            "Platt_intercept": seed.platt[k, 1],
        }
        for model in predictions.values()
        for seed in model.seeds
        for k, class_name in enumerate(class_names)
    ]
    n_patients = len(set(validation.records["patient_id"].tolist()))
    return pd.DataFrame(rows).assign(Split=f"{split_scheme}, validation part", Records=len(validation), Patients=n_patients)
