"""The examples of the page "From the classic layout" run as they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecg_tune.config import Config
from ecg_tune.data.prepared.dataset import PreparedData, read_ledger
from ecg_tune.training.model_file import load_saved

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "classic.md"
PICTURES = {"bars.png", "heatmap.png", "loss.png", "f1.png", "classes.png", "trainings.png"}


@pytest.mark.slow
def test_the_page_runs_from_training_to_figures(
    classic_data: PreparedData, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").symlink_to(classic_data.folder)
    (tmp_path / "TREE").symlink_to(tree)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Config, "DEVICE", "cpu")
    openings, names = len(read_ledger(classic_data)), dict[str, Any]()
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE):
        exec(block, names)
    assert len(read_ledger(classic_data)) == openings + 2, "one line by the loader, as the page says, and one by evaluate_all_models"
    assert (
        {path.stem.removesuffix("_best") for path in tmp_path.glob("checkpoints/*")}
        == {"BiGRU", "CNN1D", "short"}
        == set(names["histories"])
    )
    assert set(names["results"]) == {"BiGRU", "short"}
    trained = [load_saved(tmp_path / "checkpoints" / f"{name}_best.pth") for name in ("BiGRU", "short")]
    assert [saved.data.get("trained_with") for saved in trained] == ["BCEWithLogitsLoss, Adam, ReduceLROnPlateau", None]
    assert {path.name for path in tmp_path.glob("*.png")} == PICTURES
    assert set(pd.read_csv("results/01_macro_comparison.csv")["Model"]) == {"BiGRU", "CNN1D"}
    assert [len(history) for history in names["histories"].values()] == [3, 3, 3]
    assert names["networks"]["BiGRU"].config.hidden_size == 32
    assert [tuple(names[name].shape) for name in ("signal", "image", "labels")] == [(4, 1000, 3), (4, 3, 224, 224), (4, 5)]
    printed = capsys.readouterr().out
    assert re.search(r"^BiGRU: F1 [01]\.\d{4}, AUC of MI [01]\.\d{4}$", printed, flags=re.MULTILINE)
    assert re.search(rf"^\(16, 1000, 3\)\n\(16, 3, 224, 224\)\n\({len(classic_data.train)}, 5\)$", printed, flags=re.MULTILINE)
