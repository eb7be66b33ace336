"""Start a Ray of this process's own, run a task on it, and print what it is as JSON."""

from __future__ import annotations

import importlib
import json
import os

import ray

from ecg_tune.cluster.session import ray_session

psutil = importlib.import_module("psutil")  # Ray brings it, and finds it once it is imported

if __name__ == "__main__":
    with ray_session():
        worked = ray.get(ray.remote(lambda: os.getpid() > 0).remote())
        processes = psutil.Process().children(recursive=True)
        listening = {
            connection.laddr.ip.removeprefix("::ffff:")
            for process in [psutil.Process(), *processes]
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        print(json.dumps({"listening": sorted(listening), "worked": worked, **ray.cluster_resources()}))
