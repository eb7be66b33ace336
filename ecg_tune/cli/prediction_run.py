"""Predict recordings one after the other for `ecg-tune predict`: print, draw, collect, and list what was refused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.prediction.prediction import Prediction
from analysis.prediction.table import prediction_row, refused_row
from ecg_tune.cli.progress_bar import bar
from ecg_tune.data.recordings.file_facts import FileFacts
from ecg_tune.data.recordings.files import read_recordings
from ecg_tune.data.recordings.recording import Recording
from ecg_tune.errors import DataError, UsageError
from ecg_tune.storage import LocalStorage

RULES = {
    "half": "half: 0.5",
    "f1": "f1: that of the highest F1 on validation",
    "sensitivity": "sensitivity: the highest that reaches the wanted sensitivity on validation",
}


@dataclass
class PredictionRun:
    """Predicts recordings one after the other, prints each, and keeps the rows of the table.

    Attributes:
        predict: Predicts one recording.
        draw: Draws a prediction into an open file.
        png: Where to: a .png, or a folder; None draws nothing.
        alone: There is one file: its errors are the command's.
    """

    predict: Callable[[Recording], Prediction]
    draw: Callable[[Prediction, Any], None]
    png: Path | None
    as_json: bool
    alone: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    n_predicted: int = 0
    n_refused: int = 0
    drawn: set[Path] = field(default_factory=set)

    def predict_all(self, files: Sequence[Path], facts: FileFacts) -> None:
        """Predict all recordings of files; one that can't be read or does not fit is listed, unless it is the only one."""
        with bar("predicting") as progress:
            for done, file in enumerate(files):
                progress(done, len(files))
                for name, content, n_recordings in _read(file, facts):
                    alone = self.alone and n_recordings == 1
                    try:
                        if isinstance(content, DataError):
                            raise content
                        self.take(file, content, alone=alone)
                    except DataError as error:
                        if alone:
                            raise
                        self.refuse(file, name, error)

    def take(self, file: Path, recording: Recording, *, alone: bool) -> None:
        """Predict one recording of a file."""
        prediction = self.predict(recording)
        if self.png:
            path = self._png_path(self.png, file, recording.name, alone=alone)
            LocalStorage(path.parent).write(path.name, partial(self.draw, prediction))
        self.rows.append(prediction_row(str(file), prediction))
        self.n_predicted += 1
        if self.as_json:
            print(json.dumps({"file": str(file), **prediction.as_json()}, ensure_ascii=False))
        elif alone:
            _print_table(prediction)
        else:
            print(_line(prediction))

    def refuse(self, file: Path, recording: str, error: DataError) -> None:
        """Say why a recording was not predicted, and go on."""
        self.n_refused += 1
        self.rows.append(refused_row(str(file), recording, str(error)))
        if self.as_json:
            print(json.dumps({"file": str(file), "recording": recording, "refused": str(error)}, ensure_ascii=False))
        print(f"ecg-tune: refused: {error}", file=sys.stderr)

    def _png_path(self, png: Path, file: Path, name: str, *, alone: bool) -> Path:
        """Name the picture: as the user says, or in a folder after the file's path."""
        if png.suffix.lower() == ".png":
            if not alone:
                raise UsageError(f"{png} is one picture, but there are several recordings: give a folder with --png DIR")
            return png
        text = str(file.with_name(name)).lstrip(f".{os.sep}").replace(os.sep, "_")
        path, number = png / f"{text}.png", 2
        while path in self.drawn:
            path, number = png / f"{text}_{number}.png", number + 1
        self.drawn.add(path)
        return path


def _read(file: Path, facts: FileFacts) -> Iterator[tuple[str, Recording | DataError, int]]:
    """Read a file's recordings, each with its name and their number; or why the file can't be read."""
    try:
        recordings = read_recordings(file, facts)
    except DataError as error:
        yield file.name, error, 1
        return
    for recording in recordings:
        yield recording.name, recording, len(recordings)


def _print_table(prediction: Prediction) -> None:
    table = Table("class", "probability", "calibrated", "threshold", "decision")
    for k, name in enumerate(prediction.class_names):
        calibrated = "-" if prediction.calibrated is None else f"{prediction.calibrated[k]:.4f}"
        numbers = (f"{prediction.probabilities[k]:.4f}", calibrated, f"{prediction.thresholds[k]:.4f}")
        positive = prediction.decisions[k]
        table.add_row(Text(name), *numbers, Text("YES" if positive else "no", style="bold" if positive else ""))
    console = Console(highlight=False)
    console.print(Text(prediction.recording + (" (SYNTHETIC model)" if prediction.synthetic else "")))
    console.print(table)
    for note in prediction.adapted.notes:
        print(f"signal: {note}")
    if prediction.calibrated is None:
        print("calibrated: this model file holds no scaling; train or retrain it to have it")
    if prediction.threshold_note:
        print(prediction.threshold_note)
    print(f"decision: YES where the probability reaches the threshold, {RULES.get(prediction.rule, prediction.rule)}")


def _line(prediction: Prediction) -> str:
    """Write a prediction in one line: the classes that it decides for, the surest without one."""
    named = [
        f"{name} {p:.3f}"
        for name, p, yes in zip(prediction.class_names, prediction.probabilities, prediction.decisions, strict=True)
        if yes
    ]
    text = (
        ", ".join(named) or f"none (nearest: {prediction.class_names[prediction.surest]} {prediction.probabilities[prediction.surest]:.3f})"
    )
    notes = f" ({'; '.join(prediction.adapted.notes)})" if prediction.adapted.notes else ""
    return f"{prediction.recording}: {text}{notes}{' SYNTHETIC model' if prediction.synthetic else ''}"
