"""The hosts of these tests are as separate as machines are, and nothing is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..faults.processes import wait_for
from .hosts import ROOT, Hosts, why_not
from .machine import CommandFailedError

pytestmark = pytest.mark.hosts

HOLD = """
import sys
from tests.cluster.hosts import Hosts
with Hosts(1) as hosts:
    hosts[0].start("sleep 1000")
    print(hosts.folder, flush=True)
    sys.stdin.read()
"""


def with_the_text(text: str) -> list[str]:
    """Return the command lines on this machine that contain `text`."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended meanwhile
            continue
    return [line for line in lines if text in line]


def test_each_has_a_name_home_and_temporary_files_of_its_own_and_shares_the_rest(hosts: Hosts) -> None:
    for host in hosts:
        host.run(f"hostname > /tmp/name; hostname > /dev/shm/name; hostname > ~/name; touch {hosts.shared}/$(hostname)")
    for host in hosts:
        assert host.run("cat /tmp/name /dev/shm/name ~/name").stdout.split() == [host.name] * 3
        assert host.run(f"ls {hosts.shared}").stdout.split() == [other.name for other in hosts]
    assert not any((Path(folder) / "name").exists() for folder in ("/tmp", "/dev/shm"))


def test_each_sees_its_own_processes_only(hosts: Hosts) -> None:
    with hosts[0].start("exec sleep 1000"):
        assert wait_for(lambda: "sleep 1000" in hosts[0].processes(), at_most_s=30)
        assert "sleep 1000" in hosts[0].run("ps -eo args").stdout
        assert "sleep 1000" not in hosts[1].run("ps -eo args").stdout
        hosts[0].run("pkill -x sleep")


def test_a_cut_host_is_silent_works_on_and_answers_again(hosts: Hosts) -> None:
    hosts[1].run("nohup sh -c 'while :; do date +%N > /tmp/ticks; sleep 0.1; done' > /dev/null 2>&1 &")
    hosts[1].cut()
    assert hosts[1].run("true", check=False).returncode == 255  # what ssh answers when it can't connect
    assert any("ticks" in line for line in hosts[1].processes())
    hosts[1].restore()
    first = hosts[1].run("cat /tmp/ticks; sleep 0.5").stdout
    assert hosts[1].run("cat /tmp/ticks").stdout != first


def test_a_killed_host_is_gone_at_once_and_boots_with_its_home(hosts: Hosts) -> None:
    host = hosts[2]
    host.run("touch ~/kept /tmp/lost; nohup sleep 1000 > /dev/null 2>&1 &")
    host.kill()
    assert not host.is_on
    assert not host.processes()
    hosts.boot(host)
    assert host.run("ls ~/kept /tmp", check=False).stdout.split("\n")[0] == str(host.home / "kept")
    assert host.run("test -e /tmp/lost", check=False).returncode == 1


def test_a_new_host_reaches_the_others(hosts: Hosts) -> None:
    new = hosts.add()
    assert new.run(f"</dev/tcp/{hosts[0].address}/22 && hostname").stdout == f"{new.name}\n"


def test_a_failing_and_an_endless_command_are_told_with_what_they_printed(hosts: Hosts) -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)host1: exit 3 of .*so it is"):
        hosts[0].run("echo so it is; exit 3")
    with pytest.raises(CommandFailedError, match=r"(?s)client: exit 124 of .*begun"):
        hosts.client.run("echo begun; sleep 1000", timeout_s=0.5)


def test_killing_what_was_started_on_the_client_ends_all_of_it(hosts: Hosts) -> None:
    with hosts.client.start("sleep 1001 & sleep 1002; true") as process:
        assert wait_for(lambda: len([line for line in hosts.client.processes() if line.startswith("sleep 100")]) == 2, at_most_s=30)
        process.kill()
    assert wait_for(lambda: not any("sleep 100" in line for line in hosts.client.processes()), at_most_s=30)


def test_nothing_is_left_when_a_test_fails() -> None:
    if reason := why_not():
        pytest.skip(reason)
    mounts, links = Path("/proc/self/mounts").read_text(), os.listdir("/sys/class/net")
    with pytest.raises(ZeroDivisionError), Hosts(1) as hosts:  # noqa: PT012
        hosts[0].start("sleep 1000")
        raise ZeroDivisionError
    assert not hosts.folder.exists()
    assert not with_the_text(str(hosts.folder))
    assert (Path("/proc/self/mounts").read_text(), os.listdir("/sys/class/net")) == (mounts, links)


def test_no_process_is_left_when_the_tests_are_killed() -> None:
    if reason := why_not():
        pytest.skip(reason)
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        folder = process.stdout.readline().strip()
        assert with_the_text(folder)
        process.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not with_the_text(folder), at_most_s=30)
    subprocess.run(["rm", "-rf", folder], check=True)
