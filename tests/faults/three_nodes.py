"""A Ray cluster of three nodes on this machine, in a process of its own: a head without CPUs and two workers with one each.

Prints a line of JSON when it stands: its address and the raylets of its two workers. Ends with its standard input.
"""

from __future__ import annotations

import json
import sys

from ray.cluster_utils import Cluster

MEMORY = 100 * 1024**2


def main() -> None:
    """Hold the cluster; each line of the input, 0 or 1, kills a worker node as SIGKILL does and is answered by the same line."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY})
    workers = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
    cluster.wait_for_nodes()
    raylets = [worker.all_processes["raylet"][0].process.pid for worker in workers]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    for line in sys.stdin:
        cluster.remove_node(workers[int(line)], allow_graceful=False)
        print(line.strip(), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
