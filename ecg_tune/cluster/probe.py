"""Collect facts about one machine of a cluster. Runs on that machine, and imports nothing heavy."""

from __future__ import annotations

import hashlib
import platform
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from ecg_tune.cluster.auth import is_loopback
from ecg_tune.config import FAMILY_GROUP
from ecg_tune.data.prepared.manifest import read_manifest
from ecg_tune.errors import EcgTuneError

PACKAGES = ("ray", "torch", "optuna", "numpy")
CODE = ("ecg_tune", "search_spaces", "trainables")
SHM = Path("/dev/shm")
MISSING = "missing"
"""Stands for the version of a package that isn't installed."""


@dataclass(frozen=True)
class Plugin:
    """An installed package that brings model families.

    Attributes:
        version: Of the package.
        families: The families' names, sorted.
    """

    version: str
    families: list[str]


@dataclass(frozen=True)
class Machine:
    """Facts about one node of a cluster.

    Attributes:
        node: Ray's node id.
        host, address: Its host name and IP address.
        versions: Package → version, `MISSING` where it isn't installed; "ecg-tune" → a digest of this project's sources.
        gpus: "name, driver version, memory" of each GPU, as nvidia-smi prints it.
        shm_gb: Size of /dev/shm, in which Ray keeps the data, in gigabytes.
        clock_s: Its clock when it answered, seconds since 1970.
        data: Fingerprint of the prepared data in the folder to check; "" when there are none.
        wrote: Folder → why the machine could not write a file in it; "" when it could.
        open_ports: Which of the ports to check are open to other machines.
        plugins: Package → what is known of it, for each installed package that brings model families.
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
    plugins: dict[str, Plugin] = field(default_factory=dict)


def probe_machine(node: str, address: str, *, folders: list[str], mark: str, data: str, ports: list[int]) -> Machine:
    """Collect the facts about the machine that this runs on, and write a file into each folder.

    Args:
        node: Ray's id of this node.
        address: Its IP address, as other machines reach it.
        folders: Folders that must be writable; a file named `mark` + node id is written into each.
        data: Folder of prepared data to look up the fingerprint of, or "".
        ports: Ports that should be closed to other machines.
    """
    return Machine(
        node=node,
        host=socket.gethostname(),
        address=address,
        versions=_versions(),
        plugins=installed_plugins(),
        gpus=_gpus(),
        shm_gb=shutil.disk_usage(SHM).total / 1e9 if SHM.exists() else 0.0,
        data=_fingerprint(data),
        wrote={folder: _write_error(Path(folder) / f"{mark}{node}") for folder in folders},
        open_ports=[] if is_loopback(address) else _open_ports(address, ports),
        clock_s=time.time(),
    )


def visible_nodes(folders: list[str], mark: str) -> dict[str, list[str]]:
    """List, for each folder, the nodes whose files (see `probe_machine`) are visible from this machine."""
    return {folder: sorted(path.name.removeprefix(mark) for path in Path(folder).glob(f"{mark}*")) for folder in folders}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = MISSING
    return {**versions, "ecg-tune": _source_digest()}


def installed_plugins() -> dict[str, Plugin]:
    """List the installed packages that bring model families, without importing them."""
    plugins: dict[str, Plugin] = {}
    for entry in sorted(entry_points(group=FAMILY_GROUP), key=lambda entry: entry.name):
        if entry.dist is not None:
            plugins.setdefault(entry.dist.name, Plugin(entry.dist.version, [])).families.append(entry.name)
    return plugins


def _source_digest() -> str:
    """Hash this project's sources as this machine imports them; 12 hex digits."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted(path for package in CODE for path in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    process = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return process.stdout.strip().splitlines() if process.returncode == 0 else []


def _fingerprint(folder: str) -> str:
    if not folder or not Path(folder).is_dir():
        return ""
    try:
        return str(read_manifest(Path(folder))["fingerprint"])
    except (EcgTuneError, KeyError) as error:
        return f"unreadable: {error}"


def _write_error(path: Path) -> str:
    """Try to write a file; return why it failed, or "" when it worked."""
    try:
        path.write_text("written by ecg-tune doctor; may be removed\n")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _open_ports(address: str, ports: list[int]) -> list[int]:
    """Connect to each port at an address that other machines reach, and keep those that answer."""
    open_ports = []
    for port in ports:
        with suppress(OSError), socket.create_connection((address, port), timeout=2):
            open_ports.append(port)
    return open_ports
