"""What `--on-end` names: a command that runs when a search has ended, or an address that is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from ecg_tune.errors import UsageError
from ecg_tune.search.callbacks import Callback
from ecg_tune.study.summary import StudySummary

TIMEOUT_S = 10.0
"""How long an address may take to answer."""
PREFIX = "ECG_TUNE_"
STANDARD_ERROR = 2


def on_end(text: str) -> Callback:
    """Make the callback for a command, or for an address that begins with http:// or https://.

    Raises:
        UsageError: It is empty, or an address without a host.
    """
    if not text.strip():
        raise UsageError("--on-end is empty: give a command or an address such as https://HOST/PATH")
    if not text.startswith(("http://", "https://")):
        return EndCommand(text)
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host:
        raise UsageError(f"--on-end {text!r} is no address: give https://HOST/PATH, or a command")
    return EndWebhook(text)


class EndCommand(Callback):
    """Runs a command in the user's shell; what it prints goes to standard error.

    Nothing of the study becomes a part of the command: it finds the study's facts in its environment.
    """

    def __init__(self, command: str) -> None:
        self.command, self.name = command, "--on-end"

    def on_study_end(self, folder: Path, summary: StudySummary, outcome: str) -> None:
        """Run the command and wait for it.

        Raises:
            OSError: There is no shell.
            RuntimeError: It ended with an error.
        """
        environment = {**os.environ, **{PREFIX + name.upper(): _text(value) for name, value in facts(folder, summary, outcome).items()}}
        code = subprocess.run(self.command, shell=True, env=environment, stdin=subprocess.DEVNULL, stdout=STANDARD_ERROR).returncode
        if code:
            raise RuntimeError(f"the command ended with code {code}")


class EndWebhook(Callback):
    """Posts JSON to an address. Messages name its host alone: the path of such an address is often a secret."""

    def __init__(self, url: str) -> None:
        self.url, self.name = url, f"--on-end {urlsplit(url).scheme}://{urlsplit(url).hostname}/…"

    def on_study_end(self, folder: Path, summary: StudySummary, outcome: str) -> None:
        """Post the facts.

        Raises:
            ConnectionError: It did not answer in time, or with an error.
        """
        try:
            status = requests.post(self.url, json=facts(folder, summary, outcome), timeout=TIMEOUT_S, allow_redirects=False).status_code
        except (requests.RequestException, ValueError) as error:  # their texts hold the address
            raise ConnectionError(f"it can't be reached ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise ConnectionError(f"it answered with status {status}")


def facts(folder: Path, summary: StudySummary, outcome: str) -> dict[str, Any]:
    """Gather what the command and the address are told, as plain data; `text` is a line for people."""
    best = summary.best
    told = {
        "study": str(folder),
        "name": summary.name,
        "outcome": outcome,
        "trials": summary.n_trials,
        "epochs": summary.epochs,
        "metric": summary.metric,
        "best_trial": best.number if best else None,
        "best_family": best.family if best else None,
        "best_value": best.value if best else None,
    }
    best_text = f"best {summary.metric} {best.value:.4f} (trial {best.number}, {best.family})" if best else "no trial is complete"
    return {"text": f"search {summary.name}: {outcome}; {summary.n_trials} trials, {best_text}", **told}


def _text(value: Any) -> str:
    """Write a fact as a variable of the environment, which can't hold a NUL; what is not known is empty."""
    return "" if value is None else str(value).replace("\0", "")
