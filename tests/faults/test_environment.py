"""Machines as they are: whatever of folders, proxies, limits a user is given, a local Ray works within it, or the remedy is one line."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecg_tune.cluster.limits import memory_limit, usable_cpus
from ecg_tune.cluster.loopback import bypass_proxies
from tests.servers import free_port

LOCAL_RAY = f"{sys.executable} -m tests.faults.local_ray"
ECG_TUNE = f"{sys.executable} -m ecg_tune"
ROOT = Path(__file__).parents[2]
LONG = "a_long_scratch_directory_" * 5
as_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounts need root and unshare")


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a mount namespace of its own where root, in a home folder of its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("RAY_AUTH_TOKEN", "RAY_ADDRESS", "RAY_TMPDIR")}
    environment = {**inherited, "HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    (folder / "home").mkdir(exist_ok=True)
    command = ["unshare", "-m", "bash", "-c", script] if os.geteuid() == 0 else ["bash", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


WORKS = {
    "a long TMPDIR": f"mkdir -p {LONG}; TMPDIR=$PWD/{LONG} {LOCAL_RAY}",
    "a TMPDIR that is not there": f"TMPDIR=$PWD/nowhere {LOCAL_RAY}",
    "a home that is not there": f"HOME=/proc/nowhere {LOCAL_RAY}",
    "no HOME": f"unset HOME; {LOCAL_RAY}",
    "an empty token": f"RAY_AUTH_TOKEN= {LOCAL_RAY}",
    "an empty token file": f"mkdir home/.ray; touch home/.ray/auth_token; {LOCAL_RAY}",
    "a proxy that answers nobody": f"http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 {LOCAL_RAY}",
    "one core": f"taskset -c $(taskset -cp $$ | grep -o '[0-9]*$') {LOCAL_RAY}",
    "256 files": f"ulimit -n 256; {LOCAL_RAY}",
}
WORKS_FOR_ROOT = {
    "a read-only home": f"mount -t tmpfs -o ro tmpfs home; {LOCAL_RAY}",
    "a full home": f"mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs home; {LOCAL_RAY}",
    "a small /dev/shm": f"mount -t tmpfs -o size=1m tmpfs /dev/shm; {LOCAL_RAY}",
}
WORKS_TOGETHER = {
    "a long TMPDIR, an empty token file, a dead proxy, 256 files, one core": f"mkdir -p {LONG} home/.ray; touch home/.ray/auth_token; "
    f"ulimit -n 256; TMPDIR=$PWD/{LONG} http_proxy=http://127.0.0.1:9 taskset -c $(taskset -cp $$ | grep -o '[0-9]*$') {LOCAL_RAY}"
}
WORKS_TOGETHER_FOR_ROOT = {
    "a read-only home, a small /dev/shm": "mount -t tmpfs -o ro tmpfs home; mount -t tmpfs -o size=1m tmpfs /dev/shm; "
    f"TMPDIR=$PWD/nowhere {LOCAL_RAY}"
}
COMMANDS = WORKS | WORKS_FOR_ROOT | WORKS_TOGETHER | WORKS_TOGETHER_FOR_ROOT


@pytest.mark.ray
@pytest.mark.parametrize(
    "case",
    [
        *WORKS_TOGETHER,
        *(pytest.param(case, marks=as_root) for case in WORKS_TOGETHER_FOR_ROOT),
        *(pytest.param(case, marks=pytest.mark.combinations) for case in WORKS),
        *(pytest.param(case, marks=[as_root, pytest.mark.combinations]) for case in WORKS_FOR_ROOT),
    ],
)
def test_a_local_ray_works_and_is_closed_to_other_machines(case, tmp_path):
    done = shell(COMMANDS[case], tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["worked"]
    assert found["listening"] == ["127.0.0.1"]
    assert found["CPU"] == (1 if "one core" in case else usable_cpus())
    token = tmp_path / "home" / ".ray" / "auth_token"
    assert not token.exists() or stat.S_IMODE(token.stat().st_mode) == 0o600 or "an empty token file" in case


REFUSED = {
    "16 files": (f"ulimit -n 16; {ECG_TUNE}", "a process may open 16 files here, Ray needs "),
    "a long RAY_TMPDIR": (
        f"RAY_TMPDIR=/tmp/{LONG} {ECG_TUNE}",
        "unset it, or say RAY_TMPDIR=/tmp",
    ),
    "no token wanted": (f"RAY_AUTH_MODE=disabled {ECG_TUNE}", "RAY_AUTH_MODE=disabled would start a Ray that anyone"),
}


@pytest.mark.ray
@pytest.mark.parametrize("case", REFUSED)
def test_where_no_ray_can_run_a_search_says_why_at_once_and_leaves_nothing(case, tmp_path, toy_data):
    command, message = REFUSED[case]
    done = shell(f"{command} search study --data {toy_data.folder} --families cnn1d --profile small", tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.ray
@pytest.mark.parametrize("umask", ["000", *(pytest.param(mask, marks=pytest.mark.combinations) for mask in ("022", "077"))])
def test_a_new_token_is_private_from_the_start(umask, tmp_path):
    done = shell(f"umask {umask}; rm -rf home; {LOCAL_RAY}; ls -A home/.ray", tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["auth_token"]
    assert stat.S_IMODE((tmp_path / "home" / ".ray" / "auth_token").stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "is_named"), [(0o644, True), (0o640, True), (0o604, True), (0o600, False), (0o400, False)])
def test_a_token_that_others_can_read_is_named_and_hidden(mode, is_named, tmp_path):
    token = tmp_path / "home" / ".ray" / "auth_token"
    token.parent.mkdir(parents=True)
    token.write_text("0" * 64)
    token.chmod(mode)
    done = shell(f"RAY_AUTH_MODE=token {ECG_TUNE} status S --address http://127.0.0.1:{free_port()}", tmp_path)
    assert ("could read" in done.stderr) == is_named
    assert "no Ray answers" in done.stderr
    assert stat.S_IMODE(token.stat().st_mode) == (0o600 if is_named else mode)


@contextmanager
def logging_proxy(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run a proxy that writes down what it is asked for; yield its address and the file."""
    port, asked = free_port(), folder / "asked"
    code = (
        "import http.server, sys\n"
        "class Proxy(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        open(sys.argv[2], 'a').write(f'{self.command} {self.path} {self.headers}')\n"
        "        self.send_error(503)\n"
        "    do_POST = do_PUT = do_CONNECT = do_GET\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Proxy)\n"
        "print('ready', flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(port), str(asked)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.stdout.readline()
            yield f"http://127.0.0.1:{port}", asked
        finally:
            process.kill()


PROXIED = [
    "status S --address http://127.0.0.1:{port}",
    "status S --address http://localhost:{port}",
    "doctor --address 127.0.0.1:{port}",
    "data download out --base-url http://127.0.0.1:{port}/",
]


@pytest.mark.slow
@pytest.mark.parametrize("command", PROXIED)
def test_what_goes_to_this_machine_passes_no_proxy(command, tmp_path):
    with logging_proxy(tmp_path) as (proxy, asked):
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy")
        variables = dict.fromkeys(names, proxy) | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
        done = shell(f"timeout 20 {ECG_TUNE} {command.format(port=free_port())}", tmp_path, **variables)
    assert done.returncode != 0
    assert not asked.exists(), asked.read_text()


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("example.org", "example.org,"), ("*", "*"), ("localhost, a.b", "localhost,a.b")])
def test_addresses_that_pass_no_proxy_are_kept(given, kept, monkeypatch):
    monkeypatch.setenv("no_proxy", given)
    monkeypatch.delenv("NO_PROXY", raising=False)
    bypass_proxies()
    bypass_proxies()
    assert os.environ["no_proxy"].startswith(kept)
    assert os.environ["no_proxy"].count("localhost") == (given != "*")


