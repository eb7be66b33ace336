"""`ecg-tune status`: where a study stands."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer

from ecg_tune.cli.options import StudyFolder
from ecg_tune.cli.remote import Insecure, JobsAddress, run_remotely
from ecg_tune.search.stopping.rungs import rungs_of
from ecg_tune.search.stopping.schedulers import rule_of
from ecg_tune.study.lock import search_runs
from ecg_tune.study.study import best_trials, count_states, last_failure, newest_trials, open_study, pareto_front

EXAMPLE = "Example: ecg-tune status STUDY --json"


def status(
    context: typer.Context,
    study: StudyFolder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    address: JobsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Show how far a study is: trials by state, rungs, failures, best config."""
    if address:
        run_remotely(context, address, insecure=insecure)
        return

    opened = open_study(study)
    print(json.dumps(facts(opened, study), indent=1) if as_json else summary(opened, study))


def facts(study: optuna.Study, folder: Path) -> dict[str, Any]:
    """Return what `status` knows, as plain data."""
    rows, attrs = newest_trials(study), study.user_attrs
    best = best_trials(study, 1)
    standing = rungs_of(rows, rule_of(attrs)).standing
    return {
        "study": study.study_name,
        "search_running": search_runs(folder),
        "states": count_states(study),
        "trials": len(rows),
        "imported": sum("imported_from" in row.user_attrs for row in rows),
        "epochs": sum(len(row.intermediate_values) for row in rows),
        "metric": attrs.get("metric"),
        "best": _row(best[0]) if best else None,
        "defaults": [_row(row) for row in rows if row.user_attrs.get("is_default")],
        "rungs": {f"{family}@{epoch}": count for family, counts in standing.items() for epoch, count in counts.items()},
        "failures": [
            {"number": row.number, "family": row.user_attrs.get("family"), "reason": row.user_attrs.get("fail_reason")}
            for row in rows
            if row.state.name == "FAIL"
        ],
        "objectives": [attrs.get("metric"), *attrs.get("minimise", ())],
        "pareto_front": [{**_row(row), "values": row.values} for row in pareto_front(study)] if attrs.get("minimise") else None,
        **{
            name: attrs.get(name)
            for name in ("synthetic", "data_fingerprint", "split", "leads", "n_records", "families", "profile", "max_epochs")
        },
    }


def summary(study: optuna.Study, folder: Path) -> str:
    """Return the same as a few lines of text."""
    known = facts(study, folder)
    states = ", ".join(f"{count} {name}" for name, count in known["states"].items() if count) or "no trials yet"
    n_records = known["n_records"] or {}
    synthetic = "  SYNTHETIC data" if known["synthetic"] else ""
    imported = f"; {known['imported']} of the trials imported" if known["imported"] else ""
    lines = [
        f"study {known['study']}: {states}; {known['epochs']} epochs{imported}{synthetic}",
        f"data {str(known['data_fingerprint'])[:12]}, split {known['split']}, leads {','.join(known['leads'] or [])}, "
        f"{n_records.get('train')} train / {n_records.get('validation')} validation records",
    ]
    if known["states"]["RUNNING"] and not known["search_running"]:
        lines.append(f"{known['states']['RUNNING']} unfinished: the search was interrupted; its command again goes on with them")
    if known["rungs"]:
        lines.append("rungs (family@epoch: trials): " + ", ".join(f"{name}: {count}" for name, count in known["rungs"].items()))
    if known["failures"]:
        lines.append(last_failure(study))
        reasons = Counter(f"{row['family']} {row['reason']}" for row in known["failures"])
        lines.append("failures: " + ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())))
    for row in known["defaults"]:
        lines.append(f"default {row['family']}: {_shown(row)}")
    if known["best"]:
        lines.append(
            f"best: trial {known['best']['number']} ({known['best']['family']}), validation {known['metric']} {known['best']['value']:.4f}"
        )
        lines += [f"  {name} = {value}" for name, value in known["best"]["params"].items()]
    for row in known["pareto_front"] or ():
        shown = ", ".join(f"{name} {value:.6g}" for name, value in zip(known["objectives"], row["values"], strict=True))
        lines.append(f"Pareto front: trial {row['number']} ({row['family']}): {shown}")
    return "\n".join(lines)


def _row(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    family, state = trial.user_attrs.get("family"), trial.state.name
    value = trial.values[0] if state == "COMPLETE" else max(trial.intermediate_values.values(), default=None)
    return {"number": trial.number, "family": family, "state": state, "value": value, "params": trial.params}


def _shown(row: dict[str, Any]) -> str:
    return f"trial {row['number']}, {row['state']}" + ("" if row["value"] is None else f", {row['value']:.4f}")
