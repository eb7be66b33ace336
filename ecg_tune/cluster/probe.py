"""What one machine of a cluster says of itself. Runs on that machine; cheap: nothing heavy is imported."""

from __future__ import annotations

import hashlib
import platform
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ecg_tune.cluster.auth import is_loopback
from ecg_tune.data.prepared.manifest import read_manifest
from ecg_tune.errors import EcgTuneError

PACKAGES = ("ray", "torch", "optuna", "numpy")
CODE = ("ecg_tune", "search_spaces", "trainables")
SHM = Path("/dev/shm")


@dataclass(frozen=True)
class Machine:
    """One node's answers.

    Attributes:
        versions: Python and the packages that matter, and of this project the digest of its sources.
        gpus: Name, driver version and memory of each, as nvidia-smi says.
        shm_gb: Size of /dev/shm, in which Ray keeps the data.
        clock_s: Seconds of its clock when it answered.
        data: Fingerprint of the prepared data at the path that was asked for; "" where there are none.
        wrote: What kept it from writing into a folder; "" when it did.
        open_ports: At which it answers under its address, of those asked for.
    """

    node: str
    host: str
    address: str
    versions: dict[str, str]
    gpus: list[str]
    shm_gb: float
    clock_s: float
    data: str = ""
    wrote: dict[str, str] = field(default_factory=dict)
    open_ports: list[int] = field(default_factory=list)


def look(node: str, address: str, *, folders: list[str], mark: str, data: str, ports: list[int]) -> Machine:
    """Answer for the machine that this runs on.

    Args:
        folders: In which it shall write a file, whose name begins with `mark` and ends with its own node's.
        data: Folder of prepared data, or "".
        ports: That should be open to this machine only.
    """
    return Machine(
        node=node,
        host=socket.gethostname(),
        address=address,
        versions=_versions(),
        gpus=_gpus(),
        shm_gb=shutil.disk_usage(SHM).total / 1e9 if SHM.exists() else 0.0,
        data=_fingerprint(data),
        wrote={folder: _write(Path(folder) / f"{mark}{node}") for folder in folders},
        open_ports=[] if is_loopback(address) else _exposed(address, ports),
        clock_s=time.time(),
    )


def seen(folders: list[str], mark: str) -> dict[str, list[str]]:
    """Return for each folder the nodes whose files this machine sees in it."""
    return {folder: sorted(path.name.removeprefix(mark) for path in Path(folder).glob(f"{mark}*")) for folder in folders}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return {**found, "ecg-tune": _code()}


def _code() -> str:
    """Return a digest of this project's sources as they are imported here."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted(path for package in CODE for path in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def _fingerprint(folder: str) -> str:
    if not folder or not Path(folder).is_dir():
        return ""
    try:
        return str(read_manifest(Path(folder))["fingerprint"])
    except (EcgTuneError, KeyError) as error:
        return f"unreadable: {error}"


def _write(path: Path) -> str:
    try:
        path.write_text("written by ecg-tune doctor; may be removed\n")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _exposed(address: str, ports: list[int]) -> list[int]:
    """Return the ports at which this machine answers under an address that others reach."""
    answering = []
    for port in ports:
        with suppress(OSError), socket.create_connection((address, port), timeout=2):
            answering.append(port)
    return answering
