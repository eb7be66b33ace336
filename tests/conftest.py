"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THIRD_PARTY_WARNINGS = (r"ignore:The inplace keyword in DataFrame:DeprecationWarning:wfdb\.io",)  # wfdb 4.3.1 with pandas 3


def pytest_configure(config: pytest.Config) -> None:
    """Except the named warnings of other people's imports from the rule that warnings are errors."""
    for line in THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def ptbxl() -> Path:
    """Return the folder with real PTB-XL records, or skip saying where it was looked for."""
    folder = Path(os.environ.get("ECG_TUNE_PTBXL", ROOT.parent / "shared" / "ptbxl"))
    if not (folder / "ptbxl_database.csv").is_file():
        pytest.skip(f"no PTB-XL at {folder} (set ECG_TUNE_PTBXL)")
    return folder
