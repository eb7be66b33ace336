"""One machine of the test network: its namespaces, its cable, its power switch, and commands that run on it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..faults.processes import wait_for

BOOT = Path(__file__).with_name("boot.sh")
SPACES = ["--net", "--uts", "--ipc", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER = "ecg"
GROUP = ["setpriv", "--pdeathsig", "TERM", "timeout", "0"]  # no limit: timeout(1) passes the signal on to all that it started
TIMED_OUT = (124, 137)  # what timeout(1) answers
SSH = ["ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR"]
SSH += ["-oConnectTimeout=5", "-oServerAliveInterval=5", "-oServerAliveCountMax=3"]  # so that a dead host's answer isn't waited for
SSHD_CONFIG = """\
HostKey {folder}/host_key
PidFile none
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxSessions 100
MaxStartups 100
"""


class CommandFailedError(Exception):
    """A command on a machine failed or took too long; the message holds what it printed."""


def mortal(*command: str) -> list[str]:
    """Return `command` such that the kernel kills it when this process ends, however that ends."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def make_key(file: Path) -> str:
    """Write an ssh key without passphrase to `file` and return its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(file)], check=True)
    return file.with_suffix(".pub").read_text()


class Machine:
    """A machine with its own network, processes, host name, HOME, /tmp and /dev/shm, and an sshd; it shares all other files.

    Args:
        name: its host name, and its cable's at the switch: at most 15 letters.
        address: its IPv4 address.
        folder: what it keeps when it is off: HOME (`home/`), keys, the log of its sshd.
        switch_pid: a process in the network namespace of the bridge `br0`.
        through: the machine that sends commands to this one by ssh; None: they start in this one's namespaces.
    """

    def __init__(self, name: str, address: str, folder: Path, *, switch_pid: int, through: Machine | None = None) -> None:
        self.name, self.address, self.folder, self.home = name, address, folder, folder / "home"
        self._switch_pid, self._through = switch_pid, through
        self._process: subprocess.Popen[str] | None = None
        self._first_pid = 0
        self._started: list[subprocess.Popen[str]] = []

    def install(self, *, public_key: str) -> None:
        """Write accounts, names and keys: the owner of `public_key` may log in as `USER`, who is root with a HOME of its own."""
        for part in ("etc", "tmp", "home/.ssh"):
            (self.folder / part).mkdir(parents=True)
        accounts = f"{USER}:x:0:0::{self.home}:/bin/bash\n{Path('/etc/passwd').read_text()}"
        files = {"passwd": accounts, "hosts": f"127.0.0.1 localhost\n{self.address} {self.name}\n", "resolv.conf": ""}
        files |= {"sshd_config": SSHD_CONFIG.format(folder=self.folder), "home/.ssh/authorized_keys": public_key}
        for file, text in files.items():
            (self.folder / file).write_text(text)
        make_key(self.folder / "host_key")

    def boot(self, *, gateway: str, shm_bytes: int, visible: Sequence[Path]) -> None:
        """Switch it on and wait until its sshd listens; HOME is as it was left, /tmp, /run and /dev/shm are empty.

        Args:
            gateway: address of the default route.
            shm_bytes: size of /dev/shm.
            visible: folders below /tmp that are the same on all machines.
        """
        settings = [self.folder, self.name, f"{self.address}/24", gateway, shm_bytes, *visible]
        command = mortal("unshare", *SPACES, "bash", str(BOOT), *map(str, settings))
        with (self.folder / "boot.log").open("w") as log:
            process = subprocess.Popen(command, env={"PATH": PATH}, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        self._process = process
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self._expect(wait_for(lambda: process.poll() is not None or children.read_text(), at_most_s=30))
        self._first_pid = int(children.read_text())
        network_card = "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))  # the same after a reboot
        self._switch(f"link add {self.name} type veth peer name eth0 address {network_card} netns {self._first_pid}")
        self._switch(f"link set {self.name} master br0 up")
        assert process.stdin
        with process.stdin as console:
            console.write("plugged in\n")
        self._expect(wait_for(lambda: process.poll() is not None or "Server listening" in self._log(), at_most_s=30))

    @property
    def is_on(self) -> bool:
        """Whether its first process lives."""
        return self._process is not None and self._process.poll() is None

    def cut(self) -> None:
        """Pull the network cable: its processes go on, nobody hears of them, no connection is closed."""
        self._switch(f"link set {self.name} down")

    def restore(self) -> None:
        """Put the cable back."""
        self._switch(f"link set {self.name} up")

    def kill(self) -> None:
        """Pull the plug: first silence on the cable, so that no connection is closed, then all its processes are gone at once."""
        if not self._process or not self.is_on:
            return
        with suppress(subprocess.CalledProcessError):  # a boot that failed had no cable yet
            self._switch(f"link delete {self.name}")
        os.kill(self._first_pid or self._process.pid, signal.SIGKILL)  # a process namespace dies with its first process
        self._process.wait()
        for process in self._started:
            assert process.stdout
            process.stdout.close()
            process.wait()
        self._started.clear()

    def run(
        self, command: str, *, check: bool = True, timeout_s: float = 120.0, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of bash and return its `returncode`, `stdout` and `stderr`.

        Raises:
            CommandFailedError: it failed (unless `check` is off) or did not end within `timeout_s`.
        """
        argv = self._argv(self._line(command, env, cwd), ["timeout", "--kill-after=5", str(timeout_s)])
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        if done.returncode in TIMED_OUT or (check and done.returncode):
            raise CommandFailedError(f"{self.name}: exit {done.returncode} of {command}\n{done.stdout}{done.stderr}")
        return done

    def start(self, command: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a line of bash and return at once; what it prints, errors too, comes by the process's `stdout`.

        Killing the process ends the line with all that it started, except on a host: there it goes on, as by any ssh.
        """
        argv = mortal(*self._argv(self._line(command, env, cwd), GROUP))
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace")
        (self._through or self)._started.append(process)
        return process

    def processes(self) -> list[str]:
        """Return the command lines of all its processes but its sshd's."""
        inside = Path(f"/proc/{self._first_pid}/ns/pid").readlink() if self.is_on else None
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):  # it ended meanwhile
                if entry.name.isdigit() and (entry / "ns/pid").readlink() == inside:
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
        return [line for line in found if line and not line.startswith(("sshd", "/usr/sbin/sshd"))]

    def _line(self, command: str, env: Mapping[str, str] | None, cwd: Path | None) -> str:
        exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in (env or {}).items())
        return f"{exports}cd {shlex.quote(str(cwd or self.home))} && {{ {command}\n}}"

    def _argv(self, line: str, limit: list[str]) -> list[str]:
        start = self._through or self
        account = ["env", "-i", f"HOME={start.home}", f"USER={USER}", f"PATH={sys.prefix}/bin:{PATH}", "LANG=C.UTF-8"]
        inside = ["nsenter", "--target", str(start._first_pid), "--all", *account, *limit]
        return [*inside, *SSH, f"{USER}@{self.address}", line] if self._through else [*inside, "bash", "-c", line]

    def _switch(self, arguments: str) -> None:
        subprocess.run(["nsenter", "--target", str(self._switch_pid), "--net", "ip", *arguments.split()], check=True)

    def _log(self) -> str:
        return (self.folder / "boot.log").read_text(errors="replace")

    def _expect(self, booted: bool) -> None:
        if not booted or not self.is_on:
            raise CommandFailedError(f"{self.name} did not boot:\n{self._log()}")
