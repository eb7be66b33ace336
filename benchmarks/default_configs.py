"""Write the families' default configs into `data/default_configs.json`, for benchmarks that run without Optuna.

    python benchmarks/default_configs.py [--out FILE]

Run it again when a default has changed; a test compares the file with the search spaces.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "data" / "default_configs.json"


def read_defaults(profile: str) -> dict[str, dict[str, Any]]:
    """Read the default config of every family, as plain data."""
    defaults: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))[profile]
    return defaults


def main() -> None:
    """Resolve the defaults of both profiles, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    from ecg_tune.config import PROFILES, to_dict
    from search_spaces import SPACES, SpaceContext, resolve

    defaults = {
        profile: {
            family: to_dict(resolve(family, SPACES[family].defaults[profile], SpaceContext(profile, 10))) for family in SPACES.built_in
        }
        for profile in PROFILES
    }
    arguments.out.write_text(json.dumps(defaults, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
