"""`ecg-tune status`: where a study stands."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from ecg_tune.cli.note import noted
from ecg_tune.cli.options import StudyFolder
from ecg_tune.cli.remote import Insecure, JobsAddress, run_remotely
from ecg_tune.config import MOST_TRIALS, inputs_text
from ecg_tune.errors import UsageError
from ecg_tune.search.progress.stats import duration
from ecg_tune.search.stopping.choice import Chooser
from ecg_tune.search.stopping.early_end import ASSUMED_PATIENCE, saving, unimproved
from ecg_tune.search.stopping.schedulers import study_forecasts, study_rungs
from ecg_tune.search.stopping.story import story
from ecg_tune.study.extensions import guiding
from ecg_tune.study.race_result import Raced, scatter_by_family
from ecg_tune.study.study import Study
from ecg_tune.study.summary import StudySummary, space_text, summarise
from ecg_tune.study.trial import STATES, Trial

EXAMPLE = "Example: ecg-tune status STUDY --why 17"
MOST_NOTES = 20
"""Trials' notes that are shown, the newest trials' ones."""

KnownServer = Annotated[
    str | None,
    typer.Option("--storage", metavar="URL", help="Accept the database that STUDY/study.url names, once: for a study that somebody sent."),
]


def status(
    context: typer.Context,
    study: StudyFolder,
    why: Annotated[
        int | None, typer.Option("--why", min=0, max=MOST_TRIALS, metavar="N", help="Tell the whole story of trial N instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    storage: KnownServer = None,
    address: JobsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Show how far a study is: trials by state, rungs, failures, best config."""
    if address:
        run_remotely(context, address, insecure=insecure)
        return
    with Study.open(study, storage=storage) as opened:
        if why is not None:
            lines = _story(opened, why)
            print(json.dumps(lines, indent=1) if as_json else "\n".join(lines))
            return
        print(json.dumps(facts(opened), indent=1) if as_json else summary(opened))


def _story(study: Study, number: int) -> list[str]:
    """Return the story of one trial.

    Raises:
        UsageError: The study has no trial of this number.
    """
    everything = {trial.number: trial for trial in study.all_trials()}
    if number not in everything:
        there = f"it has trials 0 to {max(everything)}" if everything else "it has no trials yet"
        raise UsageError(f"{study.name} has no trial {number}: {there}")
    return story(everything[number], study.trials(), epochs=study.attributes.max_epochs or everything[number].last_epoch)


def facts(study: Study) -> dict[str, Any]:
    """Gather what `status --json` prints."""
    overview = summarise(study, rung_counts=study_rungs(study).counts)
    attributes = overview.attributes
    return {
        "study": overview.name,
        "search_running": study.search_running,
        "states": {state: overview.counts.get(state, 0) for state in STATES},
        "waiting": overview.waiting,
        "trials": overview.n_trials,
        "imported": overview.imported,
        "epochs": overview.epochs,
        "metric": attributes.metric,
        "best": _plain(overview.best) if overview.best else None,
        **_race(overview),
        "defaults": [_plain(trial) for trial in overview.defaults],
        "rungs": {f"{family}@{epoch}": count for family, counts in overview.rung_counts.items() for epoch, count in counts.items()},
        **_left_out(study),
        "early_end": _early_end(study),
        "note": attributes.note or "",
        "tags": list(attributes.tags or ()),
        "notes": {
            str(trial.number): {"note": trial.note, "tags": list(trial.tags)} for trial in study.all_trials() if trial.note or trial.tags
        },
        "failures": [{"number": trial.number, "family": trial.family, "reason": trial.fail_reason} for trial in overview.failures],
        "objectives": [attributes.metric, *attributes.minimise],
        "pareto_front": [{**_plain(trial), "values": list(trial.values)} for trial in overview.front] if attributes.minimise else None,
        "synthetic": attributes.synthetic,
        "limited": attributes.limited,
        "data_fingerprint": attributes.data_fingerprint,
        "split": attributes.split,
        "leads": list(attributes.leads),
        "images": list(attributes.images),
        "n_records": dict(attributes.n_records),
        "families": list(attributes.families),
        "profile": attributes.profile,
        "max_epochs": attributes.max_epochs,
        "timing": dict(overview.timing) or None,
        "timed_trials": overview.n_timed,
    }


def _race(overview: StudySummary) -> dict[str, Any]:
    return {
        "race": [dataclasses.asdict(racer) for racer in overview.race],
        "race_lapsed": overview.lapsed,
        "race_by_family": [dataclasses.asdict(family) for family in scatter_by_family(overview.race)],
    }


def _left_out(study: Study) -> dict[str, Any]:
    """List the trials that the user discarded, and those that lie outside of the space since it changed."""
    return {
        "discarded": {str(trial.number): trial.discarded for trial in study.all_trials() if trial.discarded},
        "earlier_spaces": list(study.attributes.earlier_spaces or ()),
        "set_aside": [trial.number for trial in study.trials() if trial.set_aside],
    }


