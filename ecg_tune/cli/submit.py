"""`ecg-tune submit`: run a search on a cluster, as a Ray job."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import typer

from ecg_tune.api.settings import read_settings
from ecg_tune.cli.flags import flag_words, takes_settings
from ecg_tune.cli.options import StudyFolder
from ecg_tune.cli.search_options import ClusterData, Detach, ImportedStudies, InsecureJobs, JobProgress, JobsServer, OnEnd, SettingsFile
from ecg_tune.cluster.jobs import FILES, SubmittedJob, follow_job, jobs_client, submit_job
from ecg_tune.errors import UsageError
from ecg_tune.search.on_end import on_end as check_on_end
from ecg_tune.storage import open_storage

EXAMPLE = "Example: ecg-tune submit studies/a --data DATA --families all --trials 200 --address http://127.0.0.1:8265"


@takes_settings
def submit(
    study: StudyFolder,
    data: ClusterData = None,
    config: SettingsFile = None,
    address: JobsServer = "http://127.0.0.1:8265",
    import_study: ImportedStudies = None,
    progress: JobProgress = "plain",
    on_end: OnEnd = None,
    detach: Detach = False,
    insecure: InsecureJobs = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Run a search on a cluster, as a Ray job.

    STUDY and DATA are paths on the cluster, relative to the home folder there. The job gets the code of this installation.
    It keeps running when this command ends; `submit STUDY` alone resumes the study.
    """
    if data is not None:
        open_storage(data)
    read_settings(config, flags)  # refuses here what the job would refuse
    if on_end is not None:
        check_on_end(on_end)  # as above
    if progress not in ("plain", "jsonl"):
        raise UsageError(f"--progress {progress} needs a terminal: a job prints plain or jsonl")
    arguments, files = ["search", str(study), "--address", "auto", "--progress", progress], dict[str, bytes]()
    arguments += ["--data", data] if data is not None else []
    for name, path in (("config", config), ("enqueue", flags.get("enqueue"))):
        if path:
            arguments += [f"--{name}", _attach(Path(path), files)]
    for other in import_study or ():
        arguments += ["--import-study", str(other)]
    arguments += ["--insecure"] if insecure else []
    arguments += ["--on-end", on_end] if on_end is not None else []
    arguments += flag_words({name: value for name, value in flags.items() if name != "enqueue"})
    command = shlex.join(["ecg-tune", *sys.argv[1:]])
    job = submit_job(jobs_client(address, insecure=insecure), address, arguments, files=files, command=command)
    print(f"job {job.job_id}\n{job.commands_text()}\nresume: the same command again, however the job ended", file=sys.stderr, flush=True)
    if not detach:
        _follow(job)


def _follow(job: SubmittedJob) -> None:
    try:
        code = follow_job(job)
    except KeyboardInterrupt:
        print(f"ecg-tune: the job keeps running\n{job.commands_text()}", file=sys.stderr)
        raise typer.Exit(130) from None
    if code:
        raise typer.Exit(code)


def _attach(path: Path, files: dict[str, bytes]) -> str:
    """Add a file to those that travel with the job, and name it as the job's command does."""
    name = f"{len(files)}_{os.path.basename(path)}"
    files[name] = path.read_bytes()
    return FILES + name
