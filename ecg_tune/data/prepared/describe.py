"""Describe a prepared data set as facts and as text, from its manifest alone: the test split stays sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg_tune.data.prepared.dataset import SPLIT_NAMES
from ecg_tune.data.prepared.ledger import Line, gaps_text, ledger_lines, missing_before, openings_of, sealed_records
from ecg_tune.data.prepared.manifest import has_likelihood, read_manifest
from ecg_tune.data.prepared.remote_copy import as_s3_storage, cache_folder

MANIFEST_FACTS = (
    *("synthetic", "source", "created", "fingerprint", "leads", "sampling_rate_hz", "n_samples", "class_names", "split", "label_rule"),
    *(
        "normalisation",
        "labels",
        "patients_known",
        "rare_classes",
        "limit",
        "resampled_from_hz",
        "adapted",
        "images",
        "taught",
        "counts",
        "exclusions",
        "damaged",
        "equal_records",
        "quality",
        "ptbxl_checksum",
    ),
)


def describe(location: Path | str) -> dict[str, Any]:
    """Collect the manifest's main facts and the openings of the test split; no array is read.

    Args:
        location: A folder, or s3://BUCKET/PREFIX.

    Raises:
        DataError: Not a prepared data set.
    """
    manifest, remote = read_manifest(location), as_s3_storage(location)
    facts = {key: manifest[key] for key in MANIFEST_FACTS if key in manifest}
    folder = Path(location) if remote is None else cache_folder(manifest)
    lines = ledger_lines(folder, remote)
    openings = openings_of(lines, sealed_records(manifest, folder))
    return {"folder": str(location), **facts, "test_openings": openings, "ledger_gaps": missing_before(lines)}


def describe_text(facts: Mapping[str, Any]) -> str:
    """Write the facts of `describe` as one page of plain text."""
    blocks = [_head(facts), _table(_split_rows(facts))]
    if "exclusions" in facts:
        blocks.append("Records\n" + _table([[name, str(count)] for name, count in facts["exclusions"].items()]))
    if facts.get("rare_classes"):
        blocks.append("Rare classes that were dropped\n" + _table([[name, f"{why} of it"] for name, why in facts["rare_classes"].items()]))
    if facts.get("adapted"):
        blocks.append("Recordings that were adapted\n" + _table([[what, str(count)] for what, count in facts["adapted"].items()]))
    if facts.get("damaged"):
        blocks.append(f"Damaged and dropped: {_first_ids(list(facts['damaged']))}")
    if equal := {where: count for where, count in facts.get("equal_records", {}).items() if count}:
        blocks.append("Records with exactly the samples of another\n" + _table([[where, str(count)] for where, count in equal.items()]))
    if "quality" in facts:
        flags = [[name, str(count)] for name, count in facts["quality"].items() if count]
        blocks.append("Quality flags (kept records)\n" + (_table(flags) if flags else "  none"))
    blocks.append(_openings(facts["test_openings"], facts["ledger_gaps"], int(facts["counts"]["test"]["records"])))
    text = "\n\n".join(blocks) + "\n"  # of data from elsewhere: nothing that a terminal would act on
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _head(facts: Mapping[str, Any]) -> str:
    source, rule, scale = facts.get("source", {}), facts["label_rule"], facts["normalisation"]
    lines = ["SYNTHETIC data: no number made from it says anything about patients."] if facts["synthetic"] else []
    lines.append(f"{facts['folder']}: {source.get('name', 'unnamed')}, version {source.get('version', 'unknown')}")
    resampled = f" (resampled from {facts['resampled_from_hz']} Hz)" if "resampled_from_hz" in facts else ""
    if leads := ", ".join(facts["leads"]):
        lines.append(f"  signals      {facts['n_samples']} samples at {facts['sampling_rate_hz']} Hz{resampled}, leads {leads}")
    if images := facts.get("images"):
        size = f"{images['n_channels']} channels of {images['size']} x {images['size']} pixels"
        lines.append(f"  images       stored, {size}, from the folder {images['folder']}")
    if limit := facts.get("limit"):
        lines.append(f"  LIMITED      to {limit['read']} of {limit['of']} records, for a quick try")
    if isinstance(rule, Mapping):
        likelihood = f" (min_likelihood {rule.get('min_likelihood', 0):g})" if has_likelihood(facts) else ""
        lines.append(f"  label rule   {rule.get('text', 'not noted')}{likelihood}")
    else:
        lines.append(f"  label rule   {rule}")
    if taught := facts.get("taught"):
        lines.append(f"  teachers     {taught.get('text', 'not noted')}")
    if leads:
        sd = f", sd of the training split {scale['scale_mv']:.4f} mV" if "scale_mv" in scale else ""
        lines.append(f"  normalised   {scale['kind']}{sd}")
    if "ptbxl_checksum" in facts:
        sums = facts["ptbxl_checksum"]
        lines.append(f"  SHA-256      {sums['listed']} of {sums['record_files']} record files listed and verified")
    lines.append(f"  fingerprint  {facts['fingerprint']}")
    return "\n".join(lines)


def _split_rows(facts: Mapping[str, Any]) -> list[list[str]]:
    columns = ["records", "patients", *facts["class_names"]]
    unknown = {} if facts.get("patients_known", True) else {"patients": "unknown"}
    rows = [[name, *(str({**facts["counts"][name], **unknown}.get(column, "n/a")) for column in columns)] for name in SPLIT_NAMES]
    return [[f"split {facts['split']}", *columns], *rows]


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows as text: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows)


def _first_ids(ids: Sequence[str], most: int = 10) -> str:
    return ", ".join(f"ecg_id {ecg_id}" for ecg_id in ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _openings(openings: Sequence[Line], gaps: Sequence[str], n_records: int) -> str:
    """List the openings; of records that were prepared otherwise, it says how and how many."""
    if not n_records:
        return "Test split: none; `ecg-tune evaluate … --on OTHER_DATA` evaluates models of these data on others"
    warning = [f"WARNING: {gaps_text(gaps)}"] if gaps else []
    if not openings:
        return "\n".join(["Test split: sealed, never opened", *warning])
    lines = []
    for opening in openings:
        study = f"  for {opening['study']}" if opening["study"] else ""
        lines.append(
            f"  {opening['time']}  {opening['purpose']}{study}  ({opening['settings']}; {opening['shared']} of {n_records} records)"
        )
    times = "once" if len(openings) == 1 else f"{len(openings)} times"
    return "\n".join([f"Test split: opened {times}", *lines, *warning])
