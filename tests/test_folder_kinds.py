"""A command that was given another kind of folder says which kind it is, and what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tune.cli.main import run
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.study import Study
from tests.conftest import make_toy_data


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with PTB-XL as published (`ptbxl`), prepared data (`data`), a study (`study`) and an empty folder."""
    place = tmp_path_factory.mktemp("folders")
    synthesize(place / "ptbxl", n_records=12, seed=1)
    make_toy_data(place / "data", n_records=(24, 16, 4))
    Study.create(place / "study", StudyAttributes(max_epochs=1)).close()
    (place / "study" / "models").mkdir()
    (place / "empty").mkdir()
    return place


@pytest.mark.parametrize("command", [["search", "{new}", "--data"], ["data", "describe"], ["train", "cnn1d", "--data"]], ids=" ".join)
@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("ptbxl", "it is PTB-XL as published: `ecg-tune data prepare {given} DATA`"),
        ("study", "it is a study: give the folder that `ecg-tune data prepare` wrote"),
        ("empty", "make it with `ecg-tune data prepare PTBXL {given}`"),
    ],
)
def test_what_is_no_prepared_data(folders: Path, tmp_path: Path, capsys, command: list[str], given: str, remedy: str) -> None:
    folder = folders / given
    assert run([word.format(new=tmp_path / "new") for word in command] + [str(folder)]) == 2
    assert remedy.format(given=folder) in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["dashboard"], ["retrain"], ["evaluate"]], ids=" ".join)
@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("ptbxl", "it is PTB-XL as published: `ecg-tune data prepare {given} DATA`, then `ecg-tune search STUDY --data DATA`"),
        ("data", "it is prepared data: `ecg-tune search STUDY --data {given}` makes a study"),
        ("study/models", "it lies in the study {parent}: give that"),
        ("empty", "`ecg-tune search {given} --data DATA` makes one"),
        ("nowhere", "`ecg-tune search {given} --data DATA` makes one"),
    ],
)
def test_what_is_no_study(folders: Path, capsys, command: list[str], given: str, remedy: str) -> None:
    folder = folders / given
    assert run([*command, str(folder)]) == 2
    message = capsys.readouterr().err
    assert "is not a study" in message
    assert remedy.format(given=folder, parent=folder.parent) in message
