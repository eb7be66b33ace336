"""What is shown while a download runs."""

from __future__ import annotations

import pytest

from ecg_tune.cli import progress_bar
from ecg_tune.cli.progress_bar import transfer_bar, transfer_text
from ecg_tune.data.download.download import Transfer


@pytest.mark.parametrize(
    ("transfer", "seconds", "text"),
    [
        (Transfer("downloading", 0, 5960, 0, 0), 0.0, "0 of 5,960 files"),
        (
            Transfer("downloading", 1490, 5960, 30_000_000, 2),
            20.0,
            "1,490 of 5,960 files, 30.0 MB, 1.5 MB/s, 0:01:00 left, 2 retries",
        ),
        (Transfer("downloading", 5960, 5960, 75_000_000, 0), 50.0, "5,960 of 5,960 files, 75.0 MB, 1.5 MB/s"),
        (Transfer("checking", 2980, 5960, 0, 0), 1.0, "2,980 of 5,960 files, 0:00:01 left"),
    ],
)
def test_a_transfer_tells_files_rate_and_time_left(transfer, seconds, text):
    assert transfer_text(transfer, seconds) == text


def test_without_a_terminal_a_line_comes_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress_bar, "LINE_EVERY_S", 0.0)
    with transfer_bar() as show:
        show(Transfer("checking", 1, 2, 0, 0))
        show(Transfer("downloading", 1, 2, 1_000_000, 0))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "checking: 1 of 2 files, 0:00:00 left"
    assert lines[1].startswith("downloading: 1 of 2 files, 1.0 MB")


def test_without_a_terminal_what_is_short_says_nothing(capsys):
    with transfer_bar() as show:
        show(Transfer("downloading", 1, 2, 1_000_000, 0))
    assert capsys.readouterr().err == ""
