"""An evaluation's folder changes as a whole, and what is not its own stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from analysis.evaluation.result_files import read_evaluation
from analysis.evaluation.result_folder import changed_files, whole_results
from ecg_tune.errors import DataError

OLD = {"predictions.parquet": "old", "01_macro_comparison.csv": "old", "20_ensemble.csv": "old", "visualizations/06_bars.png": "old"}
NEW = {"predictions.parquet": "new", "01_macro_comparison.csv": "new"}


def write(out: Path, content: Mapping[str, str]) -> None:
    with whole_results(out) as scratch:
        for name, text in content.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_text(text)


def content_of(out: Path) -> dict[str, str]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "SHA256SUMS.txt"]
    return {path.relative_to(out).as_posix(): path.read_text() for path in files}


def test_the_last_evaluation_goes_as_a_whole_and_what_others_put_there_stays(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "20_ensemble.csv").write_text("annotated by hand")
    write(tmp_path, NEW)
    assert content_of(tmp_path) == {**NEW, "notes.txt": "mine", "20_ensemble.csv": "annotated by hand"}
    assert changed_files(tmp_path) == []


def test_an_evaluation_that_ends_early_leaves_the_last_one_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, OLD)

    def evaluation() -> None:
        with whole_results(tmp_path) as scratch:
            (scratch / "predictions.parquet").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluation()
    assert content_of(tmp_path) == OLD
    write(tmp_path, NEW)
    assert content_of(tmp_path) == NEW


def test_an_evaluation_that_ends_while_its_files_are_moved_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    (tmp_path / "01_macro_comparison.csv").unlink()
    (tmp_path / "01_macro_comparison.csv").mkdir()  # the first file that is moved can't be
    with pytest.raises(OSError, match="01_macro_comparison"):
        write(tmp_path, NEW)
    with pytest.raises(DataError, match=r"holds no predictions\.parquet"):
        read_evaluation(tmp_path)


def test_of_two_evaluations_at_once_the_later_one_stays_whole(tmp_path: Path) -> None:
    with whole_results(tmp_path) as later:
        write(tmp_path, OLD)
        for name, text in NEW.items():
            (later / name).write_text(text)
    assert content_of(tmp_path) == NEW


@pytest.mark.parametrize("listing", ["0" * 64 + "  ../mine.txt\n", "nonsense\n", ""])
def test_a_listing_of_somebody_else_takes_nothing_away(listing: str, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine.txt"
    out.mkdir()
    mine.write_text("mine")
    (out / "SHA256SUMS.txt").write_text(listing.replace("0" * 64, "3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff"))
    write(out, NEW)
    assert mine.read_text() == "mine"
    assert content_of(out) == NEW
