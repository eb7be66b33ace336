"""The test records with the largest loss of the best model, as a table and as printed ECGs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.errors.paper_ecg import ecg_figure
from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.evaluation.statistics.subgroups import SEXES
from analysis.plots import saved
from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.prepared.dataset import PreparedData, Split
from ecg_tune.data.prepared.twelve_leads import read_twelve_leads
from ecg_tune.data.ptbxl.quality import FLAGS, has_flag
from ecg_tune.errors import DataError
from ecg_tune.metrics import Array

LISTED, DRAWN = 20, 4
FIGURE = "19_worst_record_{}.png"
RULES = (
    "The test records with the largest binary cross-entropy, mean over classes and seeds. 'Says': classes at the F1 thresholds of the "
    "best seed. They are chosen because they are wrong: they show what to look at, label errors included, not how often it happens."
)
TWELVE = "12 leads"


@dataclass(frozen=True)
class WorstRecords:
    """The records with the largest loss.

    Attributes:
        rows: (n,) row numbers in the test split, largest loss first.
        loss: (n,) cross-entropy in nats, mean over classes and seeds.
    """

    rows: NDArray[np.intp]
    loss: Array


def worst_records(labels: NDArray[np.generic], model: ModelPredictions, *, most: int = LISTED) -> WorstRecords:
    """Find the records with the largest cross-entropy; of equal ones the earlier comes first.

    Args:
        labels: (n_records, n_classes) of 0/1.
    """
    truth = np.asarray(labels).astype(bool)
    losses = [-np.log(np.clip(np.where(truth, seed.test, 1 - seed.test), 1e-7, 1)).mean(axis=1) for seed in model.seeds]
    loss = np.mean(losses, axis=0)
    rows = np.argsort(-loss, kind="stable")[:most]
    return WorstRecords(rows, loss[rows])


def worst_table(test: Split, model: ModelPredictions, *, class_names: Sequence[str]) -> pd.DataFrame:
    """Describe the worst records, one row each: loss, labels, predictions, statements. Probabilities are means over seeds."""
    worst, run = worst_records(test.labels, model), model.at_f1_thresholds[model.chosen]
    mean = np.mean([seed.test for seed in model.seeds], axis=0)
    rows = []
    for rank, (row, loss) in enumerate(zip(worst.rows, worst.loss, strict=True), start=1):
        predicted = run.probabilities[row] >= run.thresholds
        age, flags = float(test.records["age"][row]), np.asarray(test.records["flags"])[row : row + 1].astype(np.int64)
        facts: dict[str, object] = {"Rank": rank, "ecg_id": int(test.records["ecg_id"][row])}
        facts |= {"patient_id": int(test.records["patient_id"][row]), "Model": model.name, "Loss": loss}
        facts |= {"Labels": _names(test.labels[row], class_names), "Says": _names(predicted, class_names)}
        facts |= {f"P_{name}": mean[row, k] for k, name in enumerate(class_names)}
        codes = test.origin.statements[row] if test.origin else {}
        facts["Statements"] = ", ".join(f"{code} {likelihood:g}" for code, likelihood in codes.items())
        facts |= {"Sex": SEXES.get(int(test.records["sex"][row]), "unknown"), "Age": "over 89" if age >= 90 else f"{age:g}"}
        rows.append(facts | {"Quality": ", ".join(name.replace("_", " ") for name in FLAGS if has_flag(flags, name).any())})
    return pd.DataFrame(rows)


def draw_worst(data: PreparedData, test: Split, table: pd.DataFrame, model: ModelPredictions, folder: Path) -> list[str]:
    """Draw the first records of `worst_table` as PNG files.

    Returns:
        For each of them what its figure shows: "12 leads", or the stored leads only and why. Nothing is drawn of images alone.
    """
    if not data.leads:
        return []
    shown = []
    for row, facts in zip(worst_records(test.labels, model).rows[:DRAWN], table.to_dict("records"), strict=False):
        leads: tuple[str, ...] = LEAD_NAMES
        try:
            signal_uv, content = read_twelve_leads(data, test, int(row)), TWELVE
        except DataError as error:
            signal_uv, leads, content = test.signals_uv[row], data.leads, f"stored leads only: {error}"
        probabilities = ", ".join(f"{name} {facts[f'P_{name}']:.2f}" for name in data.class_names)
        mark = "SYNTHETIC. " if data.synthetic else ""
        title = [f"{mark}Test record {facts['ecg_id']}, rank {facts['Rank']}; {facts['Sex']}, {facts['Age']} years"]
        title[0] += f"; quality: {facts['Quality']}" if facts["Quality"] else ""
        title.append(f"label {facts['Labels']}; {model.name} says {facts['Says']} ({probabilities})")
        title += textwrap.wrap(f"statements, likelihood in %: {facts['Statements']}", 120) if facts["Statements"] else []
        figure = ecg_figure(signal_uv / 1000, leads=leads, sampling_rate_hz=data.sampling_rate_hz, title=title)
        saved(figure, folder / FIGURE.format(facts["Rank"]))
        shown.append(content)
    return shown


def worst_lines(table: pd.DataFrame, *, model: str) -> list[str]:
    """Write the section of the detailed text report."""
    lines = [f"WORST RECORDS of {model}", *textwrap.wrap(RULES, WIDTH), ""]
    lines.append(f"{'':>4}{'ecg_id':>8}{'loss':>9}  {'label':<22}{'says':<22}statements")
    for row in table.to_dict("records"):
        line = f"{row['Rank']:>4}{row['ecg_id']:>8}{number(row['Loss']):>9}  {row['Labels']:<22}{row['Says']:<22}{row['Statements']}"
        lines.append(line.rstrip())
    return lines


def _names(chosen: NDArray[np.generic], class_names: Sequence[str]) -> str:
    return " ".join(name for name, yes in zip(class_names, np.asarray(chosen).astype(bool), strict=True) if yes) or "none"
