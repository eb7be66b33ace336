"""One prediction as a picture: the signal that the model saw on ECG paper, the probabilities above it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.evaluation.errors.paper_ecg import MM_PER_S, NARROWEST_MM, ecg_figure
from analysis.evaluation.explanations.figures import LABEL
from analysis.evaluation.report.disclaimers import NOT_CLINICAL
from analysis.prediction.explanation import SignalExplanation
from analysis.prediction.prediction import Prediction

MM_PER_LETTER = 2.1
SYNTHETIC = "SYNTHETIC: the model was trained on simulated records; its numbers say nothing about real ECGs or patients."


def prediction_figure(
    prediction: Prediction, *, leads: Sequence[str], sampling_rate_hz: int, explanation: SignalExplanation | None = None
) -> Figure:
    """Draw a prediction.

    Args:
        leads, sampling_rate_hz: Of the adapted signal.
        explanation: Colours the signal where it is given.
    """
    title = [f"{prediction.recording}, predicted by {prediction.model}", *_class_lines(prediction)]
    if prediction.synthetic:
        title.insert(0, SYNTHETIC)
    if prediction.threshold_note:
        title.append(prediction.threshold_note)
    if prediction.adapted.notes:
        title.append("Signal: " + "; ".join(prediction.adapted.notes))
    if explanation:
        title += [explanation.text, LABEL]
    title.append(NOT_CLINICAL)
    width = int(max(MM_PER_S * len(prediction.adapted.signal_mv) / sampling_rate_hz, NARROWEST_MM) / MM_PER_LETTER)
    title = [part.replace("$", r"\$") for line in title for part in textwrap.wrap(line, width)]  # two dollars would make a formula
    return ecg_figure(
        prediction.adapted.signal_mv,
        leads=leads,
        sampling_rate_hz=sampling_rate_hz,
        title=title,
        attribution=explanation.values if explanation else None,
    )


def _class_lines(prediction: Prediction) -> list[str]:
    lines = []
    for k, name in enumerate(prediction.class_names):
        sign, word = ("≥", "YES") if prediction.decisions[k] else ("<", "no")
        scaled = "" if prediction.calibrated is None else f", calibrated {prediction.calibrated[k]:#.3g}"
        p, threshold = told_apart(prediction.probabilities[k], prediction.thresholds[k])
        lines.append(f"{name}: {word}, probability {p} {sign} threshold {threshold} ({prediction.rule}){scaled}")
    return lines


def told_apart(first: float, second: float) -> tuple[str, str]:
    """Write two numbers with three significant digits, or with as many as it takes to see that they differ.

    Example:
        >>> told_apart(0.25, 0.5), told_apart(0.000012, 0.00034), told_apart(0.99987, 0.99991)
        (('0.250', '0.500'), ('1.20e-05', '0.000340'), ('0.99987', '0.99991'))
    """
    pairs = [(f"{first:#.{digits}g}", f"{second:#.{digits}g}") for digits in range(3, 18)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])
