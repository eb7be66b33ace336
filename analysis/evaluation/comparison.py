"""`ModelComparison`: models side by side, from the metrics of `ECGMetrics` or `evaluate_model`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis import plots
from analysis.evaluation.metrics import RATES
from analysis.evaluation.tables import Results, generate_macro_table, per_class_table
from ecg_tune.config import CLASS_NAMES, check_choice
from ecg_tune.errors import DataError

AVERAGE_LABELS = {
    "macro_avg": "Mean over classes",
    "micro_avg": "All classes pooled",
    "weighted_avg": "Mean over classes, weighted by their positives",
    "samples_avg": "Mean over records",
}
"""Average of `ECGMetrics` → words for an axis."""


class ModelComparison:
    """Compares models on one split. Differences are descriptive: no test of significance is made here.

    Args:
        class_names: Classes of the results, in the order of tables and figures.

    Example:
        >>> import numpy as np
        >>> from analysis import ECGMetrics
        >>> labels, metrics = np.array([[1], [0], [1]]), ECGMetrics(("MI",))
        >>> chances = {"good": [[0.9], [0.2], [0.8]], "bad": [[0.4], [0.6], [0.7]]}
        >>> results = {name: metrics.calculate_metrics(labels, np.array(values)) for name, values in chances.items()}
        >>> ModelComparison(("MI",)).compare_models(results, "auc_roc")["Model"].tolist()
        ['good', 'bad']
    """

    def __init__(self, class_names: Sequence[str] = CLASS_NAMES) -> None:
        self.class_names = tuple(class_names)

    def compare_models(
        self, results: Results, metric: str = "auc_roc", *, average: str = "macro_avg", save_path: Path | str | None = None
    ) -> pd.DataFrame:
        """Rank the models by one averaged metric: columns `Model`, the metric, `Difference` to the first; NaN last.

        Args:
            results: {model: metrics}.
            metric: One of the rates, e.g. "f1_score".
            average: "macro_avg", "micro_avg", "weighted_avg" or "samples_avg".
            save_path: A PNG to write, with the bars of `plot_comparison_bars`.
        """
        check_choice("average", average, AVERAGE_LABELS)
        self._check(results, metric)
        table = pd.DataFrame({"Model": list(results), metric: [metrics[average][metric] for metrics in results.values()]})
        table = table.sort_values(metric, ascending=False, kind="stable", na_position="last", ignore_index=True)
        table["Difference"] = table[metric] - table[metric].iloc[0]
        if save_path is not None:
            self.plot_comparison_bars({name: results[name] for name in table["Model"]}, average=average, save_path=save_path)
        return table

    def plot_comparison_bars(self, results: Results, *, average: str = "macro_avg", save_path: Path | str | None = None) -> Figure:
        """Draw every averaged metric of every model as a bar, models from top to bottom; written as PNG when `save_path` is given."""
        check_choice("average", average, AVERAGE_LABELS)
        self._check(results, RATES[0])
        values = {name: metrics[average] for name, metrics in results.items()}
        return plots.saved(plots.bars_figure(values, {}, average=AVERAGE_LABELS[average]), save_path)

    def create_comparison_table(self, results: Results, metric: str | None = None, *, save_path: Path | str | None = None) -> pd.DataFrame:
        """Tabulate the macro means of all metrics, or one metric for each class; one row a model.

        Args:
            save_path: A CSV file to write, four decimals.
        """
        self._check(results, metric or RATES[0])
        table = generate_macro_table(results) if metric is None else per_class_table(results, metric, class_names=self.class_names)
        if save_path is not None:
            table.to_csv(Path(save_path), index=False, float_format="%.4f", lineterminator="\n")
        return table

    def plot_metric_heatmap(self, results: Results, metric: str = "f1_score", save_path: Path | str | None = None) -> Figure:
        """Draw models by classes; written as PNG when `save_path` is given."""
        self._check(results, metric)
        table = per_class_table(results, metric, class_names=self.class_names)
        values = table[list(self.class_names)].to_numpy(dtype=float)
        figure = plots.heatmap_figure(values, rows=list(results), columns=self.class_names, metric=metric)
        return plots.saved(figure, save_path)

    def _check(self, results: Results, metric: str) -> None:
        check_choice("metric", metric, RATES)
        if not results:
            raise DataError("there is no model to compare: pass {name: metrics} with one or more")
        for name, metrics in results.items():
            missing = [c for c in self.class_names if c not in metrics]
            if missing:
                raise DataError(f"the metrics of {name} lack the class {missing[0]}: compute them with the same class_names")
