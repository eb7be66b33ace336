"""A trial's whole story in lines: how it came into the study, where it waited and resumed, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tune.search.stopping.decision import Decision, forecast_text
from ecg_tune.study.trial import Trial


def story(trial: Trial, trials: Sequence[Trial], *, epochs: int) -> list[str]:
    """Tell what happened to a trial, one line each, oldest first.

    Args:
        trials: All of the study's that count.
        epochs: The last epoch of the search; the trial's own may be an earlier one.
    """
    lines = [f"trial {trial.number} ({trial.family or 'unknown family'}): {_origin(trial)}"]
    lines += [Decision.stored(decision).text(trial.number, epochs) for decision in trial.decisions]
    if trial.note or trial.tags:
        lines.append(" ".join(["noted:", *([trial.note] if trial.note else []), *(f"[{tag}]" for tag in trial.tags)]))
    if trial.discarded:
        lines.append(f"discarded: {trial.discarded}")
    if trial.set_aside:
        lines.append("set aside: it lies outside of the search space since that changed, and guides the search no longer")
    best = max((one.best_value for one in trials if one.best_value is not None and one.state != "FAIL"), default=None)
    if trial.handed_on:
        maker = next((one.number for one in trials if one.queued == f"row {trial.number}"), None)
        return [*lines, "it waits in the queue" if maker is None else f"taken from the queue: tried as trial {maker}"]
    return [*lines, _end(trial, trial.max_epochs or epochs, best)]


def _origin(trial: Trial) -> str:
    if trial.imported_from is not None:
        return f"imported from {trial.imported_from}"
    if trial.continued_from is not None:
        return f"extends trial {trial.continued_from}" + (
            "" if trial.resumes else ", from the start: its schedule depends on the last epoch"
        )
    if trial.is_default:
        return "its family's default config"
    return "a queued config" if trial.queued or trial.handed_on else "sampled"


def _end(trial: Trial, epochs: int, best: float | None) -> str:
    """Say how it ended, or where it is now."""
    reached = "no epoch yet" if not trial.last_epoch else f"best value {trial.best_value:.4f} in {trial.last_epoch} of {epochs} epochs"
    if trial.state == "FAIL":
        return trial.failure_line
    if trial.paused:
        return f"it waits: {reached}"
    if not trial.finished:
        return f"it runs, or its search was interrupted: {reached}"
    if trial.forecast is not None and best is not None:
        return (
            f"{trial.state}, {reached}: pruned when nothing was worth its epochs any more, with a {forecast_text(*trial.forecast)} "
            f"at epoch {epochs}; the study's best value is {best:.4f}"
        )
    return f"{trial.state}, {reached}: ended by {ENDINGS.get(str(trial.ended_by), trial.ended_by)}"


ENDINGS = {
    "max_epochs": "its last epoch",
    "patience": "its own patience",
    "max_hours": "the budget --max-hours",
    "total_epochs": "the budget --total-epochs",
    "gpu_hours": "the budget --gpu-hours",
    "space": "a change of the search space, in which it no longer lies",
    "target": "--target: a good enough value was reached",
    "asha": "the scheduler asha: its value was below those of the best of its family at this rung",
    "hyperband": "the scheduler hyperband: its value was below those of the best of its bracket at this rung",
    "median": "the scheduler median: its value was below the median of the others' means",
}
"""`ended_by` in words."""
