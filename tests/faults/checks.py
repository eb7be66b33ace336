"""What must hold of a study however its search was hit. Each check returns what is wrong, one line each; none when all is well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from ecg_tune.search.stopping.choice import Chooser
from ecg_tune.search.stopping.decision import Decision
from ecg_tune.search.stopping.forecast import Forecasts
from ecg_tune.study.schema import read_trial

from .searches import EPOCHS, FAMILIES, TRIALS

RUNGS = {"asha": (1, 3), "forecast": (1, 2, 3, 4)}
MIN_RESULTS, FACTOR = 3, 3
FACTS = ("state", "values", "params", "intermediate_values", "datetime_start", "datetime_complete", "user_attrs")


def changed_rows(before: Sequence[FrozenTrial], after: Sequence[FrozenTrial]) -> list[str]:
    """Compare the rows that were finished at the fault with what they are now."""
    now, wrong = {row.number: row for row in after}, []
    for row in before:
        if not row.state.is_finished():
            continue
        if row.number not in now:
            wrong.append(f"trial {row.number} is gone")
            continue
        facts = [fact for fact in FACTS if getattr(row, fact) != getattr(now[row.number], fact)]
        wrong += [f"trial {row.number} had ended and changed: {', '.join(facts)}"] if facts else []
    return wrong


def wrong_rows(rows: Sequence[FrozenTrial], n_trials: int = TRIALS, *, scheduler: str = "asha") -> list[str]:
    """Check that there are as many rows as asked for, and that each ended where its state says."""
    wrong = [] if len(rows) == n_trials else [f"{len(rows)} trials, not {n_trials}"]
    for row in rows:
        epochs, ended_by = list(row.intermediate_values), row.user_attrs.get("ended_by")
        right = {
            TrialState.COMPLETE: (len(epochs), ended_by) == (EPOCHS, "max_epochs") or (len(epochs) < EPOCHS and ended_by == "patience"),
            TrialState.PRUNED: bool(epochs) and epochs[-1] in RUNGS[scheduler] and ended_by == scheduler,
        }.get(row.state, False)  # no fault is a trial's own: none may FAIL, none may be left open
        if not right or epochs != list(range(1, len(epochs) + 1)):
            facts = row.user_attrs.get("fail_reason"), row.user_attrs.get("failure")
            wrong.append(f"trial {row.number} is {row.state.name} with epochs {epochs}, ended_by={ended_by}, {facts}")
        elif row.state == TrialState.COMPLETE and row.value != max(row.intermediate_values.values()):
            wrong.append(f"trial {row.number} has value {row.value}, its best epoch {max(row.intermediate_values.values())}")
    return wrong


def wrong_decisions(rows: Sequence[FrozenTrial], arrivals: Sequence[tuple[int, int]]) -> list[str]:
    """Go through all results again, from empty rungs and without the product's code, and compare each cut with what the rows say.

    Args:
        arrivals: (trial, epoch) in the order in which the results were taken in.
    """
    by_number = {row.number: row for row in rows}
    rungs: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    wrong = []
    for number, epoch in arrivals:
        row, family = by_number[number], by_number[number].user_attrs["family"]
        values = [value for _, value in sorted(row.intermediate_values.items())]
        last, best = epoch == len(values), max(values[:epoch])
        if epoch in RUNGS["asha"]:
            standing = list(rungs[family, epoch].values())
            cut = len(standing) >= MIN_RESULTS and best < np.percentile(standing, 100 * (1 - 1 / FACTOR))
            if cut != (last and row.state == TrialState.PRUNED):
                wrong.append(f"trial {number} ({family}) is {row.state.name}, at epoch {epoch} {cut=}: {best} against {standing}")
            rungs[family, epoch][number] = best
        if last and row.user_attrs["ended_by"] == "patience":
            for higher in (rung for rung in RUNGS["asha"] if rung > epoch):
                rungs[family, higher][number] = best
    return [*wrong, *_not_taken_in(rows, arrivals)]


def wrong_pauses(rows: Sequence[FrozenTrial], arrivals: Sequence[tuple[int, int]]) -> list[str]:
    """Check that each trial paused and resumed in turn, at rungs, and that at the end nothing was worth its epochs.

    The study alone must say so: the pruned trials are taken as waiting ones, and the rule is asked once more.
    """
    wrong = []
    for row in rows:
        decisions = [Decision.stored(decision) for decision in row.user_attrs.get("decisions", ())]
        epochs = [decision.epoch for decision in decisions]
        in_turn = [decision.resumes for decision in decisions] == [at % 2 == 1 for at in range(len(decisions))]
        if not in_turn or epochs != sorted(epochs) or not set(epochs) <= set(RUNGS["forecast"]):
            wrong.append(f"trial {row.number} paused and resumed at {[(one.epoch, one.resumes) for one in decisions]}")
    forecasts = Forecasts.of(map(read_trial, rows), RUNGS["forecast"], EPOCHS, FAMILIES)
    pruned = [row.number for row in rows if row.state == TrialState.PRUNED]
    if (choice := Chooser(forecasts, pruned, ()).choose_last()) is not None:
        wrong.append(f"the search ended, but {choice} was worth its epochs")
    return [*wrong, *_not_taken_in(rows, arrivals)]


def _not_taken_in(rows: Sequence[FrozenTrial], arrivals: Sequence[tuple[int, int]]) -> list[str]:
    expected = {(row.number, epoch) for row in rows for epoch in row.intermediate_values}
    return [f"trial {n} epoch {epoch}: not taken in, or not recorded" for n, epoch in sorted(expected ^ set(arrivals))]
