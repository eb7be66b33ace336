"""Options and small functions that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ecg_tune.config import LEAD_NAMES
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.errors import ConfigError

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]
DataFolder = Annotated[
    str, typer.Option("--data", metavar="DIR", help="Prepared data (see `ecg-tune data prepare`), or s3://BUCKET/PREFIX.")
]
StudyData = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Prepared data, if it has moved since the search.")]


def headline(data: PreparedData) -> str:
    """Describe a data set in the line that stands above every number."""
    counts = f"{len(data.train)} train / {len(data.validation)} validation records, split {data.manifest['split']}"
    synthetic = "SYNTHETIC data, " if data.synthetic else ""
    synthetic += f"LIMITED to {data.limited}, " if data.limited else ""
    return f"{synthetic}{counts}, leads {','.join(data.leads)}, data {data.fingerprint[:12]}"


def split_commas(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; spaces and empty parts are dropped."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def lead_names(text: str) -> tuple[str, ...]:
    """Read a list of leads in any case (`aVR` is AVR); `all` and `12` mean all twelve."""
    return LEAD_NAMES if text.strip().lower() in ("all", "12") else tuple(name.upper() for name in split_commas(text))


def without_none(**flags: Any) -> dict[str, Any]:
    """Keep the flags that the user gave: those left out are None."""
    return {name: value for name, value in flags.items() if value is not None}


def read_yaml(path: Path, *, expected: tuple[type, ...] = (dict,)) -> Any:
    """Read a YAML file.

    Args:
        path: The file.
        expected: Types that its content may have.

    Raises:
        ConfigError: Missing, not YAML, or not of an expected type.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, expected):
        raise ConfigError(f"{path}: expected names with values, but got {content!r}")
    return content


class _Loader(yaml.SafeLoader):
    """Read 1e-3 as a number, as YAML 1.2 and people do; YAML 1.1 takes it for text."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))
