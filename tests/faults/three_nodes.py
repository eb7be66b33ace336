"""A Ray cluster of three nodes on this machine, in a process of its own: a head without CPUs and two workers with one each.

Prints a line of JSON when it stands: its address and the raylets of its two workers. Ends with its standard input.
Each line of the input is about a worker node, 0 or 1: `kill 1` kills it as SIGKILL does, `start 1` puts another in its place. It is
answered by the raylet's process id.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ray.cluster_utils import Cluster

MEMORY = 100 * 1024**2


def main() -> None:
    """Hold the cluster and do what the lines of the input say."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY})
    workers = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
    cluster.wait_for_nodes()
    print(json.dumps({"address": cluster.address, "raylets": [raylet_of(worker) for worker in workers]}), flush=True)
    for line in sys.stdin:
        action, node = line.split()[0], int(line.split()[1])
        if action == "kill":
            print(raylet_of(workers[node]))
            cluster.remove_node(workers[node], allow_graceful=False)
        else:
            workers[node] = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
            cluster.wait_for_nodes()
            print(raylet_of(workers[node]))
        sys.stdout.flush()
    cluster.shutdown()


def raylet_of(worker: Any) -> int:
    return int(worker.all_processes["raylet"][0].process.pid)


if __name__ == "__main__":
    main()
