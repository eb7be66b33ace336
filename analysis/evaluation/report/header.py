"""The top of the report: what was evaluated, warnings, and the numbers to remember."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.evaluation.external_difference import DIFFERENCE, signed
from analysis.evaluation.metrics import number, supported_numbers
from analysis.evaluation.report.disclaimers import NOT_CLINICAL, opened_text, warnings
from analysis.evaluation.result import EvaluationResult
from analysis.evaluation.statistics.set_difference import MACRO

METRICS = {"auc_roc": "Test macro AUC-ROC", "f1_score": "Test macro F1-Score"}


@dataclass(frozen=True)
class Tile:
    """One fact in large type.

    Attributes:
        more: Smaller text below the value.
    """

    name: str
    value: str
    more: str


@dataclass(frozen=True)
class Header:
    """The top of the page.

    Attributes:
        disclaimer: What the report must not be used for.
        warning: Stands in a coloured box; "" for none.
    """

    study: str
    date: str
    disclaimer: str
    warning: str
    tiles: tuple[Tile, ...]


def report_header(result: EvaluationResult) -> Header:
    """Gather the study's name, the warnings and the tiles."""
    provenance = result.provenance
    tiles = (_best_tile(result), *_metric_tiles(result), *_difference_tiles(result), *_test_tiles(result))
    return Header(provenance.study, provenance.date, NOT_CLINICAL, " ".join(warnings(provenance)), tiles)


def _best_tile(result: EvaluationResult) -> Tile:
    if result.race_winner:
        return Tile("Best model", result.best, f"chosen by the {result.choice}")
    ranking = next(candidate for candidate in result.rankings if candidate.name == result.best)
    n_models = sum(not candidate.fitted_on_validation for candidate in result.rankings)  # an ensemble is never chosen
    return Tile("Best model", result.best, f"{result.choice}, {number(ranking.validation_macro_auc)}, of {n_models}")


def _metric_tiles(result: EvaluationResult) -> list[Tile]:
    means, intervals = result.metrics[result.best]["macro_avg"], result.intervals[result.best]["macro_avg"]
    tiles = []
    for metric, name in METRICS.items():
        value, low, high = supported_numbers(means[metric], intervals[metric].low, intervals[metric].high)
        tiles.append(Tile(name, value, f"95 % [{low}, {high}]"))
    return tiles


def _difference_tiles(result: EvaluationResult) -> list[Tile]:
    if DIFFERENCE not in result.tables:
        return []
    table = result.tables[DIFFERENCE].set_index(["Model", "Class", "Metric"])
    row = table.loc[(result.best, MACRO, "auc_roc")]
    limits = f"95 % [{signed(row['Difference_lo'])}, {signed(row['Difference_hi'])}]"
    return [Tile("AUC-ROC against the internal test", signed(row["Difference"]), limits)]


def _test_tiles(result: EvaluationResult) -> list[Tile]:
    provenance = result.provenance
    scheme = provenance.split_scheme if provenance.external else f"split {provenance.split_scheme}"
    patients = f"of {provenance.n_patients} patients" if provenance.patients_known else "patients unknown"
    return [
        Tile("Test records", str(provenance.n_records), f"{patients}, {scheme}"),
        Tile("Test split opened", str(len(provenance.openings)), opened_text(provenance)),
    ]
