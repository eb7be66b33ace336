"""Commands that run on a cluster as Ray jobs, sent from anywhere that reaches its Jobs address, mostly through an ssh tunnel.

A job gets this project's packages, so that the cluster runs the code that sent it, and the files that its command names. Paths
of studies and data are paths on the cluster; relative ones start in the home folder there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from ecg_tune.cluster.auth import OPEN, REFUSED, is_loopback
from ecg_tune.errors import UsageError, WorkFailedError

PACKAGES = ("ecg_tune", "trainables", "search_spaces", "analysis")
COMMAND = "ECG_TUNE_COMMAND"
"""Environment variable of a job: the command to give again where the job was sent from."""
SENT_TO = "ECG_TUNE_ADDRESS"
"""Another one: the Jobs address that was given there."""
BEGIN = "@ecg-tune begins"
ENTRYPOINT = "Running entrypoint for job "
STOP_WAIT_S = 120
RETRY_S = 5.0
CHATTY = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging")
STARTING, STARTS_S = "No available agent", 60.0
"""What a head says whose parts are still starting, and how long that may take."""
FILES = "@files/"
"""What a file of the job begins with in its arguments."""


@dataclass(frozen=True)
class SentJob:
    """A job that a cluster took.

    Attributes:
        number: What the cluster calls it.
    """

    client: JobSubmissionClient
    address: str
    number: str

    def how_to(self) -> str:
        """Return how to follow and to stop it."""
        there = f"{self.number} --address {self.address}"
        return f"follow: ray job logs --follow {there}\nstop:   ray job stop {there}"


def jobs_client(address: str, *, insecure: bool = False) -> JobSubmissionClient:
    """Connect to a cluster's Jobs address.

    Args:
        insecure: Accept one that asks for no token.

    Raises:
        UsageError: Not such an address, nothing answers, our token is refused, or none is asked for.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--address {address} is no Jobs address: give http://HOST:PORT, with a tunnel http://127.0.0.1:8265")
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # Ray would prefer them to what was asked for
        os.environ.pop(name, None)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        if not insecure and not is_loopback(parts.hostname) and requests.get(f"{address.rstrip('/')}/api/jobs/", timeout=10).ok:
            raise UsageError(OPEN.format(address))
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise UsageError(f"the Ray cluster at {address} {REFUSED}") from error
    except (ConnectionError, requests.RequestException, RuntimeError) as error:
        raise UsageError(
            f"no Ray answers at {address}: is the tunnel open (`ray dashboard cluster.yaml`)? ({str(error).splitlines()[0][:200]})"
        ) from error


def send(
    client: JobSubmissionClient, address: str, arguments: Sequence[str], *, files: Mapping[str, bytes] | None = None, again: str = ""
) -> SentJob:
    """Have `ecg-tune ARGUMENTS` run on the cluster's head.

    Args:
        files: Name → content of files that go with it; an argument names one as `FILES` + name.
        again: The command to give again here, which the job's messages then name.

    Raises:
        WorkFailedError: The cluster does not take it.
    """
    words = " ".join(f'"$FILES"/{shlex.quote(word[len(FILES) :])}' if word.startswith(FILES) else shlex.quote(word) for word in arguments)
    environment = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "")}
    environment |= {COMMAND: again, SENT_TO: address}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"README": b"", **(files or {})}.items():  # Ray takes no empty folder
            (Path(folder) / name).write_bytes(content)
        environment_there = {
            "working_dir": folder,
            "py_modules": [str(_root() / package) for package in PACKAGES],
            "excludes": ["__pycache__"],
            "env_vars": {name: value for name, value in environment.items() if value},
        }
        number = _submitted(client, address, f"echo '{BEGIN}'; FILES=$PWD; cd && exec python -m ecg_tune {words}", environment_there)
    return SentJob(client, address, number)


def _submitted(client: JobSubmissionClient, address: str, entrypoint: str, environment: dict[str, Any]) -> str:
    patience = time.monotonic() + STARTS_S
    while True:
        number = f"ecg-tune-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        try:
            return client.submit_job(entrypoint=entrypoint, submission_id=number, runtime_env=environment)
        except (RuntimeError, AuthenticationError, requests.RequestException) as error:
            if STARTING in str(error) and time.monotonic() < patience:
                time.sleep(1)
                continue
            raise WorkFailedError(f"the cluster at {address} does not take the job: {str(error).splitlines()[0][:300]}") from error


def _print(line: str) -> None:
    print(line, end="", flush=True)  # at once, through a pipe too


def follow(job: SentJob, say: Callable[[str], object] = _print) -> int:
    """Pass on what a job prints until it ends; lost connections are made again.

    Returns:
        Its exit code; 130 when somebody stopped it.

    Raises:
        WorkFailedError: The cluster could not run it.
    """
    passed, away = 0, False

    def pass_on(line: str) -> None:
        nonlocal passed, away
        passed, away = passed + 1, False
        say(line)

    while True:
        try:
            asyncio.run(_tail(job, pass_on, passed))
            status = job.client.get_job_status(job.number)
            if status.is_terminal():
                break
        except (aiohttp.ClientError, requests.RequestException, RuntimeError, OSError):  # the tunnel broke, or the head restarts
            if not away:
                print(f"ecg-tune: no connection to {job.address}; the job goes on, this tries again", file=sys.stderr, flush=True)
            away = True
        time.sleep(RETRY_S)
    details = job.client.get_job_info(job.number)
    if status == JobStatus.STOPPED:
        return 130
    if details.driver_exit_code is None:
        raise WorkFailedError(f"job {job.number} was {str(status).lower()} by the cluster: {' '.join(str(details.message).split())[:500]}")
    return int(details.driver_exit_code)


async def _tail(job: SentJob, say: Callable[[str], object], passed: int) -> None:
    """Pass on the lines of the command that come after the first `passed`."""
    begun, line, seen = False, "", 0
    async for text in job.client.tail_job_logs(job.number):
        *lines, line = (line + text).split("\n")
        for whole in lines:
            if whole == BEGIN:
                begun = True
            elif begun and not whole.startswith(ENTRYPOINT):  # Ray's own lines come before ours, that one may come after
                seen += 1
                if seen > passed:
                    say(whole + "\n")


def _root() -> Path:
    """Return the folder in which the packages lie."""
    return Path(__file__).parents[2]
