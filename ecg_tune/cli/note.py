"""`ecg-tune note`: keep a note and tags on a study or on one of its trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ecg_tune.cli.options import StudyFolder
from ecg_tune.errors import UsageError
from ecg_tune.study.attribute_checks import LONGEST_NOTE, MOST_TAGS, TAG, printable
from ecg_tune.study.schema import write_note
from ecg_tune.study.study import Study

EXAMPLE = 'Example: ecg-tune note STUDY 17 "good on HYP, look again" --tag candidate'


def note(
    study: StudyFolder,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[N] [TEXT]", help="A trial's number, else the study itself is meant; then the note.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME", help="Add a tag. May be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", metavar="NAME", help="Remove a tag. May be repeated.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the note.")] = False,
) -> None:
    """Keep a note and tags on a study, or on one of its trials.

    A new note takes the place of the old one. Without a text and tags, what is kept is shown; `status` and the dashboard show it too.
    A search that is running is not disturbed.
    """
    number, text = _read(words or [])
    if text is not None and clear:
        raise UsageError("--clear removes the note: leave the text out, or --clear")
    if text is not None and not 0 < len(text) <= LONGEST_NOTE:
        raise UsageError(f"a note has 1 to {LONGEST_NOTE} characters, but this one {len(text)}" + ("" if text else ": --clear removes it"))
    for name in tag or ():
        if not TAG.fullmatch(name):
            raise UsageError(f"{name[:60]!r} is no tag: give up to 40 letters, digits, `.`, `-` or `_`")
    with Study.open(study) as opened:
        trials = {trial.number: trial for trial in opened.all_trials()}
        if number is not None and number not in trials:
            raise UsageError(f"{opened.name} has no trial {number}: {f'it has 0 to {max(trials)}' if trials else 'it has none yet'}")
        kept = opened.attributes if number is None else trials[number]
        tags = tuple(name for name in dict.fromkeys([*(kept.tags or ()), *(tag or ())]) if name not in (untag or ()))
        if len(tags) > MOST_TAGS:
            raise UsageError(f"that would be {len(tags)} tags: {MOST_TAGS} at most; --untag removes one")
        now = "" if clear else kept.note or "" if text is None else text
        if text is not None or tag or untag or clear:
            if number is None:
                write_note(opened.optuna, note=now, tags=tags)
            else:
                opened.record(trials[number], note=now, tags=tags)
        print(f"{opened.name if number is None else f'trial {number}'}: {noted(now, tags) or 'no note'}")


def noted(note: str, tags: Sequence[str]) -> str:
    """Write a note and tags as one line; "" for none."""
    return " ".join([*([note] if note else []), *(f"[{tag}]" for tag in tags)])


def _read(words: Sequence[str]) -> tuple[int | None, str | None]:
    """Read the trial's number, None for the study, and the note, None for none, as one line that a terminal shows."""
    first = words[0] if words else ""
    number = int(first) if first.isascii() and first.isdigit() and len(first) < 10 else None
    rest = words if number is None else words[1:]
    return number, printable(" ".join(" ".join(rest).split())) if rest else None
