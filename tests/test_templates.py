"""`ecg-tune templates`: what it writes, from a checkout and from a wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ecg_tune.cli.main import run
from ecg_tune.cli.templates import template_files

ROOT = Path(__file__).parents[1]
TRACKED = (
    "cluster.yaml",
    "deploy",
    "examples",
    "ecg_tune",
    "analysis",
    "search_spaces",
    "trainables",
    "README.md",
    "LICENSE",
    "pyproject.toml",
)


def test_the_files_of_the_repository_are_written_and_not_overwritten_unless_asked(tmp_path, capsys):
    assert run(["templates", str(tmp_path / "out")]) == 0
    names = template_files(ROOT)
    assert {"cluster.yaml", "deploy/kuberay.yaml", "examples/search.yaml"} <= {name.as_posix() for name in names}
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (ROOT / name).read_bytes()
    (tmp_path / "out" / "cluster.yaml").write_text("mine")
    capsys.readouterr()
    assert run(["templates", str(tmp_path / "out")]) == 2
    assert "cluster.yaml exists: give --replace" in capsys.readouterr().err
    assert (tmp_path / "out" / "cluster.yaml").read_text() == "mine"
    assert run(["templates", str(tmp_path / "out"), "--replace"]) == 0
    assert (tmp_path / "out" / "cluster.yaml").read_bytes() == (ROOT / "cluster.yaml").read_bytes()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy, so that nothing is left in the repository."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in TRACKED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
    subprocess.run(command, check=True)
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_an_installed_wheel_writes_them_too(wheel, tmp_path):
    venv.create(tmp_path / "empty", with_pip=False, system_site_packages=False)
    python = tmp_path / "empty" / "bin" / "python"
    target = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
    )
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        "--quiet",
        str(wheel),
    ]
    subprocess.run(install, check=True)
    assert (Path(target.stdout.strip()) / "ecg_tune" / "templates" / "cluster.yaml").is_file()
    # the command line needs typer, which an empty environment has not: it is lent ours, our own packages come first
    typer_at = str(Path(__import__("typer").__file__).parents[1])
    code = f"import sys; sys.path.append({typer_at!r}); from ecg_tune.cli.main import run; sys.exit(run(['templates', 'out']))"
    subprocess.run([python, "-I", "-c", code], cwd=tmp_path, check=True)
    written = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == set(template_files(ROOT))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if "__pycache__" in name or name.startswith("ecg_tune/templates/ecg_tune")]
