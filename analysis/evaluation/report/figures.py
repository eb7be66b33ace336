"""The report's figures, each with a caption that says how to read it."""

from __future__ import annotations

import base64
from pathlib import Path

from analysis.evaluation.plots.figures import FOLDER
from analysis.evaluation.report.elements import Figure
from analysis.evaluation.result import EvaluationResult

CAPTIONS = {
    "06_model_comparison_bars.png": "Macro means with 95 % intervals. Models share their records, so overlapping whiskers don't show two "
    "models to be equal: see the paired comparisons.",
    "07_heatmap_f1_score.png": "F1-Score of models (rows) by classes (columns); brighter is higher.",
    "07_heatmap_sensitivity.png": "Sensitivity of models (rows) by classes (columns); brighter is higher.",
    "07_heatmap_specificity.png": "Specificity of models (rows) by classes (columns); brighter is higher.",
    "07_heatmap_auc_roc.png": "AUC-ROC of models (rows) by classes (columns); brighter is higher.",
    "08_confusion_matrices.png": "One 2 × 2 matrix a class: rows are the truth, columns the prediction. Percentages are shares of the row: "
    "lower right is the sensitivity, upper left the specificity.",
    "09_roc_curves.png": "ROC curves, one panel a class; the dotted line is chance. Further up and left is better.",
    "10_pr_curves.png": "Precision against sensitivity; the dotted line is the class' share of the records, which guessing would reach. It "
    "depends on how frequent a class is here.",
    "13_reliability_curves.png": "Share of positives against the predicted probability. On the dotted line the two agree; below it the "
    "probabilities are too high.",
    "14_decision_curves.png": "Net benefit against the threshold probability. The model is worth using where its line lies above both "
    "acting on all and acting on none.",
    "15_subgroups.png": "Macro AUC of each group with its interval; the orange bar is what the same classes reach on all records.",
    "17_mistakes_in_common.png": "Overlap of wrong predictions: 1 for the same mistakes, 0 for none in common.",
    "18_statements.png": "AUC of each statement's records against the records without its class; the orange bar is the AUC of the "
    "whole class.",
    "21_explanations_signal.png": "Integrated gradients of a few predictions: what moved each, not whether it is right.",
    "21_explanations_image.png": "Grad-CAM of a few predictions: where on the image the class' logit came from.",
    "22_external_difference.png": "What changes from the internal test to these records. An interval that leaves the bar at 0 out is a "
    "difference that chance does not explain.",
}


def captioned_figure(result: EvaluationResult, name: str, *, wide: bool = True) -> Figure:
    """Read the figure that `CAPTIONS` lists under this file name."""
    return read_figure(result.out / FOLDER / name, caption=CAPTIONS[name], wide=wide)


def read_figure(path: Path, *, caption: str, wide: bool = True) -> Figure:
    """Read a PNG file; one that is missing becomes a figure that says so."""
    png = base64.b64encode(path.read_bytes()).decode("ascii") if path.is_file() else ""
    return Figure(path.name, caption, png, wide)
