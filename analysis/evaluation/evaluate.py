"""The evaluation of a folder of models on the sealed test split, opened once.

Nothing is chosen or written for the models here: thresholds, the best model and the ensemble come from validation, by way of the
files that training and retraining wrote.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import torch

from analysis.evaluation.ensemble_table import add_ensemble_cost, ensemble_predictions, ensemble_table
from analysis.evaluation.errors.error_analysis import error_tables
from analysis.evaluation.explanations.model_explanations import EXPLANATIONS, explain
from analysis.evaluation.external import external_view, of_shared_classes, open_external
from analysis.evaluation.external_difference import with_difference
from analysis.evaluation.files import write_evaluation
from analysis.evaluation.kept_predictions import keep_predictions
from analysis.evaluation.predictions import ModelPredictions, predict
from analysis.evaluation.provenance import Bootstrap, Provenance, provenance_of, teachers_text
from analysis.evaluation.result import COST, FITTED, MEMBERS, EvaluationResult, compute_result, fitted_table, with_race
from analysis.evaluation.statistics.bootstrap import patient_weights
from analysis.evaluation.statistics.cost_table import cost_table
from analysis.retraining.candidates import Candidate, check_fit, check_reference_models, check_runs, find_candidates
from analysis.retraining.ensemble import choose_ensemble
from analysis.retraining.ensemble_file import ENSEMBLE, ENSEMBLE_FILE, SavedEnsemble, read_ensemble
from analysis.retraining.predictions import predict_validation
from analysis.retraining.thresholds import SENSITIVITY_TARGET
from ecg_tune.config import Config, as_instance, check_choice, check_range
from ecg_tune.config.classic import is_exchange_tree
from ecg_tune.data.loaders import BatchLoader, to_device
from ecg_tune.data.prepared.dataset import PreparedData, Split, check_sealed, open_prepared, open_test
from ecg_tune.data.prepared.ledger import LEDGER, Line, ledger_lines, missing_before, openings_of, sealed_records
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array
from ecg_tune.storage import LocalStorage, check_room
from ecg_tune.training.freed_memory import keep_freed_memory

MODEL_TYPES = ("signal", "image", "fusion")
STUDY_BYTES, RESULTS_BYTES = 10_000_000, 50_000_000
"""Room that an evaluation's files need in the study and in `out`, by rule of thumb: 20 MB for PTB-XL's test split and four models."""


def open_config_data(config: Config | type[Config]) -> PreparedData:
    """Open the prepared data of `config.DATA_DIR`.

    Raises:
        DataError: No prepared data; or plain files, which must be imported first.
    """
    folder = as_instance(config).DATA_DIR
    if is_exchange_tree(folder):
        raise DataError(
            f"{folder} holds plain files: check and read them with `ecg-tune data import {folder} DATA`, and give data_dir='DATA'"
        )
    return open_prepared(folder)


class OpenedTestLoader(BatchLoader):
    """A loader of the test split, by which no training takes it for another."""


def get_test_loader(model_type: str, config: Config | type[Config]) -> OpenedTestLoader:
    """Open the seal (one ledger line) and return the test split in batches.

    Every model type gets the raw signal, since a predictor makes crops and images itself: (signal in mV
    (batch, n_samples, n_leads) float32, labels (batch, n_classes) float32), in the split's order at each pass. Where the data have
    stored images, these (batch, n_channels, size, size) stand between the two.

    Args:
        model_type: "signal", "image" or "fusion", as `load_model` returns it.
    """
    check_choice("model type", model_type, MODEL_TYPES)
    settings = as_instance(config)
    test = open_test(open_config_data(settings), "evaluate", str(settings.SAVE_DIR))
    split = to_device(test, torch.device(settings.DEVICE))
    return OpenedTestLoader(split, batch_size=settings.BATCH_SIZE, inputs=lambda *inputs: inputs, with_images=split.images is not None)


def evaluate(
    models_folder: Path,
    data: PreparedData,
    out: Path,
    *,
    study: str,
    ledger_folder: Path | None = None,
    on: PreparedData | None = None,
    part: str = "all",
    device: str = "cpu",
    n_bootstrap: int = 1000,
    sensitivity_target: float = SENSITIVITY_TARGET,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> EvaluationResult:
    """Evaluate every model of a folder on the test split and write tables, figures, reports and predictions.

    Args:
        models_folder: `STUDY/models`, or a folder of `<Name>_best.pth`.
        out: Where the files go; made when missing.
        study: What ledger and reports call it.
        ledger_folder: The study's folder, which gets a copy of the ledger; None for none.
        on: Data of another source to evaluate on instead (external validation); None for the data's own test split.
        part: "all" of those records, or their "test" split.
        n_bootstrap: Resamples of the intervals; 1000 or more for a report.
        sensitivity_target: What the third set of thresholds is to reach on validation, above 0, at most 1.
        seed: Seed of the resampling.
        progress: Called with one line a stage.

    Raises:
        DataError: No models, models of other data, one that does not run, or fewer than 2 test patients. The test split stays sealed then.
        ConfigError: No such device.
    """
    keep_freed_memory()
    announce = progress or (lambda line: None)
    check_range("sensitivity target", sensitivity_target, 0.01, 1.0)
    tested = data if on is None else external_view(data, on, part=part)
    bootstrap = Bootstrap(n_bootstrap, seed)
    candidates, provenance = _before_opening(models_folder, data, tested, study=study, bootstrap=bootstrap, device=device)
    probabilities = {one.name: predict_validation(one, data.validation, device=device) for one in candidates}
    ensemble = _read_or_choose_ensemble(models_folder, candidates, probabilities, data.validation, announce)
    _check_places(on or data, out, ledger_folder)
    test, provenance = _open(data, on, tested, provenance, part=part, study=study, ledger_folder=ledger_folder)
    every = _predict_all(candidates, probabilities, ensemble, data, test, announce, target=sensitivity_target, device=device)
    if on is None and (problem := keep_predictions(models_folder, data, test, candidates, every, date=provenance.date)):
        announce(problem)
    predictions = of_shared_classes(every, data, tested)
    announce(f"bootstrap: {n_bootstrap} resamples of patients")
    weights = patient_weights(test.records["patient_id"], n_resamples=n_bootstrap, seed=seed)
    result = compute_result(candidates, predictions, test, weights, provenance, sensitivity_target=sensitivity_target, out=out)
    result = with_race(result, models_folder, candidates)
    result = _with_more_tables(result, candidates, predictions, ensemble, data, tested, test, weights, announce, device=device)
    if on is not None:
        result = with_difference(result, models_folder, data, test, candidates, every, ensemble, is_study=ledger_folder is not None)
        announce(result.difference_note)
    announce(f"writing {out}")
    write_evaluation(result, tested, test, predictions, weights)
    return result


def _check_places(sealed: PreparedData, out: Path, ledger_folder: Path | None) -> None:
    """Make the folder of the results, and refuse what would end the evaluation after the seal was opened.

    Args:
        sealed: Whose test split will be opened.

    Raises:
        DataError: Nothing can be written there, the disk is nearly full, or the study's copy of the ledger can't be read.
    """
    check_sealed(sealed)
    for folder, remedy in ((out, "give another --out"), (ledger_folder, "it gets a copy of the ledger, so make it writable")):
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                with TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            raise DataError(f"{folder} can't be written ({error.strerror}): the test split stays sealed; {remedy}") from error
    check_room(out, RESULTS_BYTES)
    if ledger_folder is not None:
        check_room(ledger_folder, STUDY_BYTES, remedy="make room: the study keeps a copy of the ledger, and the test predictions")
        ledger_lines(ledger_folder)


def _open(
    data: PreparedData,
    on: PreparedData | None,
    tested: PreparedData,
    provenance: Provenance,
    *,
    part: str,
    study: str,
    ledger_folder: Path | None,
) -> tuple[Split, Provenance]:
    """Break the seal, and note every opening so far."""
    if on is not None:
        test, note = open_external(data, on, tested, part=part, study=study)
        lines = ledger_lines(on.folder, on.remote)
        provenance = dataclasses.replace(provenance, external=note)
    else:
        test = open_test(data, "evaluate", study)
        lines = ledger_lines(data.folder, data.remote) if ledger_folder is None else merge_ledger(data, ledger_folder)
    openings = openings_of(lines, sealed_records(tested.manifest, tested.folder))
    return test, dataclasses.replace(provenance, openings=openings, ledger_gaps=tuple(missing_before(lines)))


def _before_opening(
    models_folder: Path, data: PreparedData, tested: PreparedData, *, study: str, bootstrap: Bootstrap, device: str
) -> tuple[list[Candidate], Provenance]:
    """Read the models, and refuse whatever would make the evaluation fail after the seal is opened."""
    candidates = find_candidates(models_folder)
    check_fit(candidates, data)
    check_reference_models(candidates)
    provenance = provenance_of(tested, study=study, bootstrap=bootstrap)
    if not tested.n_test_records:
        raise DataError(
            f"{tested.folder} has no test split: evaluate the models on other data with --on DIR, or import these with test records"
        )
    if provenance.n_patients < 2:
        raise DataError(f"the test split holds {provenance.n_patients} patient: intervals resample patients, an evaluation needs 2 or more")
    check_runs(candidates, data, device)
    trained_on = ", ".join(sorted({saved.trained_on for candidate in candidates for saved in candidate.seeds}))
    taught = teachers_text({saved.config.training.distillation for candidate in candidates for saved in candidate.seeds}, data)
    return candidates, dataclasses.replace(provenance, trained_on=trained_on, taught=taught)


def _predict_all(
    candidates: Sequence[Candidate],
    probabilities: Mapping[str, Sequence[Array]],
    ensemble: SavedEnsemble | None,
    data: PreparedData,
    test: Split,
    announce: Callable[[str], None],
    *,
    target: float,
    device: str,
) -> dict[str, ModelPredictions]:
    predictions = {}
    for candidate in candidates:
        announce(f"{candidate.name}: {len(candidate.files)} seed{'s' * (len(candidate.files) != 1)} on {len(test)} test records")
        predictions[candidate.name] = predict(
            candidate, data.validation, probabilities[candidate.name], test, sensitivity_target=target, device=device
        )
    if ensemble is not None:
        predictions[ENSEMBLE] = ensemble_predictions(ensemble, predictions, data.validation, sensitivity_target=target)
    return predictions


def _read_or_choose_ensemble(
    folder: Path,
    candidates: Sequence[Candidate],
    probabilities: Mapping[str, Sequence[Array]],
    validation: Split,
    announce: Callable[[str], None],
) -> SavedEnsemble | None:
    """Read the ensemble that retraining chose; where it left none that fits these models, choose one for this report alone.

    Single trainings (`ecg-tune train`) and studies retrained by version 0.1 come without one. The seal is closed in either case.

    Returns:
        The ensemble; None where there is nothing to join.
    """
    unusable = f"{folder / ENSEMBLE_FILE} does not exist"
    if (folder / ENSEMBLE_FILE).is_file():
        try:
            ensemble = read_ensemble(folder, candidates)
        except DataError as error:
            unusable = str(error)
        else:
            announce(f"{ENSEMBLE}, chosen on validation: {ensemble.text}")
            return ensemble
    chosen = choose_ensemble(candidates, probabilities, validation.labels)
    if chosen is not None:
        announce(f"{ENSEMBLE}, chosen on validation: {chosen.text}; for this report only: {unusable}")
    return chosen


def _with_more_tables(
    result: EvaluationResult,
    candidates: Sequence[Candidate],
    predictions: Mapping[str, ModelPredictions],
    ensemble: SavedEnsemble | None,
    data: PreparedData,
    tested: PreparedData,
    test: Split,
    weights: Array,
    announce: Callable[[str], None],
    *,
    device: str,
) -> EvaluationResult:
    """Add what stands beside the test statistics: what was fitted, mistakes, costs, the ensemble's members, explanations."""
    scheme = str(data.manifest["split"])
    positives = dict(zip(data.class_names, data.validation.labels.sum(axis=0, dtype=int).tolist(), strict=True))
    tables = {FITTED: fitted_table(predictions, data.validation, split_scheme=scheme, class_names=tested.class_names, positives=positives)}
    tables |= error_tables(tested, test, predictions, weights, best=result.best)
    tables[COST] = cost_table(candidates, data, device=device)
    if ensemble is not None:
        tables[MEMBERS] = ensemble_table(ensemble, predictions, data.validation, split_scheme=scheme)
        tables[COST] = add_ensemble_cost(tables[COST], ensemble)
    announce("explaining a few predictions")
    tables[EXPLANATIONS], explained = explain(candidates, tested, test, predictions, device=device)
    return dataclasses.replace(result, tables=result.tables | tables, explanations=tuple(explained))


def merge_ledger(data: PreparedData, folder: Path) -> list[Line]:
    """Add the lines of the data's ledger to those a study knows, and return all of them, oldest first.

    The data may have been prepared again elsewhere, with a ledger of its own: neither side's lines are lost.
    """
    lines = {json.dumps(line, sort_keys=True): line for line in [*ledger_lines(folder), *ledger_lines(data.folder, data.remote)]}
    merged = sorted(lines.values(), key=lambda line: line["time"])
    text = "".join(json.dumps(line) + "\n" for line in merged)
    LocalStorage(folder).write(LEDGER, lambda file: file.write(text.encode()))
    return merged
