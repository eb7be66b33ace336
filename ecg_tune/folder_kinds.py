"""What a folder holds, so that a command that was given another kind of folder can say so."""

from __future__ import annotations

from pathlib import Path

PTBXL_TABLE, MANIFEST, STUDY_DATABASE, STUDY_ADDRESS = "ptbxl_database.csv", "manifest.json", "study.db", "study.url"
"""Files by which PTB-XL, prepared data and models, and studies are known."""


def is_study(folder: Path) -> bool:
    """Return whether `folder` holds a study, or says where it is."""
    return (folder / STUDY_DATABASE).is_file() or (folder / STUDY_ADDRESS).is_file()


def instead_of_data(folder: Path) -> str:
    """Say what to do with a folder that was taken for prepared data."""
    if (folder / PTBXL_TABLE).is_file():
        return f"it is PTB-XL as published: `ecg-tune data prepare {folder} DATA` makes prepared data of it, then give DATA"
    if is_study(folder):
        return "it is a study: give the folder that `ecg-tune data prepare` wrote"
    return f"make it with `ecg-tune data prepare PTBXL {folder}`"


def instead_of_study(folder: Path) -> str:
    """Say what to do with a folder that was taken for a study."""
    if (folder / PTBXL_TABLE).is_file():
        return f"it is PTB-XL as published: `ecg-tune data prepare {folder} DATA`, then `ecg-tune search STUDY --data DATA`"
    if (folder / MANIFEST).is_file() and (folder / "train").is_dir():
        return f"it is prepared data: `ecg-tune search STUDY --data {folder}` makes a study"
    if is_study(folder.parent):
        return f"it lies in the study {folder.parent}: give that"
    return f"`ecg-tune search {folder} --data DATA` makes one"
