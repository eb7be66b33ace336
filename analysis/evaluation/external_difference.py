"""The difference between an external validation and the models' own test, from the predictions that an evaluation kept."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.evaluation.ensemble_table import ensemble_predictions
from analysis.evaluation.external import class_columns
from analysis.evaluation.kept_predictions import KeptPredictions, read_kept
from analysis.evaluation.metrics import ECGMetrics, mean_metrics, number
from analysis.evaluation.plots.forest import ForestRow, forest_figure
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import WIDTH, Bootstrap
from analysis.evaluation.result import EvaluationResult
from analysis.evaluation.statistics.bootstrap import mean_over_seeds, patient_weights
from analysis.evaluation.statistics.set_difference import MACRO, MeasuredSet, difference_table
from analysis.evaluation.tables import MACRO_COLUMNS
from analysis.retraining.candidates import Candidate
from analysis.retraining.ensemble_file import ENSEMBLE, SavedEnsemble
from ecg_tune.data.overlap import record_digests
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.errors import DataError

DIFFERENCE = "22_external_difference"
CLASS_METRICS = ("auc_roc", "f1_score")
"""The metrics whose differences are shown by class; the table has all."""
RULES = (
    "External minus internal, at the same thresholds, over the classes that both sets can measure. The two sets of records are "
    "independent: each is resampled by patient on its own, and the 95 % interval is that of the differences of these resamples. "
    "A difference mixes what differs between the sources: patients, devices, labels, how frequent a class is."
)
TITLE = "DIFFERENCE TO THE INTERNAL TEST"


def with_difference(
    result: EvaluationResult, folder: Path, data: PreparedData, external: Split, candidates: Sequence[Candidate],
    predictions: Mapping[str, ModelPredictions], ensemble: SavedEnsemble | None, *, is_study: bool,
) -> EvaluationResult:  # fmt: skip
    """Add the difference to the internal test to an external validation, or why there is none. The internal test split stays sealed.

    Args:
        folder: The models' folder.
        data: What they were trained on.
        external: The evaluated records, with the shared classes.
        predictions: {model: predictions} of all the models' classes on these records.
        ensemble: None where there is none.
        is_study: The models are a study's, which knows its data; the command that evaluates others names them.
    """
    try:
        kept = read_kept(folder, data, candidates)
    except DataError as error:
        command = f"ecg-tune evaluate {result.provenance.study}{'' if is_study else f' --data {data.location}'} --out results/"
        note = f"No difference to the internal test: {error}. `{command}` makes it (one more opening of the test split)."
        return dataclasses.replace(result, difference_note=note)
    provenance, bootstrap = result.provenance, result.provenance.bootstrap
    assert bootstrap is not None  # `evaluate` always makes intervals
    names, columns = provenance.class_names, class_columns(provenance.class_names, data.class_names)
    internal = _measured_internally(kept, predictions, ensemble, data.validation, columns=columns, class_names=names, bootstrap=bootstrap)
    here = MeasuredSet(external.labels, external.records["patient_id"], result.metrics, result.resamples)
    table = difference_table(here, internal, class_names=names)
    note = _internal_note(kept, data, external, table)
    return dataclasses.replace(result, tables=result.tables | {DIFFERENCE: table}, difference_note=note)


def _measured_internally(
    kept: KeptPredictions, predictions: Mapping[str, ModelPredictions], ensemble: SavedEnsemble | None, validation: Split,
    *, columns: Sequence[int], class_names: Sequence[str], bootstrap: Bootstrap,
) -> MeasuredSet:  # fmt: skip
    """Measure the models on their own test split, over some of their classes.

    Args:
        predictions: {model: predictions} of all their classes, on any records; the ensemble's among them where there is one.
        ensemble: None where there is none.
        columns: The classes, by their numbers in the models' data.
        class_names: Their names.
        bootstrap: Of the external set; other draws are made here.
    """
    internal = {name: kept.of_model(model) for name, model in predictions.items() if name != ENSEMBLE or ensemble is None}
    if ensemble is not None:  # its sensitivity thresholds are not looked at
        internal[ENSEMBLE] = ensemble_predictions(ensemble, internal, validation, sensitivity_target=ensemble.sensitivity_target)
    seeds = {name: model.of_classes(columns).at_f1_thresholds for name, model in internal.items()}
    labels = kept.labels[:, list(columns)]
    weights = patient_weights(kept.patient_ids, n_resamples=bootstrap.n_resamples, seed=bootstrap.seed + 1)  # own draws
    return MeasuredSet(
        labels=labels,
        patient_ids=kept.patient_ids,
        metrics={
            name: mean_metrics([ECGMetrics(class_names, run.thresholds).calculate_metrics(labels, run.probabilities) for run in runs])
            for name, runs in seeds.items()
        },
        resamples={name: mean_over_seeds(labels, runs, weights) for name, runs in seeds.items()},
    )


def _internal_note(kept: KeptPredictions, data: PreparedData, external: Split, table: pd.DataFrame) -> str:
    """Say what the difference compares with, and warn where the two sets share records."""
    n_records, n_patients = table[["Internal_Records", "Internal_Patients"]].iloc[0]
    counted = table["Classes_in_means"].iloc[0].split()
    note = f"Internal: {n_records} test records of {n_patients} patients, split {data.manifest['split']}, data {data.fingerprint[:12]}, "
    note += f"evaluated {kept.date}. Means over {', '.join(counted) or 'no class'}."
    if n_shared := sum(digest.hex() in kept.digests for digest in record_digests(external)):
        note += f" WARNING: {n_shared} of the external records are in the internal test too: the two sets are not independent."
    return note


def difference_lines(result: EvaluationResult, models: Sequence[str]) -> list[str]:
    """Write the differences of some models as text: means over classes, then AUC-ROC and F1-Score of each class."""
    lines = [TITLE, *textwrap.wrap(result.difference_note, WIDTH, break_long_words=False, break_on_hyphens=False)]
    if DIFFERENCE not in result.tables:
        return lines
    lines += [*textwrap.wrap(RULES, WIDTH), "", f"{'':<44}{'external':>10}{'internal':>10}   difference"]
    titles = {metric: column for column, metric in MACRO_COLUMNS.items()}
    table = result.tables[DIFFERENCE]
    for model in models:
        of_model = table[table["Model"] == model]
        by_class = of_model[(of_model["Class"] != MACRO) & of_model["Metric"].isin(list(CLASS_METRICS))]
        for row in pd.concat([of_model[of_model["Class"] == MACRO], by_class.sort_values("Metric", kind="stable")]).itertuples():
            label = f"{row.Model} {titles[row.Metric]} ({'macro' if row.Class == MACRO else row.Class})"
            interval = f"{signed(row.Difference)} [{signed(row.Difference_lo)}, {signed(row.Difference_hi)}]"
            lines.append(f"{label:<44}{number(row.External):>10}{number(row.Internal):>10}   {interval}")
    return lines


def difference_figure(table: pd.DataFrame, *, model: str, note: str = "") -> Figure:
    """Draw one model's differences with their intervals: means over classes, then AUC-ROC and F1-Score of each class."""
    own, titles = table[table["Model"] == model], {metric: column for column, metric in MACRO_COLUMNS.items()}
    blocks = [("Means over classes", own[own["Class"] == MACRO])]
    blocks += [(titles[metric], own[(own["Metric"] == metric) & (own["Class"] != MACRO)]) for metric in CLASS_METRICS]
    rows = [
        ForestRow(
            block, titles[row.Metric] if row.Class == MACRO else f"{titles[row.Metric]}: {row.Class}",
            row.Difference, row.Difference_lo, row.Difference_hi, 0.0,
            f"{signed(row.Difference)} [{signed(row.Difference_lo)}, {signed(row.Difference_hi)}]",
        )
        for block, part in blocks for row in part.itertuples()
    ]  # fmt: skip
    axis = "External − internal (no unit); right of the bar: better on the external records"
    note = f"Model: {model}. {note} Dots with 95 % intervals, each set of records resampled by patient."
    return forest_figure(rows, axis=axis, note=note, differences=True)


def signed(value: float) -> str:
    """Write a difference with its sign and four decimals, NaN as "n/a"."""
    text = number(value)
    return text if text.startswith(("-", "n")) else f"+{text}"
