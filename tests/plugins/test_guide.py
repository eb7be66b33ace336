"""The family in docs/guides/add-a-family.md is whole: its code runs as it stands there, and keeps the contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.plugins.package import write_package

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "add-a-family.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_code_of_the_guide_is_a_family_that_keeps_the_contract(tmp_path):
    code = {re.match(r"# (\S+)\n", block)[1]: block for block in blocks("python") if block.startswith("# ")}
    project = next(tomllib.loads(block) for block in blocks("toml") if "[project]" in block)
    families = project["project"]["entry-points"]["ecg_tune.families"]
    site = write_package(tmp_path / "site", module="my_family", families=families, code=code["my_family.py"], package="my-family")
    (tmp_path / "test_my_family.py").write_text(code["test_my_family.py"])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *(path for path in sys.path if path)])}
    chosen = "network or predictor or defaults or overfits or real_steps"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, "test_my_family.py"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
