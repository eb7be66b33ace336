"""Run commands without a process for each: one takes seconds to import what it needs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from ecg_tune.cli.main import run

ROOT = Path(__file__).parents[1]


class Said(NamedTuple):
    """A command's exit code, and what it printed to standard output and to standard error."""

    code: int
    out: str
    err: str


def ecg_tune(*words: object) -> Said:
    """Run a command in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run([str(word) for word in words])
    return Said(code, out.getvalue(), err.getvalue())


def in_one_process(commands: Sequence[Sequence[object]], *, cwd: Path, environment: Mapping[str, str]) -> list[Said]:
    """Run commands one after the other in one new process, e.g. with another token: Ray reads it once a process."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    code = f"import json; from tests.commands import ecg_tune; print(json.dumps([ecg_tune(*words) for words in {words}]))"
    python_path = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), str(ROOT)]))  # pytest does not put these tests there
    given = {**environment, "PYTHONPATH": python_path}
    printed = subprocess.check_output([sys.executable, "-c", code], env=given, cwd=cwd, text=True, timeout=600)
    return [Said(*said) for said in json.loads(printed)]
