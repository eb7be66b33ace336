"""`ecg_tune.evaluate`, and what `ecg-tune evaluate` does: open the sealed test split once and write the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from analysis.evaluation.evaluate import evaluate as evaluate_models
from analysis.evaluation.result import EvaluationResult
from analysis.retraining.thresholds import SENSITIVITY_TARGET
from ecg_tune.api.device import pick_device
from ecg_tune.api.study_data import open_study_data
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.folder_kinds import instead_of_study
from ecg_tune.study.study import Study


def evaluate(
    source: Path | str,
    out: Path | str = "results",
    *,
    data: Path | str | None = None,
    on: Path | str | None = None,
    on_split: str | None = None,
    bootstrap: int = 1000,
    sensitivity: float = SENSITIVITY_TARGET,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> EvaluationResult:
    """Open the sealed test split once, note that in its ledger, and write the evaluation report.

    Nothing is chosen on the test split.

    Args:
        source: Folder of a study with retrained models, or of `*_best.pth`.
        out: Folder of the report.
        data: Prepared data: those of the checkpoints, or the study's if they have moved.
        on: Prepared data of another source: evaluate on them instead (external validation); the own test split stays sealed.
        on_split: Records of `on` to use: "all" (when None), or its "test" split.
        bootstrap: Resamples of patients for the confidence intervals.
        sensitivity: Sensitivity that the third set of thresholds reaches on validation, above 0, at most 1.
        device: "auto", "cpu" or a CUDA device such as "cuda:0".
        say: Is told how it goes, a line at a time.

    Returns:
        All numbers of the report.

    Raises:
        UsageError: No models, models of other data, or no data are named; the test split stays sealed then.
    """
    folder = Path(source)
    if on_split and on is None:
        raise UsageError(f"--on-split {on_split} is about the data of --on: name them with --on DIR, or leave --on-split out")
    is_study = Study.exists(folder)
    if data is None and not is_study:
        if any(folder.glob("*.pth")):
            raise UsageError(f"{folder} holds models, and is not a study: give the prepared data that they were trained on with --data DIR")
        raise UsageError(f"{folder} is not a study, and holds no models: {instead_of_study(folder)}")
    where = None if data is None else str(data)
    prepared = open_prepared(where) if where and not is_study else open_study_data(folder, where)
    return evaluate_models(
        folder / "models" if is_study else folder, prepared, Path(out), study=str(source), ledger_folder=folder if is_study else None,
        on=None if on is None else open_prepared(str(on)), part=on_split or "all", n_bootstrap=bootstrap, sensitivity_target=sensitivity,
        device=pick_device(device), progress=say,
    )  # fmt: skip
