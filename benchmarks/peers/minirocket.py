"""MiniRocket (Dempster et al., 2021) and a logistic regression for each class; run by `peers.py` in an environment with aeon.

    ENV/bin/python benchmarks/peers/minirocket.py SIGNALS.npz PREDICTIONS.npz --seeds 3

SIGNALS.npz holds `train`, `validation` and `test` (n_records, n_leads, n_samples) in millivolts, and `train_labels` and
`validation_labels` (n_records, n_classes). The strength of the penalty is chosen by the validation macro AUC; of the test records there
are no labels here. PREDICTIONS.npz holds `validation` and `test`, (n_seeds, n_records, n_classes), and `c`, the chosen strengths.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)


def probabilities(features: dict[str, np.ndarray], labels: np.ndarray, c: float) -> dict[str, np.ndarray]:
    """Fit one logistic regression a class on train; return what they predict on validation and test, (n_records, n_classes)."""
    columns: dict[str, list[np.ndarray]] = {"validation": [], "test": []}
    for truth in labels.T:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300)).fit(features["train"], truth)
        for split, found in columns.items():
            found.append(model.predict_proba(features[split])[:, 1])
    return {split: np.stack(found, axis=1) for split, found in columns.items()}


def main() -> None:
    """Transform, choose the penalty on validation, predict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    given = np.load(arguments.signals)
    made: dict[str, list[np.ndarray]] = {"validation": [], "test": [], "c": []}
    for seed in range(arguments.seeds):
        rocket = MiniRocket(random_state=seed).fit(given["train"])
        features = {split: np.asarray(rocket.transform(given[split])) for split in ("train", "validation", "test")}
        tried = {c: probabilities(features, given["train_labels"], c) for c in STRENGTHS}
        score = {c: roc_auc_score(given["validation_labels"], one["validation"], average="macro") for c, one in tried.items()}
        best = max(score, key=lambda c: score[c])
        print(f"minirocket seed {seed}: C={best:g}, validation macro AUC {score[best]:.4f}", flush=True)
        made["c"].append(np.array(best))
        for split in ("validation", "test"):
            made[split].append(tried[best][split])
    np.savez(arguments.predictions, **{name: np.stack(values) for name, values in made.items()})


if __name__ == "__main__":
    main()
