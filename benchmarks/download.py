"""Compare a download with one file after the other by requests, and with a copy on the same disk, from a server on loopback.

The server waits before each answer as a distant one does; 0 ms shows what a file costs this machine.

python benchmarks/download.py PTBXL [--records N] [--latency-ms 0 50] [--json]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from command_line import run_script

from ecg_tune.data.download.download import download

CONNECTIONS = 8


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder over connections that stay open, `latency_s` late."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    latency_s = 0.0

    def do_GET(self) -> None:
        """Wait, then answer."""
        time.sleep(self.latency_s)
        super().do_GET()

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


def serve(folder: str, latency_ms: float) -> None:
    """Serve a folder until killed; prints the port."""
    Handler.latency_s = latency_ms / 1000
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    print(server.server_port, flush=True)
    server.serve_forever()


def publish(source: Path, folder: Path, n_records: int) -> list[str]:
    """Copy the tables and the first records at 100 Hz with listings of their own; returns the files' names."""
    with (source / "ptbxl_database.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))[: n_records + 1]
    with (folder / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    names = [row[header.index("filename_lr")] for row in rows]
    (folder / "RECORDS").write_text("".join(f"{name}\n" for name in names))
    files = ["scp_statements.csv", *(f"{name}{end}" for name in names for end in (".hea", ".dat"))]
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    files += ["ptbxl_database.csv", "RECORDS"]
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()} {name}\n" for name in files]
    (folder / "SHA256SUMS.txt").write_text("".join(sums))
    return files


def fetch_in_turn(url: str, files: list[str], out: Path) -> None:
    """Fetch one file after the other over one connection, without verification."""
    with requests.Session() as session:
        for name in files:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(session.get(url + name).content)


def seconds(work: Callable[[Path], object], scratch: Path) -> float:
    """Time some work that fills a new folder, which is removed afterwards."""
    out = scratch / "out"
    started = time.perf_counter()
    work(out)
    elapsed = time.perf_counter() - started
    shutil.rmtree(out)
    return elapsed


def measure(source: Path, n_records: int, latency_ms: float) -> dict[str, float]:
    """Time the three ways, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        published = Path(scratch) / "published"
        published.mkdir()
        files = publish(source, published, n_records)
        command = [sys.executable, __file__, "--serve", str(published), "--latency-ms", str(latency_ms)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
            ours = seconds(lambda out: download(out, base_url=url, connections=CONNECTIONS), Path(scratch))
            in_turn = seconds(lambda out: fetch_in_turn(url, files, out), Path(scratch))
            copied = seconds(lambda out: subprocess.run(["cp", "-r", published, out], check=True), Path(scratch))
            server.kill()
    times = {"ours_s": ours, "in_turn_s": in_turn, "copy_s": copied, "times_faster": in_turn / ours, "over_copy": ours / copied}
    return {"latency_ms": latency_ms, "records": float(n_records), **times}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ptbxl", type=Path, nargs="?")
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[0.0, 50.0])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.latency_ms[0])
        return
    if arguments.ptbxl is None:
        parser.error("give the folder of PTB-XL")
    results = [measure(arguments.ptbxl, arguments.records, latency_ms) for latency_ms in arguments.latency_ms]
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{arguments.records} records at 100 Hz, in records a second:")
    for result in results:
        ours, in_turn, copied = (f"{result['records'] / result[f'{name}_s']:.0f}" for name in ("ours", "in_turn", "copy"))
        faster = f"{result['times_faster']:.1f} times"
        print(f"answers {result['latency_ms']:g} ms late: download {ours} ({faster} requests in turn, {in_turn}); cp -r {copied}")


if __name__ == "__main__":
    run_script(main)
