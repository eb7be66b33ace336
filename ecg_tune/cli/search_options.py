"""Options of `search`, `submit` and `preview` that are no settings of the search: where things are, what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_tune.config.schema import search_schema
from ecg_tune.config.search import ADVANCED, LOGGING, RESOURCES, WHAT
from search_spaces import SPACES


def _grouped(group: str, flag: str, help: str, **more: Any) -> Any:
    return typer.Option(flag, help=help, rich_help_panel=group, **more)


def _print_schema(wanted: bool) -> None:
    if wanted:
        print(json.dumps(search_schema(families=tuple(SPACES)), indent=1, ensure_ascii=False))
        raise typer.Exit()


SearchData = Annotated[
    str | None,
    _grouped(
        WHAT,
        "--data",
        "Prepared data (`ecg-tune data prepare`), or s3://BUCKET/PREFIX. A new study needs it.  [default: where the study's data were]",
        metavar="DIR",
    ),
]
SettingsFile = Annotated[Path | None, _grouped(WHAT, "--config", "YAML file with settings of the search. Flags win.", metavar="FILE")]
ImportedStudies = Annotated[
    list[Path] | None,
    _grouped(ADVANCED, "--import-study", "Learn from another study's trials that fit. May be repeated.", metavar="STUDY"),
]
RetryFailed = Annotated[
    bool, _grouped(ADVANCED, "--retry-failed", "Try the trials that failed once more, each with its own config and seed.")
]
ClusterToJoin = Annotated[
    str | None,
    _grouped(
        RESOURCES,
        "--address",
        "Join the Ray cluster at this address.  [default: RAY_ADDRESS, else start Ray on this machine]",
        metavar="auto|HOST:PORT",
    ),
]
InsecureRay = Annotated[bool, _grouped(RESOURCES, "--insecure", "Start or join a Ray that asks for no token.")]
Progress = Annotated[
    str | None,
    _grouped(
        LOGGING,
        "--progress",
        "How progress is shown.  [default: live in a terminal, else plain; choices: live, plain, jsonl]",
        metavar="NAME",
    ),
]
MlflowServer = Annotated[str | None, _grouped(LOGGING, "--mlflow", "Log trials to MLflow too.", metavar="URI")]
WandbProject = Annotated[str | None, _grouped(LOGGING, "--wandb", "Log trials to Weights & Biases too.", metavar="PROJECT")]
TensorBoard = Annotated[bool, _grouped(LOGGING, "--tensorboard", "Write TensorBoard's events too, to STUDY/tensorboard.")]
OnEnd = Annotated[
    str | None,
    _grouped(
        LOGGING,
        "--on-end",
        "Run this command when the search has ended, in whichever way, with the study and its outcome in variables ECG_TUNE_…; or post "
        "them as JSON to an address (https://…). A failure is said, and changes nothing.",
        metavar="COMMAND|URL",
    ),
]
PrintSchema = Annotated[
    bool,
    _grouped(ADVANCED, "--schema", "Print the JSON schema of the --config file and exit.", callback=_print_schema, is_eager=True),
]

ClusterData = Annotated[
    str | None,
    _grouped(
        WHAT,
        "--data",
        "Prepared data on the cluster: a path there, or s3://BUCKET/PREFIX. A new study needs it.  [default: where the study's data were]",
        metavar="DIR",
    ),
]
JobsServer = Annotated[str, _grouped(RESOURCES, "--address", "Address of Ray Jobs, mostly the end of a tunnel.", metavar="URL")]
InsecureJobs = Annotated[bool, _grouped(RESOURCES, "--insecure", "Use a cluster that asks for no token.")]
JobProgress = Annotated[str, _grouped(LOGGING, "--progress", "How progress is printed: plain or jsonl.", metavar="NAME")]
Detach = Annotated[bool, _grouped(LOGGING, "--detach", "End once the job is sent, instead of showing what it prints.")]

CostsFrom = Annotated[
    Path | None,
    typer.Option(
        "--costs-from", metavar="STUDY", help="Take epoch times and learning curves from this study.  [default: a short measurement here]"
    ),
]
Simulations = Annotated[
    int, typer.Option("--simulations", metavar="N", min=1, max=10_000, help="Searches to simulate, each with another seed.")
]