CGROUPS = {  # files of the cgroup file system, /proc/self/cgroup, cores granted, bytes granted
    "version 2": ({"a/b/cpu.max": "50000 100000", "a/b/memory.max": "1000000"}, "0::/a/b", 1, 1_000_000),
    "version 2, the group around it": ({"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000", "memory.max": "9"}, "0::/a/b", 1, 9),
    "version 2, no limit": ({"a/cpu.max": "max 100000", "a/memory.max": "max"}, "0::/a", None, None),
    "version 2, a group that can't be seen": ({"cpu.max": "100000 100000"}, "0::/host/only", 1, None),
    "version 1": (
        {"j/cpu.cfs_quota_us": "100000", "j/cpu.cfs_period_us": "100000", "j/memory.limit_in_bytes": "77"},
        "4:cpu,cpuacct:/j\n5:memory:/j",
        1,
        77,
    ),
    "version 1, no limit": (
        {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "memory.limit_in_bytes": str(2**63 - 4096)},
        "4:cpu,cpuacct:/\n5:memory:/",
        None,
        None,
    ),
    "text": ({"cpu.max": "a lot", "memory.max": ""}, "0::/", None, None),
    "a period of 0": ({"cpu.max": "5 0"}, "0::/", None, None),
    "none": ({}, "", None, None),
}


@pytest.mark.parametrize("case", CGROUPS)
def test_what_cgroups_grant_is_counted(case, tmp_path):
    files, groups, cores, limit = CGROUPS[case]
    tree, proc = tmp_path / "cgroup", tmp_path / "proc"
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"{text}\n")
    kind = "cgroup" if "version 1" in case else "cgroup2"
    proc.mkdir()
    (proc / "cgroup").write_text(groups)
    (proc / "mounts").write_text(f"tmpfs /tmp tmpfs rw 0 0\nnone {tree} {kind} rw,cpu,memory 0 0\n")
    assert usable_cpus(proc) == (cores or len(os.sched_getaffinity(0)))
    assert memory_limit(proc) == limit


@as_root
@pytest.mark.ray
def test_a_ray_in_a_real_cgroup_has_its_cores_and_its_memory(tmp_path):
    script = f"""
    for controller in cpu memory; do
        group=/sys/fs/cgroup/$controller/ecg_tune_$$
        mkdir $group 2>/dev/null || exit 77
    done
    echo 2000000000 > /sys/fs/cgroup/memory/ecg_tune_$$/memory.limit_in_bytes || exit 77
    echo 100000 > /sys/fs/cgroup/cpu/ecg_tune_$$/cpu.cfs_quota_us || exit 77
    sh -c 'for c in cpu memory; do echo $$ > /sys/fs/cgroup/$c/ecg_tune_'$$'/tasks; done; exec {LOCAL_RAY}'
    code=$?
    sleep 1; rmdir /sys/fs/cgroup/cpu/ecg_tune_$$ /sys/fs/cgroup/memory/ecg_tune_$$
    exit $code
    """
    done = shell(script, tmp_path)
    if done.returncode == 77:
        pytest.skip("no cgroups of version 1 to write here")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["CPU"] == 1
    assert found["memory"] + found["object_store_memory"] <= 2_000_000_000
