"""Run commands on a cluster as Ray jobs, from any machine that reaches its Jobs address, mostly through an ssh tunnel.

A job takes along this project's packages, so that the cluster runs the same code, and the files that its command names. Paths
of studies and data are paths on the cluster; relative paths start in the home folder there.
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

from ecg_tune.cluster.auth import OPEN, REFUSED, hide_token, is_loopback
from ecg_tune.cluster.loopback import bypass_proxies
from ecg_tune.errors import UsageError, WorkFailedError

PACKAGES = ("ecg_tune", "trainables", "search_spaces", "analysis")
COMMAND = "ECG_TUNE_COMMAND"
"""Environment variable of a job: the command line that submitted it; messages of the job name it as the one to run again."""
SUBMIT_ADDRESS = "ECG_TUNE_ADDRESS"
"""Environment variable of a job: the Jobs address that it was submitted to."""
BEGIN_MARK = "@ecg-tune begins"
ENTRYPOINT = "Running entrypoint for job "
STOP_WAIT_S = 120
RETRY_S = 5.0
CHATTY = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging")
STARTING, STARTUP_TIMEOUT_S = "No available agent", 60.0
"""The refusal of a head that is still starting, and how long to wait for it."""
FILES = "@files/"
"""Prefix of a job's argument that names a file which travels with the job."""


@dataclass(frozen=True)
class SubmittedJob:
    """A job that a cluster has accepted.

    Attributes:
        address: The Jobs address it was submitted to.
        job_id: The cluster's name for it, e.g. "ecg-tune-20260131-120000-9f3a".
    """

    client: JobSubmissionClient
    address: str
    job_id: str

    def commands_text(self) -> str:
        """Write the two `ray job` commands that follow and stop this job, one a line."""
        target = f"{self.job_id} --address {self.address}"
        return f"follow: ray job logs --follow {target}\nstop:   ray job stop {target}"


def jobs_client(address: str, *, insecure: bool = False) -> JobSubmissionClient:
    """Connect to a cluster's Jobs address.

    Args:
        address: http://HOST:PORT or https://HOST:PORT.
        insecure: Accept a cluster that asks for no token.

    Raises:
        UsageError: The address is malformed, nothing answers there, our token is refused, or no token is required.
    """
    host = _host_of(address)
    if not host:
        raise UsageError(f"--address {address} is no Jobs address: give http://HOST:PORT, with a tunnel http://127.0.0.1:8265")
    bypass_proxies()
    hide_token()
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # Ray would prefer them to what was asked for
        os.environ.pop(name, None)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        if not insecure and not is_loopback(host) and requests.get(f"{address.rstrip('/')}/api/jobs/", timeout=10).ok:
            raise UsageError(OPEN.format(address))
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise UsageError(f"the Ray cluster at {address} {REFUSED}") from error
    except (ConnectionError, requests.RequestException, RuntimeError) as error:
        raise UsageError(
            f"no Ray answers at {address}: is the tunnel open (`ray dashboard cluster.yaml`)? ({str(error).splitlines()[0][:200]})"
        ) from error


def _host_of(address: str) -> str:
    """Return the host of http://HOST:PORT or https://HOST:PORT; nothing for what is no such address."""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "") if parts.scheme in ("http", "https") and parts.port != 0 else ""
    except ValueError:
        return ""


