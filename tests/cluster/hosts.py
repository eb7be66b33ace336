"""Real hosts for tests, on one machine and without a virtual machine: network namespaces on a bridge.

    with Hosts(3) as hosts:
        head, *workers = hosts
        print(head.run("hostname; ip route").stdout)  # by ssh, from the client
        hosts.client.run("ray up -y cluster.yaml")    # what the user's own computer does
        workers[0].cut()                              # the cable is pulled: silence
        workers[0].restore()
        workers[1].kill()                             # the plug is pulled
        hosts.boot(workers[1])                        # it is switched on again, with an empty /tmp
        hosts.add()                                   # a new machine

The client is a machine too: the user's computer has a HOME, a token and a /tmp/ray of its own, reaches the hosts by the network only,
and this machine's own network is not touched at all. The bridge lies in a namespace as well, so that any number of tests can use the same
addresses at the same time. No namespace has a name: they live as long as their processes, which the kernel kills when the test's
process (to be exact: the thread that made them) ends, even by SIGKILL; then mounts, cables and bridge are gone with them.

All machines share the file system except HOME, /etc, /tmp, /run and /dev/shm: any other folder is a shared folder; `hosts.shared` is one.
They share the clock, the cores and the memory too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from .machine import PATH, Machine, make_key, mortal

ROOT = Path(__file__).parents[2]
NETWORK = "10.77.0"
GATEWAY = f"{NETWORK}.254"
SWITCH = f"ip link add br0 type bridge && ip address add {GATEWAY}/24 dev br0 && ip link set br0 up && echo ready && exec sleep infinity"
TOOLS = {
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsync": "rsync",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}


def why_not() -> str | None:
    """Return why hosts can't be made here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts are network namespaces, which takes root on Linux"
    missing = [f"{tool} (Debian: {package})" for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)]
    if missing:
        return f"hosts need {', '.join(missing)}"
    probe = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "ip", "link", "add", "br0", "type", "bridge"]
    tried = subprocess.run(probe, capture_output=True, text=True, env={"PATH": PATH})
    return f"no namespaces or no bridge can be made here: {tried.stderr.strip()}" if tried.returncode else None


class Hosts:
    """A client and `n` hosts that are switched on; when the context ends nothing is left of them.

    Args:
        n: hosts at the start, of at most 99.
        shm_bytes: size of /dev/shm on each.

    Attributes:
        client: the user's own computer. Its commands find the programs of this Python on their PATH; the hosts' do not.
        shared: a folder, empty at first, that all machines see at the same place.
    """

    def __init__(self, n: int, *, shm_bytes: int = 512 * 2**20) -> None:
        self._n, self._shm_bytes = n, shm_bytes
        self._hosts: list[Machine] = []

    def __enter__(self) -> Hosts:
        with ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="hosts-")).resolve()
            stack.callback(shutil.rmtree, self.folder)
            self.shared = self.folder / "shared"
            self.shared.mkdir()
            self._key = make_key(self.folder / "key")
            self._switch_pid = stack.enter_context(Switch()).pid
            self._power = stack.enter_context(ExitStack())
            self.client = self._new("client", f"{NETWORK}.100", through=None)
            shutil.copy(self.folder / "key", self.client.home / ".ssh/id_ed25519")
            for _ in range(self._n):
                self.add()
            self._everything = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._everything.close()

    def __iter__(self) -> Iterator[Machine]:
        return iter(self._hosts)

    def __getitem__(self, index: int) -> Machine:
        return self._hosts[index]

    def __len__(self) -> int:
        return len(self._hosts)

    def add(self) -> Machine:
        """Put one more host on the bridge and return it."""
        number = len(self._hosts) + 1
        self._hosts.append(self._new(f"host{number}", f"{NETWORK}.{number}", through=self.client))
        return self._hosts[-1]

    def boot(self, machine: Machine) -> None:
        """Switch a machine on that was killed."""
        below_tmp = {folder for folder in (self.folder, ROOT, Path(sys.prefix), Path(sys.base_prefix)) if folder.is_relative_to("/tmp")}
        machine.boot(gateway=GATEWAY, shm_bytes=self._shm_bytes, visible=sorted(below_tmp))

    def _new(self, name: str, address: str, *, through: Machine | None) -> Machine:
        machine = Machine(name, address, self.folder / name, switch_pid=self._switch_pid, through=through)
        machine.install(public_key=self._key)
        self._power.callback(machine.kill)
        self.boot(machine)
        return machine


class Switch:
    """A network namespace with nothing but the bridge `br0`, which is the hosts' gateway (to nowhere)."""

    def __enter__(self) -> subprocess.Popen[str]:
        command = mortal("unshare", "--net", "bash", "-c", SWITCH)
        self._process = subprocess.Popen(command, env={"PATH": PATH}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            raise OSError(f"the bridge could not be made: exit {self._process.wait()}")
        return self._process

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
