"""The search: sampling, stopping, the engine, Ray Tune. The package itself is called as `ecg_tune.search(…)`.

A package's name is an attribute of the package above it, so that no function beside it can have that name.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Search hyper-parameters: `ecg_tune.api.search.search`, which says all that it takes."""
        return importlib.import_module("ecg_tune.api.search").search(*args, **settings)


sys.modules[__name__].__class__ = _CallablePackage
