"""An ensemble of the retrained models: a weighted mean of their probabilities, its weights chosen on validation.

Greedy forward selection with replacement (Caruana et al., 2004): starting from nothing, the model is added whose addition gives
the highest validation macro AUC, as long as that rises. A model's weight is the share of the additions that it got.

One set of weights serves all seeds, since it is chosen by the mean over seeds: the ensemble's seed s joins the members' seeds s, so
that its row is a mean over seeds as every other one. Its own validation score rests on the records that chose the weights and
flatters it. It is shown with that mark, and an ensemble is never the best model.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluation.metrics import number
from analysis.evaluation.predictions import ModelPredictions, SeedPredictions
from analysis.evaluation.provenance import WIDTH, Ranking
from analysis.evaluation.statistics.platt import platt_parameters
from analysis.evaluation.thresholds import sensitivity_thresholds
from ecg_tune.data.prepared.dataset import Split
from ecg_tune.metrics import Array, f1_thresholds, macro_auc

ENSEMBLE = "Ensemble"
ROUNDS = 30
LEAST_GAIN = 1e-6
RULES = (
    "Weighted mean of the members' probabilities. Greedy forward selection with replacement (Caruana et al., 2004) on validation, by "
    "the mean over seeds of the macro AUC; seed s joins the members' seeds s. Thresholds and Platt scaling are then fitted on validation "
    "as for every model. Its validation macro AUC is that of the records which chose the weights, so it flatters the ensemble, which "
    "for this reason is never the best model."
)


def greedy_weights(labels: NDArray[np.generic], members: Mapping[str, Sequence[Array]]) -> dict[str, float]:
    """Return the weights, positive and of sum 1, of the members that were chosen, heaviest first.

    Args:
        labels: (n_records, n_classes) of 0/1, validation.
        members: {model: one (n_records, n_classes) array of probabilities a seed}, the same number of seeds each.
    """
    stacked = {name: np.stack(seeds) for name, seeds in members.items()}  # (seeds, records, classes)
    total = np.zeros_like(next(iter(stacked.values())))
    picks: Counter[str] = Counter()
    reached = -np.inf
    for size in range(1, ROUNDS + 1):
        scores = {name: _score(labels, (total + predictions) / size) for name, predictions in stacked.items()}
        name = max(scores, key=lambda candidate: scores[candidate])
        if scores[name] <= reached + LEAST_GAIN:
            break
        reached = scores[name]
        total += stacked[name]
        picks[name] += 1
    return {name: count / picks.total() for name, count in picks.most_common()}


def ensemble_predictions(
    predictions: Mapping[str, ModelPredictions], validation: Split, *, sensitivity_target: float
) -> tuple[ModelPredictions, dict[str, float]]:
    """Return the ensemble's answers and its weights.

    Args:
        answers: Of two models or more. A model with more seeds than another takes part with its first ones.
    """
    n_seeds = min(len(model.seeds) for model in predictions.values())
    members = {name: [seed.validation for seed in model.seeds[:n_seeds]] for name, model in predictions.items()}
    weights = greedy_weights(validation.labels, members)
    seeds = []
    for place in range(n_seeds):
        joined = [predictions[name].seeds[place] for name in weights]
        known = _mean([seed.validation for seed in joined], weights)
        seeds.append(
            SeedPredictions(
                seed=joined[0].seed,
                validation_macro_auc=macro_auc(validation.labels, known),
                validation=known,
                test=_mean([seed.test for seed in joined], weights),
                f1_thresholds=f1_thresholds(validation.labels, known),
                sensitivity_thresholds=sensitivity_thresholds(validation.labels, known, target=sensitivity_target),
                platt=platt_parameters(validation.labels, known),
            )
        )
    return ModelPredictions(ENSEMBLE, tuple(seeds)), weights


def ensemble_ranking(model: ModelPredictions) -> Ranking:
    """Return where the ensemble stands on validation, marked as fitted there."""
    values = np.array([seed.validation_macro_auc for seed in model.seeds])
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Ranking(model.name, len(values), float(values.mean()), spread, fitted_on_validation=True)


def ensemble_table(
    weights: Mapping[str, float], predictions: Mapping[str, ModelPredictions], validation: Split, *, split: str
) -> pd.DataFrame:
    """Return one row a model: its weight, 0 for those not chosen, and its own validation macro AUC, mean over seeds."""
    rows = []
    for name, model in predictions.items():
        if name != ENSEMBLE:
            own = float(np.mean([seed.validation_macro_auc for seed in model.seeds]))
            rows.append({"Model": name, "Weight": weights.get(name, 0.0), "Validation_macro_AUC": own})
    n_patients = len(set(validation.records["patient_id"].tolist()))
    return pd.DataFrame(rows).assign(Split=f"{split}, validation part", Records=len(validation), Patients=n_patients)


def ensemble_cost(costs: pd.DataFrame, weights: Mapping[str, float]) -> pd.DataFrame:
    """Return the cost table with the ensemble's row: the sums over its members, which answer one after the other."""
    members = costs[costs["Model"].isin(list(weights))]
    summed = [column for column in costs if column.startswith(("Parameters", "MACs", "Latency_ms", "Training_s"))]
    row = members.iloc[0].to_dict() | {column: members[column].sum() for column in summed if not column.endswith("passes")}
    row |= {"Model": ENSEMBLE, "Family": "ensemble", "Input": "; ".join(members["Input"]), "Epochs_mean": members["Epochs_mean"].sum()}
    return pd.concat([costs, pd.DataFrame([row])], ignore_index=True)


def ensemble_lines(table: pd.DataFrame, ranking: Ranking) -> list[str]:
    """Return the section's lines."""
    width = max(12, int(table["Model"].str.len().max()) + 2)
    lines = ["ENSEMBLE", *textwrap.wrap(RULES, WIDTH), "", f"{'':<{width}}{'weight':>8}{'validation macro AUC':>23}"]
    for row in table.sort_values("Weight", ascending=False, kind="stable").itertuples():
        lines.append(f"{row.Model:<{width}}{row.Weight:>8.3f}{number(row.Validation_macro_AUC):>23}")
    return [*lines, f"{ENSEMBLE:<{width}}{'':>8}{number(ranking.validation_macro_auc):>23} (fitted on these records)"]


def _score(labels: NDArray[np.generic], several: Array) -> float:
    return float(np.nan_to_num(np.mean([macro_auc(labels, predictions) for predictions in several]), nan=-1.0))


def _mean(several: Sequence[Array], weights: Mapping[str, float]) -> Array:
    return np.asarray(np.tensordot(np.array(list(weights.values())), np.stack(several), axes=1), dtype=np.float64)
