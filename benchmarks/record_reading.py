"""Compare the speed of reading records with wfdb, beside the mere reading of the bytes as the limit.

python benchmarks/record_reading.py PTBXL [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb

from ecg_tune.data.ptbxl.records import read_record

N_RECORDS = 300


def ms_a_record(read: Callable[[str], object], names: list[str]) -> float:
    """Return milliseconds a record over all of them, after one that warms up."""
    read(names[0])
    started = time.perf_counter()
    for name in names:
        read(name)
    return (time.perf_counter() - started) / len(names) * 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    root: Path = arguments.ptbxl
    names = [p.relative_to(root).with_suffix("").as_posix() for p in sorted(root.glob("records100/*/*.hea"))[:N_RECORDS]]
    result = {
        "records": float(len(names)),
        "bytes_ms": ms_a_record(lambda n: (np.fromfile(root / f"{n}.dat", "<i2"), (root / f"{n}.hea").read_bytes()), names),
        "ours_ms": ms_a_record(lambda n: read_record(root, n, sampling_rate_hz=100), names),
        "wfdb_ms": ms_a_record(lambda n: wfdb.rdsamp(str(root / n)), names),
    }
    result["times_faster"] = result["wfdb_ms"] / result["ours_ms"]
    result["over_bytes"] = result["ours_ms"] / result["bytes_ms"]
    if arguments.json:
        print(json.dumps(result))
        return
    print(
        f"{len(names)} records, ms each: bytes alone {result['bytes_ms']:.3f}, ours {result['ours_ms']:.3f}, wfdb {result['wfdb_ms']:.2f}"
    )
    print(f"ours is {result['times_faster']:.0f} times faster than wfdb and {result['over_bytes']:.1f} times the bytes alone")


if __name__ == "__main__":
    main()
