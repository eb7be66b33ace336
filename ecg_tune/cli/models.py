"""`ecg-tune models`: list the families with their sizes and, on request, the time of an epoch on this machine."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import torch
import typer

from ecg_tune.api.device import pick_device
from ecg_tune.api.families import say_refused_families
from ecg_tune.api.settings import space_context
from ecg_tune.cli.options import Device
from ecg_tune.config import PROFILES, SearchSettings, check_choice
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import UsageError
from ecg_tune.models import MODELS
from ecg_tune.models.cost import cost
from ecg_tune.models.plugins import origin_of
from ecg_tune.training.costs import epoch_cost_s
from ecg_tune.training.inputs import takes_signals
from ecg_tune.training.learner import LearningData, learning_data
from search_spaces import SPACES, SpaceContext, resolve

EXAMPLE = "Example: ecg-tune models --measure --data DATA --profile small"
BUILT_IN = "ecg-tune"
"""Where the families come from that no other package brings."""
N_TEXTS = 5
"""Columns of the table before the numbers."""


def models(
    profile: Annotated[str, typer.Option(metavar="NAME", help="Default configs to list: full, small or both.")] = "both",
    measure: Annotated[
        bool, typer.Option("--measure", help="Train on a few records to estimate the seconds of an epoch of --data on this machine.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR", help="Prepared data; sizes are then those for its leads, rate and length, or stored images."),
    ] = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the model families with their sizes and, on request, measured times.

    For each default config: input, parameters, multiply-accumulates (MACs) of one forward pass, and seconds per epoch.
    """
    check_choice("profile", profile, (*PROFILES, "both"))
    if measure and data is None:
        raise UsageError("--measure needs a data set: give one with --data DIR")
    prepared = open_prepared(data) if data else None
    shape: dict[str, int] = {}
    if prepared:
        _, n_samples, n_leads = prepared.train.signals_uv.shape
        shape = {"n_leads": n_leads, "n_samples": n_samples, "sampling_rate_hz": prepared.sampling_rate_hz}
    where = pick_device(device) if measure else "cpu"
    loaded = _loaded(prepared, where) if measure else None
    say_refused_families()
    rows: list[dict[str, Any]] = []
    for family in SPACES:
        if prepared and not prepared.leads and takes_signals(family):
            continue
        for name in PROFILES if profile == "both" else (profile,):
            epochs = SearchSettings(profile=name).epochs
            context = space_context(prepared, name, epochs) if prepared else SpaceContext(name, epochs)
            config = resolve(family, SPACES[family].defaults[name], context)
            size = cost(config, **shape)
            row: dict[str, Any] = {"family": family, "name": MODELS[family].name, "profile": name, "input": size.inputs}
            row["origin"] = BUILT_IN if family in SPACES.built_in else origin_of(family)
            row |= {"parameters": size.n_parameters, "macs": size.macs}
            rows.append(row | ({"epoch_s": _epoch_s(config, loaded, row)} if loaded else {}))
    facts = {"device": where, "threads": _threads(), "train_records": len(loaded.train)} if loaded else {}
    print(json.dumps({**facts, "models": rows}, indent=1, ensure_ascii=False) if as_json else _table(rows, facts))


def _loaded(prepared: Any, device: str) -> LearningData:
    return learning_data(prepared, torch.device(device))


def _threads() -> int:
    return torch.get_num_threads()


def _epoch_s(config: Any, loaded: LearningData, row: dict[str, Any]) -> float:
    print(f"measuring {row['family']} {row['profile']} …", file=sys.stderr, flush=True)
    return round(epoch_cost_s(config, loaded), 2)


def _table(rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    shown = [["family", "report name", "profile", "input of one pass", "from", "parameters", "MMACs", *(["s/epoch"] if facts else [])]]
    for row in rows:
        numbers = [f"{row['parameters']:,}", f"{row['macs'] / 1e6:,.1f}", *([f"{row['epoch_s']:,.1f}"] if facts else [])]
        shown.append([row["family"], row["name"], row["profile"], row["input"], row["origin"], *numbers])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if n < N_TEXTS else cell.rjust(width) for n, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in shown
    ]
    if facts:
        message = f"{facts['train_records']} training records on {facts['device']}, {facts['threads']} CPU threads"
        lines.append(f"s/epoch: extrapolated from a few of {message}; validation not included")
    return "\n".join(line.rstrip() for line in lines)
