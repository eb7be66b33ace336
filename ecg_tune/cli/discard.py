"""`ecg-tune discard`: take a trial out of a study, so that nothing counts it any more."""

from __future__ import annotations

from typing import Annotated

import typer

from ecg_tune.cli.options import StudyFolder
from ecg_tune.config import MOST_TRIALS
from ecg_tune.errors import UsageError
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

EXAMPLE = 'Example: ecg-tune discard STUDY 17 --why "trained on a GPU that was broken"'
LONGEST_WHY = 500


def discard(
    study: StudyFolder,
    number: Annotated[int, typer.Argument(min=0, max=MOST_TRIALS, metavar="N", help="Number of the trial.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; `status --why N` and `status --json` show it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let a discarded trial count again.")] = False,
) -> None:
    """Take a finished trial out of a study, or let it count again.

    It stays in the database, but sampler, scheduler, status, dashboard and retraining leave it out, and the next search adds a trial in its
    place. A search that is running learns of it when it is resumed.
    """
    if bool(why.strip()) == undo:
        raise UsageError("give --why TEXT to discard a trial, or --undo to let it count again")
    if len(why) > LONGEST_WHY:
        raise UsageError(f"--why has {len(why)} characters: {LONGEST_WHY} at most")
    with Study.open(study) as opened:
        trial = _chosen(opened, number, undo=undo)
        opened.record(trial, discarded=" ".join(why.split()))
        print(f"trial {number} ({trial.family}) {'counts again' if undo else 'is discarded'}; {len(opened.trials())} trials count")
        if opened.search_running:
            print("a search is running on this study: it learns of this when it is resumed")


def _chosen(study: Study, number: int, *, undo: bool) -> Trial:
    """Look the trial up.

    Raises:
        UsageError: There is none, or it can't be discarded, or not undone.
    """
    trials = {trial.number: trial for trial in study.all_trials()}
    if number not in trials:
        raise UsageError(f"{study.name} has no trial {number}: {f'it has 0 to {max(trials)}' if trials else 'it has none yet'}")
    trial = trials[number]
    if undo and not trial.discarded:
        raise UsageError(f"trial {number} of {study.name} was not discarded: leave --undo out")
    if not undo and not trial.counts:
        raise UsageError(f"trial {number} of {study.name} does not count already: `ecg-tune status {study.folder} --why {number}` says why")
    if not trial.finished:
        raise UsageError(f"trial {number} of {study.name} is not finished: let the search end it first")
    return trial