def submit_job(
    client: JobSubmissionClient, address: str, arguments: Sequence[str], *, files: Mapping[str, bytes] | None = None, command: str = ""
) -> SubmittedJob:
    """Run `ecg-tune ARGUMENTS` as a job on the cluster's head.

    Args:
        arguments: The command and its arguments, e.g. ["search", "study", "--data", "data"].
        files: Name → content of files that travel with the job; an argument names one as `FILES` + name.
        command: The local command line; messages of the job name it as the one to run again.

    Raises:
        WorkFailedError: The cluster does not accept the job.
    """
    command_line = " ".join(_quoted(argument) for argument in arguments)
    environment = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "")}
    environment |= {COMMAND: command, SUBMIT_ADDRESS: address}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"README": b"", **(files or {})}.items():  # Ray takes no empty folder
            (Path(folder) / name).write_bytes(content)
        runtime_env = {
            "working_dir": folder,
            "py_modules": [str(_packages_folder() / package) for package in PACKAGES],
            "excludes": ["__pycache__"],
            "env_vars": {name: value for name, value in environment.items() if value},
        }
        entrypoint = f"echo '{BEGIN_MARK}'; FILES=$PWD; cd && exec python -m ecg_tune {command_line}"
        job_id = _submit_when_ready(client, address, entrypoint, runtime_env)
    return SubmittedJob(client, address, job_id)


def _quoted(argument: str) -> str:
    """Quote an argument for the job's shell; a file that travels with the job lies in its folder $FILES."""
    return f'"$FILES"/{shlex.quote(argument.removeprefix(FILES))}' if argument.startswith(FILES) else shlex.quote(argument)


def _submit_when_ready(client: JobSubmissionClient, address: str, entrypoint: str, runtime_env: dict[str, Any]) -> str:
    """Submit a job, waiting for a head that is still starting; return the job's id."""
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while True:
        job_id = f"ecg-tune-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        try:
            return client.submit_job(entrypoint=entrypoint, submission_id=job_id, runtime_env=runtime_env)
        except (RuntimeError, AuthenticationError, requests.RequestException) as error:
            if STARTING in str(error) and time.monotonic() < deadline:
                time.sleep(1)
                continue
            raise WorkFailedError(f"the cluster at {address} does not accept the job: {str(error).splitlines()[0][:300]}") from error


def _print(line: str) -> None:
    print(line, end="", flush=True)  # at once, through a pipe too


def follow_job(job: SubmittedJob, on_line: Callable[[str], object] = _print) -> int:
    """Pass on a job's output until it ends. A lost connection is retried every 5 seconds.

    Args:
        on_line: Called with each line of the command's output, its newline included.

    Returns:
        The job's exit code; 130 when somebody stopped it.

    Raises:
        WorkFailedError: The cluster could not run the job.
    """
    n_lines, disconnected = 0, False

    def pass_on(line: str) -> None:
        nonlocal n_lines, disconnected
        n_lines, disconnected = n_lines + 1, False
        on_line(line)

    while True:
        try:
            asyncio.run(_tail(job, pass_on, n_lines))
            status = job.client.get_job_status(job.job_id)
            if status.is_terminal():
                break
        except (aiohttp.ClientError, requests.RequestException, RuntimeError, OSError):  # the tunnel broke, or the head restarts
            if not disconnected:
                print(f"ecg-tune: no connection to {job.address}: the job continues, connecting again", file=sys.stderr, flush=True)
            disconnected = True
        time.sleep(RETRY_S)
    details = job.client.get_job_info(job.job_id)
    if status == JobStatus.STOPPED:
        return 130
    if details.driver_exit_code is None:
        raise WorkFailedError(f"job {job.job_id} was {str(status).lower()} by the cluster: {' '.join(str(details.message).split())[:500]}")
    return int(details.driver_exit_code)


async def _tail(job: SubmittedJob, on_line: Callable[[str], object], n_skipped: int) -> None:
    """Pass on the command's output from its start, without the first `n_skipped` lines."""
    begun, unfinished_line, n_lines = False, "", 0
    async for text in job.client.tail_job_logs(job.job_id):
        *lines, unfinished_line = (unfinished_line + text).split("\n")
        for line in lines:
            if line == BEGIN_MARK:
                begun = True
            elif begun and not line.startswith(ENTRYPOINT):  # Ray's own lines come before ours, that one may come after
                n_lines += 1
                if n_lines > n_skipped:
                    on_line(line + "\n")


def _packages_folder() -> Path:
    """Locate the folder that holds the four packages."""
    return Path(__file__).parents[2]
