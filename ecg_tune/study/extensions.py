"""Which trials count where some extend older ones, and the way back: fewer epochs may be asked for again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ecg_tune.study.trial import Trial


def counting(everything: Sequence[Trial]) -> list[Trial]:
    """Choose the trials that count: one that is extended counts until the trial that extends it has finished, beside that one."""
    trials = [trial for trial in everything if trial.counts]
    replaced = {trial.continued_from for trial in trials if trial.finished and trial.state != "FAIL"}
    return [trial for trial in trials if trial.number not in replaced]


def newest(everything: Sequence[Trial]) -> list[Trial]:
    """Choose each trial once: of one that is extended the newest, finished or not."""
    trials = [trial for trial in everything if trial.counts]
    extended = {trial.continued_from for trial in trials}
    return [trial for trial in trials if trial.number not in extended]


def guiding(everything: Sequence[Trial]) -> list[Trial]:
    """Choose the trials that a search learns from: each once, without those that lie outside of the space of today."""
    return [trial for trial in newest(everything) if not trial.set_aside]


def unwanted(everything: Sequence[Trial], epochs: int) -> list[Trial]:
    """Choose the extensions of trials that have all epochs already, when fewer are asked for again."""
    numbered = {trial.number: trial for trial in everything}
    return [extension for trial in newest(everything) for extension in [*_back(trial, numbered, epochs)][:-1]]


def may_end_at(everything: Sequence[Trial], epochs: int) -> bool:
    """Return whether the trials, without such extensions, all keep to a last epoch."""
    numbered = {trial.number: trial for trial in everything}
    for trial in newest(everything):
        *_, left = _back(trial, numbered, epochs)
        planned = (left.config.get("training") or {}).get("max_epochs", 0)
        if left.last_epoch > epochs or (not left.finished and planned > epochs):
            return False
    return True


def _back(trial: Trial, numbered: Mapping[int, Trial], epochs: int) -> Iterator[Trial]:
    """Yield a trial, then the ones that it extends, as far back as one has all its epochs; the last one stays."""
    yield trial
    for _ in numbered:  # numbers that a stranger wrote may lead in a circle
        older = None if trial.continued_from is None else numbered.get(trial.continued_from)
        if older is None or older.ended_by != "max_epochs" or older.last_epoch < epochs:
            return
        trial = older
        yield trial
