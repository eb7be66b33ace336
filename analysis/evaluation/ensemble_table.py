"""The ensemble in an evaluation: its predictions, its members and weights, what it costs. Chosen by `analysis.retraining.ensemble`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.evaluation.provenance import WIDTH
from analysis.retraining.candidates import Ranking
from analysis.retraining.ensemble import N_HALVINGS, RULES, HeldOut, held_out_scores, weighted_mean
from analysis.retraining.ensemble_file import ENSEMBLE, SavedEnsemble
from analysis.retraining.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared.dataset import Split

HELD_OUT = ("Held_out_ensemble", "Held_out_best_alone")
"""Columns of `20_ensemble`, equal in every row."""


def ensemble_predictions(
    ensembles: Sequence[SavedEnsemble], predictions: Mapping[str, ModelPredictions], validation: Split, *, sensitivity_target: float
) -> ModelPredictions:
    """Average the members' predictions by weight, seed by seed.

    Args:
        ensembles: One a seed; the s-th joins the s-th seeds of its members. Weights, F1 thresholds and Platt scaling are theirs.
        predictions: {model: predictions} of the members, among others.
        sensitivity_target: What the sensitivity thresholds reach on validation, 0.01 to 1.
    """
    seeds = []
    for index, ensemble in enumerate(ensembles):
        members = [predictions[member.name].seeds[index] for member in ensemble.members]
        weights = [member.weight for member in ensemble.members]
        mean = weighted_mean([member.validation for member in members], weights)
        seeds.append(
            SeedPredictions(
                seed=ensemble.seed,
                validation_macro_auc=ensemble.validation_macro_auc,
                validation=mean,
                test=weighted_mean([member.test for member in members], weights),
                f1_thresholds=np.asarray(ensemble.thresholds["f1"], dtype=np.float64),
                sensitivity_thresholds=sensitivity_thresholds(validation.labels, mean, target=sensitivity_target),
                platt=np.asarray(ensemble.platt, dtype=np.float64),
            )
        )
    return ModelPredictions(ENSEMBLE, tuple(seeds))


def ensemble_ranking(model: ModelPredictions) -> Ranking:
    """Sum up the ensemble's validation results, marked as fitted on these records."""
    values = np.array([seed.validation_macro_auc for seed in model.seeds])
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Ranking(model.name, len(values), float(values.mean()), sd, fitted_on_validation=True)


def ensemble_table(
    weights: Mapping[str, float], predictions: Mapping[str, ModelPredictions], validation: Split, *, split_scheme: str
) -> pd.DataFrame:
    """Tabulate the models: weight, 0 for those not chosen, and own validation macro AUC, mean over seeds.

    Args:
        weights: {member: weight}.
        split_scheme: How records were split, "70-15-15" or "official".
    """
    rows = []
    for name, model in predictions.items():
        if name != ENSEMBLE:
            own = float(np.mean([seed.validation_macro_auc for seed in model.seeds]))
            rows.append({"Model": name, "Weight": weights.get(name, 0.0), "Validation_macro_AUC": own})
    patient_ids = validation.records["patient_id"]
    members = {name: [seed.validation for seed in model.seeds] for name, model in predictions.items() if name != ENSEMBLE}
    whole = all(seed.shape == validation.labels.shape for seeds in members.values() for seed in seeds)  # else other data lack some classes
    held_out = held_out_scores(validation.labels, members, patient_ids) if whole else None
    scores = {HELD_OUT[0]: held_out.ensemble, HELD_OUT[1]: held_out.best_alone} if held_out else {}
    facts = {"Split": f"{split_scheme}, validation part", "Records": len(validation), "Patients": len(np.unique(patient_ids))}
    return pd.DataFrame(rows).assign(**scores, **facts)


def held_out_text(table: pd.DataFrame) -> str:
    """Say what the ensemble is worth on patients that did not choose its weights; "" where that is not known."""
    if HELD_OUT[0] not in table:
        return ""
    found = HeldOut(*(float(table[column].iloc[0]) for column in HELD_OUT))
    return f"Weights chosen on one half of the validation patients, scored on the other, mean of {2 * N_HALVINGS} halves: {found.text()}."


def add_ensemble_cost(costs: pd.DataFrame, weights: Mapping[str, float]) -> pd.DataFrame:
    """Append the ensemble to the cost table: the sums over its members, which predict one after the other."""
    members = costs[costs["Model"].isin(list(weights))]
    summed = [column for column in costs if column.startswith(("Parameters", "MACs", "Latency_ms", "Training_s"))]
    row = members.iloc[0].to_dict() | {column: members[column].sum() for column in summed if not column.endswith("passes")}
    row |= {"Model": ENSEMBLE, "Family": "ensemble", "Input": "; ".join(members["Input"]), "Epochs_mean": members["Epochs_mean"].sum()}
    return pd.concat([costs, pd.DataFrame([row])], ignore_index=True)


def ensemble_lines(table: pd.DataFrame, ranking: Ranking) -> list[str]:
    """Write the ensemble's section of the detailed report: rules, members, weights."""
    width = max(12, int(table["Model"].str.len().max()) + 2)
    lines = ["ENSEMBLE", *textwrap.wrap(RULES, WIDTH), "", f"{'':<{width}}{'weight':>8}{'validation macro AUC':>23}"]
    for row in table.sort_values("Weight", ascending=False, kind="stable").itertuples():
        lines.append(f"{row.Model:<{width}}{row.Weight:>8.3f}{number(row.Validation_macro_AUC):>23}")
    lines.append(f"{ENSEMBLE:<{width}}{'':>8}{number(ranking.validation_macro_auc):>23} (fitted on these records)")
    return [*lines, "", *textwrap.wrap(held_out_text(table), WIDTH)]
