"""Write the tables of docs/reliability.md from what the fault tests and the soak have left in docs/results/."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs" / "reliability.md", ROOT / "docs" / "results"
SEEN = {
    "driver": "the shell says `Killed`; the same command resumes",
    "worker": "`its worker or node was lost …; it goes on from its checkpoint`",
    "node": "the same, once for each trial on it",
    "idle worker": "the same",
    "hung worker": "`nothing was heard of it on HOST for N s`, then the same",
    "SIGTERM to all": "`interrupted; resume with: …`, exit code 130",
    "clock set": "nothing: the search ends as ever",
}


def kill_lines(kills: Sequence[dict[str, Any]]) -> list[str]:
    """Write a table of the kills: one row a kind."""
    lines = ["| fault | tried | trials hit | lost | epochs repeated (most in a trial) | what the user sees |", "|---|---|---|---|---|---|"]
    for kind in dict.fromkeys(kill["kind"] for kill in kills):
        cases = [kill for kill in kills if kill["kind"] == kind]
        repeated = [n for case in cases for n in case["repeated"]]
        numbers = [len(cases), sum(case["hit"] for case in cases), sum(case["lost"] for case in cases)]
        seen = next((text for name, text in SEEN.items() if kind.startswith(name)), "")
        lines.append(f"| {kind} | {' | '.join(map(str, numbers))} | {sum(repeated)} ({max(repeated, default=0)}) | {seen} |")
    return lines


def table_lines(tables: dict[str, dict[str, int]]) -> list[str]:
    """Write how many cases of each table of faults passed."""
    lines = ["| table | passed | failed | skipped |", "|---|---|---|---|"]
    for name, counts in sorted(tables.items()):
        failed = counts.get("failed", 0) + counts.get("error", 0)
        lines.append(f"| `tests/faults/{name}` | {counts.get('passed', 0)} | {failed} | {counts.get('skipped', 0)} |")
    return lines


def soak_lines(soak: dict[str, Any]) -> list[str]:
    """Write what the soak found, and whether sizes grew from its first third to its last."""
    rounds = soak["rounds"]
    lines = [
        f"{soak['minutes']:g} minutes, {len(rounds)} searches.",
        "",
        "| fault | searches | wrong | commands to the end |",
        "|---|---|---|---|",
    ]
    for fault in dict.fromkeys(entry["fault"] for entry in rounds):
        own = [entry for entry in rounds if entry["fault"] == fault]
        wrong = sum(bool(entry["wrong"]) for entry in own)
        lines.append(f"| {fault} | {len(own)} | {wrong} | {sum(entry['runs'] for entry in own)} |")
    lines += ["", "| median of | first third | last third |", "|---|---|---|"]
    third = max(1, len(rounds) // 3)
    names = {"driver_mb": "memory of the driver, MB", "driver_files": "its open files", "study_mb": "its study, MB"}
    names |= {"processes_left": "processes left", "files_left": "files left in the folder for temporary files"}
    for key, name in names.items():
        first, last = (median(entry[key] for entry in part) for part in (rounds[:third], rounds[-third:]))
        lines.append(f"| {name} | {first:g} | {last:g} |")
    return lines


def replace(page: str, name: str, lines: Sequence[str]) -> str:
    """Put lines between the page's marks of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: "\n".join([begin, *lines, "", end]), page, flags=re.DOTALL)


def main() -> None:
    """Write what is there into the page."""
    page = PAGE.read_text(encoding="utf-8")
    if (RESULTS / "faults.json").exists():
        found = json.loads((RESULTS / "faults.json").read_text())
        page = replace(page, "kills", kill_lines(found["kills"])) if found["kills"] else page
        page = replace(page, "tables", table_lines(found["tables"]))
    if (RESULTS / "soak.json").exists():
        page = replace(page, "soak", soak_lines(json.loads((RESULTS / "soak.json").read_text())))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
