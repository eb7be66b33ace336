"""The notebooks in `examples/notebooks` run from top to bottom, and are kept without outputs.

Their code cells are run here in one namespace, as Jupyter would: it, with its kernel and forty packages, is not needed for that.
"""

from __future__ import annotations

import ast
import json
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "examples" / "notebooks"
FILES = sorted(NOTEBOOKS.glob("*.ipynb"))


def cells_of(path: Path, kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def run_notebook(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run all code cells, with temporary files below a folder; return the names that they leave."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    try:
        for cell in cells_of(NOTEBOOKS / name, "code"):
            exec(compile("".join(cell["source"]), f"{name}, {cell['id']}", "exec"), names)
    finally:
        plt.close("all")
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_notebook_is_plain_python_without_outputs_and_says_that_its_data_are_synthetic(path):
    for cell in cells_of(path, "code"):
        assert not cell["outputs"]
        assert cell["execution_count"] is None
        ast.parse("".join(cell["source"]))
    assert "**synthetic**" in "".join(cells_of(path, "markdown")[0]["source"])


@pytest.mark.slow
def test_the_first_notebook_predicts_a_recording_and_loops_over_batches(tmp_path, monkeypatch, capsys):
    names = run_notebook("predict_and_loop.ipynb", tmp_path, monkeypatch)
    assert names["probabilities"].shape == (5,)
    printed = capsys.readouterr().out
    assert "signal, batch 1: inputs [(32, 1000, 3)], labels (32, 5)" in printed
    assert "fusion, batch 3: inputs [(18, 1000, 3), (18, 3, 64, 64)], labels (18, 5)" in printed
    assert len(names["data"].train) == 32 + 32 + 18


@pytest.mark.ray
@pytest.mark.usefixtures("joined_ray")
def test_the_second_notebook_searches_and_shows_every_trial(tmp_path, monkeypatch, capsys):
    names = run_notebook("search_and_look.ipynb", tmp_path, monkeypatch)
    assert [trial.number for trial in names["trials"]] == [0, 1, 2, 3]
    assert names["page"].is_file()
    assert len(names["best_so_far"].values) == 4
    assert list(names["table"].index) == [0, 1, 2, 3]
    assert names["manifest"]["models"][0]["trial"] == names["best"].number
    assert (names["folder"] / "results" / "report.html").is_file()
    assert f"trial {names['best'].number} " in capsys.readouterr().out
