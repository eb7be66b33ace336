"""Workers of the shared Ray have their libraries from the start, and all else for themselves."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import pytest
import ray


@ray.remote
class Witness:
    def facts(self) -> dict[str, Any]:
        chance = float(np.random.rand())
        return {"pid": os.getpid(), "chance": chance, "variable": os.environ.get("OWN"), "warm": "torch" in sys.modules}


@pytest.mark.ray
def test_a_warm_worker_has_its_own_process_chance_and_variables(joined_ray: None) -> None:
    remotes = [Witness.options(num_cpus=0, runtime_env={"env_vars": {"OWN": name}}).remote() for name in "ab"]
    facts = ray.get([remote.facts.remote() for remote in remotes])
    assert [fact["variable"] for fact in facts] == ["a", "b"]
    assert all(fact["warm"] for fact in facts)
    assert len({fact["pid"] for fact in facts}) == len({fact["chance"] for fact in facts}) == 2
    with pytest.raises(ray.exceptions.RayActorError, match="worker process has died"):
        ray.get(remotes[0].__ray_call__.remote(lambda self: os.kill(os.getpid(), 9)))
    assert ray.get(remotes[1].facts.remote())["pid"] == facts[1]["pid"]