def summary(study: Study) -> str:
    """Format the facts as a few lines of text."""
    values = facts(study)
    waiting = f" ({values['waiting']} of them waiting at a rung)" if values["waiting"] else ""
    counts = {name: f"{count} {name}" + (waiting if name == "RUNNING" else "") for name, count in values["states"].items() if count}
    states = ", ".join(counts.values()) or "no trials yet"
    n_records = values["n_records"]
    synthetic = "  SYNTHETIC data" if values["synthetic"] else ""
    limited = f" (LIMITED to {values['limited']})" if values["limited"] else ""
    imported = f"; {values['imported']} of the trials imported" if values["imported"] else ""
    lines = [
        f"study {values['study']}: {states}; {values['epochs']} epochs{imported}{synthetic}",
        f"data {str(values['data_fingerprint'])[:12]}, split {values['split']}, {inputs_text(values['leads'], values['images'])}, "
        f"{n_records.get('train')} train / {n_records.get('validation')} validation records{limited}",
    ]
    if values["states"]["RUNNING"] and not values["search_running"]:
        lines.append(f"{values['states']['RUNNING']} unfinished: the search was interrupted; the same command resumes them")
    if values["rungs"]:
        lines.append("rungs (family@epoch: trials): " + ", ".join(f"{name}: {count}" for name, count in values["rungs"].items()))
    if values["timing"]:
        lines.append(_time_line(values["timing"], values["timed_trials"]))
    lines += _notes(values)
    if values["discarded"]:
        lines.append(f"discarded: trials {', '.join(values['discarded'])}")
    if values["earlier_spaces"]:
        lines.append(space_text(values["earlier_spaces"], len(values["set_aside"])))
    if values["failures"]:
        lines.append(study.last_failure())
        reasons = Counter(f"{trial['family']} {trial['reason']}" for trial in values["failures"])
        lines.append("failures: " + ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())))
    lines += values["early_end"]["lines"]
    for trial in values["defaults"]:
        lines.append(f"default {trial['family']}: {_describe(trial)}")
    lines += _best_lines(values, [Raced(**racer) for racer in values["race"]])
    for trial in values["pareto_front"] or ():
        shown = ", ".join(f"{name} {value:.6g}" for name, value in zip(values["objectives"], trial["values"], strict=True))
        lines.append(f"Pareto front: trial {trial['number']} ({trial['family']}): {shown}")
    return "\n".join(lines)


def _notes(values: dict[str, Any]) -> list[str]:
    of_study = noted(values["note"], values["tags"])
    lines = [f"noted of trial {number}: {noted(**kept)}" for number, kept in values["notes"].items()]
    more = [f"and {len(lines) - MOST_NOTES} older notes (--json)"] if len(lines) > MOST_NOTES else []
    return [*([f"noted: {of_study}"] if of_study else []), *lines[-MOST_NOTES:], *more]


def _best_lines(values: Mapping[str, Any], raced: Sequence[Raced]) -> list[str]:
    """Describe the best trial: the winner of a race over seeds, if there was one, and the best of the search."""
    lines = [values["race_lapsed"]] if values["race_lapsed"] else []
    if raced and raced[0].mean is not None:
        family = f" ({raced[0].family})" if raced[0].family else ""
        lines.append(f"best after the race of {len(raced)} trials over {raced[0].over}: trial {raced[0].trial}{family}, {raced[0].text()}")
        lines += [f"  {family.family}: {family.text()}" for family in scatter_by_family(raced)]
    if values["best"]:
        best = values["best"]
        label = "best of the search" if raced else "best"
        lines.append(f"{label}: trial {best['number']} ({best['family']}), validation {values['metric']} {best['value']:.4f}")
        lines += [f"  {name} = {value}" for name, value in best["params"].items()]
    return lines


def _early_end(study: Study) -> dict[str, Any]:
    """Work out how long nothing better was found, what patience would have saved, and what a further trial is expected to gain."""
    attributes, trials, lines = study.attributes, guiding(study.all_trials()), list[str]()
    patience, idle = (attributes.settings or {}).get("patience_trials"), unimproved(trials, attributes.space_since)
    forecasts = study_forecasts(study)
    waiting = [trial.number for trial in trials if trial.paused]
    gain = Chooser(forecasts, waiting, ()).expected_gain(forecasts.families) if forecasts else math.inf
    saved = saving(trials, patience or ASSUMED_PATIENCE)
    if patience and idle >= patience:
        lines.append(f"{idle} trials without a better value: --patience-trials {patience} adds no more")
    elif saved:
        lines.append(saved.text())
    if math.isfinite(gain):
        lines.append(f"expected gain of a further trial: {gain:.5f} (--min-gain X adds no more below X)")
    return {
        "without_better": idle, "saving": dataclasses.asdict(saved) if saved else None,
        "expected_gain": gain if math.isfinite(gain) else None, "lines": lines,
    }  # fmt: skip


def _time_line(seconds: dict[str, float], n_trainings: int) -> str:
    """Say where the time of all trainings went, of trials and of those they extend, most first; parts below half a percent are left out."""
    whole = sum(seconds.values())
    parts = sorted((part for part in seconds if seconds[part] / whole >= 0.005), key=lambda part: -seconds[part])
    shares = ", ".join(f"{part} {seconds[part] / whole:.0%}" for part in parts)
    return f"time of {n_trainings} training{'s' * (n_trainings != 1)}, {duration(whole)}: {shares}"


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number, "family": trial.family, "state": trial.state, "value": trial.best_value, "params": dict(trial.params),
    }  # fmt: skip


def _describe(trial: dict[str, Any]) -> str:
    return f"trial {trial['number']}, {trial['state']}" + ("" if trial["value"] is None else f", {trial['value']:.4f}")
