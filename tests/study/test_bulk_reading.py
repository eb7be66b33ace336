"""Trials that are read at once are those that Optuna reads one value after the other."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from ecg_tune.study import bulk_reading
from ecg_tune.study.bulk_reading import BulkReadingStorage

DISTRIBUTIONS = {
    "z.kind": CategoricalDistribution(("gru", None, 3, True)),
    "a.rate": FloatDistribution(1e-5, 1e-1, log=True),
    "depth": IntDistribution(2, 8, step=2),
}
PARAMS = {"z.kind": None, "a.rate": 0.01, "depth": 4}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return a database with two studies; one has trials of every state, and values that SQL has no number for."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="one", storage=url, directions=["maximize", "minimize"])
    other = optuna.create_study(study_name="other", storage=url)
    steps = {1: 0.5, 2: math.nan, 10: math.inf, 3: -math.inf}
    attributes = {"config": {"a": [1, None]}, "family": "rnn", "note": "ü"}
    fields = {"params": PARAMS, "distributions": DISTRIBUTIONS, "intermediate_values": steps, "user_attrs": attributes}
    for state in TrialState:
        values = [math.inf, 2.0] if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, values=values, **fields))
        other.add_trial(create_trial(state=TrialState.RUNNING, params={}, distributions={}))
    study.enqueue_trial({"depth": 6})
    study.ask()
    return url


def read(storage: RDBStorage, *, named: set[int], above: int, states: tuple[TrialState, ...] | None = None) -> list[str]:
    """Read trials of the first study as text, in which NaN equals NaN."""
    return [str(vars(trial)) for trial in storage._get_trials(storage.get_study_id_from_name("one"), states, named, above)]


@pytest.mark.parametrize(("named", "above"), [(set(), -1), ({1, 3}, 5), (set(), 4), ({1, 2, 99}, 99), (set(), 99), ({7}, 2)])
def test_what_is_read_is_what_optuna_reads(url, named, above):
    ours, optunas = BulkReadingStorage(url), RDBStorage(url)
    assert read(ours, named=named, above=above) == read(optunas, named=named, above=above)


def test_trials_of_some_states_are_read(url):
    states = (TrialState.WAITING, TrialState.FAIL)
    ours, optunas = (read(kind(url), named=set(), above=-1, states=states) for kind in (BulkReadingStorage, RDBStorage))
    assert len(ours) == 2
    assert ours == optunas


def test_more_trials_than_a_query_may_name_are_read_too(url, monkeypatch):
    monkeypatch.setattr(bulk_reading, "MOST_NAMED", 1)
    assert read(BulkReadingStorage(url), named={1, 3}, above=5) == read(RDBStorage(url), named={1, 3}, above=5)


def test_a_study_that_is_not_there_is_an_error_as_optunas(url):
    with pytest.raises(KeyError, match="Record does not exist"):
        BulkReadingStorage(url).get_all_trials(99)
