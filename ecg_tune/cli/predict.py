"""`ecg-tune predict`: predict one's own recordings with a trained model."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from analysis.plots import DPI
from analysis.prediction.explanation import check_explainable, explain_prediction
from analysis.prediction.figure import prediction_figure
from analysis.prediction.model_choice import ChosenModel, open_model
from analysis.prediction.prediction import Prediction, predict_recording
from analysis.prediction.table import check_table_path, write_table
from ecg_tune.api.device import pick_device
from ecg_tune.cli.options import Device
from ecg_tune.cli.prediction_run import PredictionRun
from ecg_tune.config.parsing import split_commas
from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.files import find_recordings
from ecg_tune.errors import DataError, StoppedError, UsageError
from ecg_tune.training.predictor import signal_format

EXAMPLE = "Example: ecg-tune predict STUDY 00001_lr.hea --png 00001.png   or   ecg-tune predict MODEL.pth folder/ --out predictions.csv"

OTHER_PICTURES = (".jpg", ".jpeg", ".pdf", ".svg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".eps", ".ps")

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file (.pth), an ensemble's .json, or a study or folder: its best single model.")
]
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="WFDB records (with or without .hea), .csv, .npy or .edf files, or folders of them.")
]
Leads = Annotated[str, typer.Option(metavar="NAMES", help="Names of the columns of .npy files, as in I,II,V2.")]
Rate = Annotated[
    float | None,
    typer.Option(
        min=1, max=100_000, metavar="HZ", help="Sampling rate of files that don't say it: .npy, and .csv without a column time_s."
    ),
]
Units = Annotated[str, typer.Option(metavar="NAME", help="Units of files that don't say them: mv, uv or v.")]
Thresholds = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Thresholds of the decisions: f1 (highest F1 on validation), half (0.5), or sensitivity where the model has it.",
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a table, one row a recording: .csv or .parquet.")]
Png = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Draw each ECG on paper with its probabilities: a .png, or a folder for several.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Colour the drawn ECG by what moved the surest class; not for fusions and ensembles.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a recording, one a line.")]


def predict(
    model: Model,
    files: Files,
    leads: Leads = "",
    rate: Rate = None,
    units: Units = "",
    thresholds: Thresholds = "f1",
    out: Out = None,
    png: Png = None,
    explain: Explain = False,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Predict your own recordings with a trained model.

    Leads are matched by name, and the signal is resampled and cropped to what the model takes. What does not fit is refused.
    """
    facts = FileFacts(split_commas(leads), rate, units)
    _check_pictures(png, explain=explain)
    found, n_others = find_recordings(files)
    if out:
        check_table_path(out, inputs=found)
    chosen, where = open_model(model), pick_device(device)
    chosen.thresholds(thresholds)  # refused before a file is read
    if explain:
        check_explainable(chosen)
    run = PredictionRun(
        partial(predict_recording, chosen, rule=thresholds, device=where), partial(_draw, chosen, explain=explain, device=where),
        png, as_json=as_json, alone=len(found) == 1 and not files[0].is_dir(),
    )  # fmt: skip
    if not as_json:
        print(_model_line(chosen))
    if n_others:
        print(f"ecg-tune: files left out because they are no recordings (.hea, .csv, .npy, .edf): {n_others}", file=sys.stderr)
    try:
        run.predict_all(found, facts)
    except KeyboardInterrupt as error:
        raise StoppedError(f"interrupted after {run.n_predicted} recordings{f'; {out} was not written' if out else ''}") from error
    if out:
        write_table(run.rows, out)
        print(f"wrote {out}", file=sys.stderr if as_json else sys.stdout)
    if run.n_refused:
        raise DataError(f"{run.n_refused} of {run.n_predicted + run.n_refused} recordings were refused, for the reasons above")


def _check_pictures(png: Path | None, *, explain: bool) -> None:
    if explain and png is None:
        raise UsageError("--explain colours a drawn ECG: give a file or folder with --png PATH")
    if png and png.suffix.lower() in OTHER_PICTURES and not png.is_dir():
        raise UsageError(f"pictures are written as .png, but got --png {png}: call it {png.stem}.png, or name a folder")


def _draw(chosen: ChosenModel, prediction: Prediction, file: Any, *, explain: bool, device: str) -> None:
    wanted = signal_format(chosen.predictor)
    explanation = explain_prediction(chosen, prediction, device=device) if explain else None
    figure = prediction_figure(prediction, leads=wanted.leads, sampling_rate_hz=wanted.sampling_rate_hz, explanation=explanation)
    figure.savefig(file, dpi=DPI, format="png", facecolor="white")


def _model_line(chosen: ChosenModel) -> str:
    wanted = signal_format(chosen.predictor)
    takes = f"takes {','.join(wanted.leads)}, {wanted.duration_s:g} s at {wanted.sampling_rate_hz} Hz"
    mark = (
        "\nSYNTHETIC: the model was trained on simulated records; its numbers say nothing about patients."
        if chosen.predictor.synthetic
        else ""
    )
    return f"model {chosen.name} ({chosen.file}{'; ' + chosen.why if chosen.why else ''}) {takes}{mark}"
