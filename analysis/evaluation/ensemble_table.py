"""The ensemble in an evaluation: its predictions, its members and weights, what it costs. Chosen by `analysis.retraining.ensemble`."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.retraining.candidates import Ranking
from analysis.retraining.ensemble import CHOICES, N_HALVINGS, RULES, HeldOut, held_out_scores, weighted_mean
from analysis.retraining.ensemble_file import ENSEMBLE, MEAN, SavedEnsemble
from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared.dataset import Split

HELD_OUT = ("Held_out_ensemble", "Held_out_best_alone")
"""Columns of `20_ensemble`, equal in every row."""


def ensemble_predictions(
    ensemble: SavedEnsemble, predictions: Mapping[str, ModelPredictions], validation: Split, *, sensitivity_target: float
) -> ModelPredictions:
    """Average the members' predictions by weight.

    Args:
        ensemble: Weights, F1 thresholds and Platt scaling are its own.
        predictions: {model: predictions} of the members, among others.
        sensitivity_target: What the sensitivity thresholds reach on validation, 0.01 to 1.
    """
    of_file = {seed.file: seed for model in predictions.values() for seed in model.seeds}
    members, weights = [of_file[member.file] for member in ensemble.members], [member.weight for member in ensemble.members]
    mean = weighted_mean([member.validation for member in members], weights)
    joined = SeedPredictions(
        seed=ensemble.seed,
        validation_macro_auc=ensemble.validation_macro_auc,
        validation=mean,
        test=weighted_mean([member.test for member in members], weights),
        f1_thresholds=np.asarray(ensemble.thresholds["f1"], dtype=np.float64),
        sensitivity_thresholds=sensitivity_thresholds(validation.labels, mean, target=sensitivity_target),
        platt=np.asarray(ensemble.platt, dtype=np.float64),
    )
    return ModelPredictions(ENSEMBLE, (joined,))


def ensemble_ranking(model: ModelPredictions) -> Ranking:
    """Give the ensemble's validation result, marked as fitted on these records."""
    (joined,) = model.seeds
    return Ranking(model.name, 1, joined.validation_macro_auc, float("nan"), fitted_on_validation=True)


def ensemble_table(
    ensemble: SavedEnsemble, predictions: Mapping[str, ModelPredictions], validation: Split, *, split_scheme: str
) -> pd.DataFrame:
    """Tabulate the trainings that could become members: weight, 0 for those not chosen, and own validation macro AUC.

    Args:
        predictions: {model: predictions}, the ensemble's among them.
        split_scheme: How records were split, "70-15-15" or "official".
    """
    weights = {member.file: member.weight for member in ensemble.members}
    trainings = [(name, seed) for name, model in predictions.items() if name != ENSEMBLE for seed in model.seeds]
    rows = [
        {"Model": name, "Seed": seed.seed, "Weight": weights.get(seed.file, 0.0), "Validation_macro_AUC": seed.validation_macro_auc}
        for name, seed in trainings
    ]
    patient_ids = validation.records["patient_id"]
    whole = all(seed.validation.shape == validation.labels.shape for _, seed in trainings)  # else other data lack some classes
    of_file = {seed.file: seed.validation for _, seed in trainings}
    held_out = held_out_scores(validation.labels, of_file, patient_ids) if whole and ensemble.rule == MEAN else None
    scores = {HELD_OUT[0]: held_out.ensemble, HELD_OUT[1]: held_out.best_alone} if held_out else {}
    facts = {"Split": f"{split_scheme}, validation part", "Records": len(validation), "Patients": len(np.unique(patient_ids))}
    return pd.DataFrame(rows).assign(Rule=ensemble.rule, **scores, **facts)


def chosen_members(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows of the members, heaviest first, and say how many they are of how many.

    Args:
        table: Of `ensemble_table`.
    """
    members = table[table["Weight"] > 0].sort_values("Weight", ascending=False, kind="stable")
    return members, f"{len(members)} of {len(table)} trainings"


def rules_text(table: pd.DataFrame) -> str:
    """Say how the members and their weights were chosen, and what follows for the results."""
    return f"{CHOICES[table['Rule'].iloc[0]]} {RULES}"


def held_out_text(table: pd.DataFrame) -> str:
    """Say what the ensemble is worth on patients that did not choose its members; "" where that is not known, as of another rule."""
    if HELD_OUT[0] not in table:
        return ""
    found = HeldOut(*(float(table[column].iloc[0]) for column in HELD_OUT))
    return f"Members chosen on one half of the validation patients, scored on the other, mean of {2 * N_HALVINGS} halves: {found.text()}."


def add_ensemble_cost(costs: pd.DataFrame, ensemble: SavedEnsemble) -> pd.DataFrame:
    """Append the ensemble to the cost table: the sums over its members, which predict one after the other."""
    counts = Counter(member.name for member in ensemble.members)
    members = costs[costs["Model"].isin(list(counts))]
    times = members["Model"].map(counts)
    summed = [column for column in costs if column.startswith(("Parameters", "MACs", "Latency_ms")) and not column.endswith("passes")]
    row = members.iloc[0].to_dict() | {column: (members[column] * times).sum() for column in [*summed, "Training_s_per_seed"]}
    row |= {"Model": ENSEMBLE, "Family": "ensemble", "Input": "; ".join(dict.fromkeys(members["Input"])), "Seeds": 1}
    row |= {"Training_s": row["Training_s_per_seed"], "Epochs_mean": (members["Epochs_mean"] * times).sum()}
    return pd.concat([costs, pd.DataFrame([row])], ignore_index=True)


def ensemble_lines(table: pd.DataFrame, ranking: Ranking) -> list[str]:
    """Write the ensemble's section of the detailed report: rules, members, weights."""
    members, count = chosen_members(table)
    width = max(12, int(members["Model"].str.len().max()) + 2)
    lines = ["ENSEMBLE", *textwrap.wrap(f"{rules_text(table)} It joins {count}:", WIDTH), ""]
    lines.append(f"{'':<{width}}{'seed':>6}{'weight':>8}{'validation macro AUC':>23}")
    for row in members.itertuples():
        lines.append(f"{row.Model:<{width}}{row.Seed:>6}{row.Weight:>8.3f}{number(row.Validation_macro_AUC):>23}")
    lines.append(f"{ENSEMBLE:<{width}}{'':>14}{number(ranking.validation_macro_auc):>23} (fitted on these records)")
    return [*lines, "", *textwrap.wrap(held_out_text(table), WIDTH)]
