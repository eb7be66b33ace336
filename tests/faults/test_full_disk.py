"""A full disk under the other commands: one line with the thing, exit code 1 or 2, nothing stray, and the test split stays sealed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_refused import files

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounts need root and unshare"),
]
E = f"{sys.executable} -m ecg_tune"
COMMANDS = {  # what is tried on a full disk; what the message names
    "data prepare": (f"{E} data prepare syn m/new", "m/new"),
    "data prepare over other data": (f"{E} data prepare syn m/data --leads I,II --replace", "m/data"),
    "data export": (f"{E} data export m/data m/new", "m/new"),
    "dashboard": (f"{E} dashboard m/study", "m/study/dashboard.html"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_full_disk_is_named_and_what_is_there_stays(case, tmp_path):
    command, thing = COMMANDS[case]
    make = "from tests.analysis.dashboard.test_live import make; from pathlib import Path; make(Path('m/study'))"
    script = (
        f"mkdir m && mount -t tmpfs -o size=8m tmpfs m && {E} data synthesize syn --records 120 --seed 1 > /dev/null && "
        f'{E} data prepare syn m/data > /dev/null && {sys.executable} -c "{make}" || exit 77; '
        f"head -c 20M /dev/zero > m/fill 2> /dev/null; cp -r m before; {command} > out 2> err; code=$?; cp -r m after; exit $code"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], cwd=tmp_path, env=environment, timeout=300, check=False)
    said = (tmp_path / "err").read_text()
    assert done.returncode in (1, 2), said
    assert said.count("\n") == 1
    assert said.startswith("ecg-tune: ")
    assert thing in said
    assert files(tmp_path / "after") == files(tmp_path / "before")
