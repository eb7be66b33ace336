"""A study whose search space changes: what still fits guides the search, the rest keeps its place, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial, FixedTrial

from ecg_tune.config import SearchSettings
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.resume import extend, import_trials, nothing_left, retry_failed
from ecg_tune.search.sampling.samplers import SAMPLERS
from ecg_tune.search.space import Proposal, SearchSpace
from ecg_tune.search.space_change import change_text, end_set_aside, fit_text, in_space, set_aside
from ecg_tune.search.stopping.early_end import unimproved
from ecg_tune.search.stopping.schedulers import study_rungs
from ecg_tune.search.stopping.story import story
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.extensions import guiding
from ecg_tune.study.schema import write_study
from ecg_tune.study.study import Study
from search_spaces import SpaceContext, search_space
from tests.toy_search import EPOCHS, Log, play, result, settings

BOTH = ("slow", "fast")


def space(low: float = 0.0, high: float = 1.0, families: tuple[str, ...] = BOTH, kinds: tuple[str, ...] = ("a", "b")) -> SearchSpace:
    def suggest(trial: BaseTrial) -> Proposal:
        family = trial.suggest_categorical("family", families) if len(families) > 1 else families[0]
        quality, kind = trial.suggest_float(f"{family}.quality", low, high), trial.suggest_categorical(f"{family}.kind", kinds)
        return Proposal(family, {"family": family, "quality": quality, "kind": kind})

    choice = [{"family": family} if len(families) > 1 else {} for family in families]
    middle = [{f"{family}.quality": (low + high) / 2, f"{family}.kind": kinds[0]} for family in families]
    return SearchSpace(suggest, tuple(one | other for one, other in zip(choice, middle, strict=True)))


def searched_in(study: Study, wanted: SearchSpace, *, steps: int | None = None, **changes: Any) -> SearchEngine:
    """Search in a space, as `run_search` does, and return the engine."""
    chosen: SearchSettings = settings(**changes)
    set_aside(study, wanted, chosen.epochs)
    end_set_aside(study)
    engine = SearchEngine(study, wanted, chosen, Log())
    play(engine, steps=steps)
    return engine


def made(folder: Path | None, name: str, families: tuple[str, ...] = BOTH) -> Study:
    """Make a study, or open the one that is there with another space, called `name`."""
    facts = StudyAttributes(
        metric="macro_auc", families=families, max_epochs=EPOCHS, space={"called": name}, scheduler="asha",
        settings={"scheduler": "asha", "families": list(families), "max_epochs": EPOCHS, "grace_epochs": 1, "profile": "small"},
    )  # fmt: skip
    if folder is not None:
        return Study.create(folder, facts)
    study = Study.in_memory()
    write_study(study.optuna, facts)
    return study


@pytest.fixture
def wide(tmp_path: Path) -> Study:
    """Return a study of ten trials in the whole space."""
    study = made(tmp_path / "study", "wide")
    searched_in(study, space(), trials=10)
    return study


def test_a_narrowed_space_sets_aside_what_lies_outside_and_only_the_rest_guides(wide):
    before, best = wide.trials(), wide.best
    study, narrow = made(wide.folder, "narrow"), space(0.4, 0.6)
    engine = searched_in(study, narrow, trials=10)
    outside = {trial.number for trial in before if not 0.4 <= next(v for k, v in trial.params.items() if "quality" in k) <= 0.6}
    assert 0 < len(outside) < 10
    assert {trial.number for trial in study.trials() if trial.set_aside} == outside
    assert [replace(trial, set_aside=False) for trial in study.trials()] == before, "nothing else of them changes"
    assert study.best.number == best.number
    seen = [trial for family in BOTH for trial in engine.additions.history.seen(family)]
    assert {trial.number for trial in seen}.isdisjoint(outside)
    assert all(trial.distributions[name] == FloatDistribution(0.4, 0.6) for trial in seen for name in trial.params if "quality" in name)
    for rungs in (engine.rungs, study_rungs(study)):
        assert outside.isdisjoint(number for values in rungs.values.values() for number in values)
    searched_in(study, narrow, trials=16)
    added = study.trials()[10:]
    assert all(0.4 <= trial.config["quality"] <= 0.6 and not trial.set_aside for trial in added)
    assert [trial.number for trial in study.trials() if trial.is_default] == [0, 1], "the default configs were tried"
    assert "set aside: it lies outside" in "\n".join(story(study.trial(min(outside)), study.trials(), epochs=EPOCHS))
    study = made(wide.folder, "wide again")
    searched_in(study, space(), trials=16)
    assert not any(trial.set_aside for trial in study.trials())


def test_each_space_is_remembered_once_and_an_unchanged_one_is_no_change(wide):
    assert wide.attributes.earlier_spaces is None
    assert made(wide.folder, "wide").attributes.earlier_spaces is None
    for name in ("tried", "narrow", "narrow"):  # no trial was suggested from the first of them
        study = made(wide.folder, name)
    (earlier,) = study.attributes.earlier_spaces
    assert earlier == {"trials": 10, "families": list(BOTH), "space": {"called": "wide"}, "space_version": 1}
    assert study.attributes.space_since == 10
    searched_in(study, space(0.4, 0.6), trials=11)
    assert [kept["trials"] for kept in made(wide.folder, "third").attributes.earlier_spaces] == [10, 11]


def test_a_search_that_is_killed_while_it_writes_the_new_space_loses_no_older_one(wide, monkeypatch):
    written: list[str] = []

    def cut(study: Any, name: str, value: Any) -> None:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(name)
        original(study, name, value)

    original = type(wide.optuna).set_user_attr
    monkeypatch.setattr(type(wide.optuna), "set_user_attr", cut)
    with pytest.raises(KeyboardInterrupt):
        made(wide.folder, "narrow")
    monkeypatch.undo()
    assert written == ["earlier_spaces"]
    study = made(wide.folder, "narrow")
    assert [kept["space"] for kept in study.attributes.earlier_spaces] == [{"called": "wide"}]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scheduler", ["asha", "forecast"])
def test_every_sampler_goes_on_when_choices_ranges_and_families_change(sampler, scheduler):
    study, kept = made(None, "first", ("slow",)), {"sampler": sampler, "scheduler": scheduler}
    searched_in(study, space(families=("slow",)), families=("slow",), trials=8, **kept)
    write_study(study.optuna, replace(study.attributes, families=BOTH, earlier_spaces=({"trials": 8, "families": ["slow"]},)))
    changed = space(0.2, 1.0, kinds=("b", "c"))
    searched_in(study, changed, trials=12, steps=5, **kept)
    half = Study.in_memory(study)
    write_study(half.optuna, study.attributes)
    searched_in(study, changed, trials=16, **kept)
    assert len(study.trials()) == 16
    assert all(trial.finished for trial in study.trials())
    assert {trial.params["family"] for trial in study.trials()[8:]} == set(BOTH)
    assert [trial.family for trial in study.trials() if trial.is_default] == ["slow", "fast"], "only the new family's default is added"
    searched_in(half, changed, trials=16, **kept)
    assert [trial.params for trial in half.trials()] == [trial.params for trial in study.trials()], "a restart suggests the same"


def test_choices_may_change_in_a_database_for_trials_that_are_imported_too(tmp_path):
    other = made(tmp_path / "other", "other")
    searched_in(other, space(kinds=("c", "d")), trials=6)
    study = made(tmp_path / "study", "first")
    searched_in(study, space(), trials=6)
    study = made(tmp_path / "study", "second")
    assert import_trials(study, other, space(kinds=("c", "d")), settings()) == (6, 0)
    assert sum(trial.imported for trial in study.trials()) == 6
    study.optuna.tell(study.optuna.ask(), 0.1)  # Optuna goes on with it
    assert Study.open(tmp_path / "study").trials()[-1].value == 0.1


def test_a_removed_family_is_set_aside_and_its_unfinished_trial_ends_as_pruned(tmp_path):
    study = made(tmp_path / "study", "both")
    searched_in(study, space(), trials=6, steps=3)
    (unfinished,) = [trial for trial in study.trials() if not trial.finished]
    left = next(family for family in BOTH if family != unfinished.family)
    study = made(tmp_path / "study", "both", (left,))
    set_aside(study, space(families=(left,)), EPOCHS)
    assert "1 was unfinished and ends as PRUNED" in fit_text(study.newest_trials())
    assert not nothing_left(study, settings(families=(left,), trials=1))
    searched_in(study, space(families=(left,)), families=(left,), trials=6)
    ended = study.trial(unfinished.number)
    assert (ended.state, ended.ended_by, ended.set_aside) == ("PRUNED", "space", True)
    assert ended.intermediate == unfinished.intermediate
    assert {trial.family for trial in study.trials()[unfinished.number + 1 :]} == {left}


def test_what_is_set_aside_is_neither_extended_nor_tried_again_and_an_open_extension_is_withdrawn(wide):
    longer, narrow = settings(trials=10, max_epochs=EPOCHS + 2), space(0.4, 0.6)
    complete = {trial.number for trial in wide.trials() if trial.ended_by == "max_epochs"}
    extended = {new: old for old, new, _ in extend(wide, space(), longer)}
    assert set(extended.values()) == complete
    study = made(wide.folder, "narrow")
    set_aside(study, narrow, longer.epochs)
    outside = {trial.number for trial in study.newest_trials() if trial.set_aside}
    assert outside & set(extended), "a trial outside was being extended"
    end_set_aside(study)
    for new in outside & set(extended):
        assert study.trial(new).ended_by == "withdrawn"
        assert study.trial(extended[new]).set_aside
        assert study.trial(extended[new]).superseded_by is None, "the older one counts again"
    assert extend(study, narrow, longer) == []
    assert retry_failed(study) == 0


def test_patience_begins_anew_with_a_new_space(wide):
    trials = guiding(wide.all_trials())
    assert unimproved(trials) > 0
    assert unimproved(trials, since=len(trials)) == 0


def test_without_a_change_no_trial_is_looked_at_again(wide, monkeypatch):
    monkeypatch.setattr("ecg_tune.search.additions.in_space", lambda *_: pytest.fail("looked at"))
    searched_in(wide, space(), trials=11)
    assert len(wide.trials()) == 11


def test_a_trial_with_another_config_does_not_fit_though_its_parameters_do(wide):
    fits = guiding(wide.all_trials())[0]
    assert in_space(fits, space(), EPOCHS) == fits
    assert in_space(replace(fits, config={**fits.config, "more": 1}), space(), EPOCHS) is None


@pytest.mark.parametrize(
    ("before", "now", "fit"),
    [
        ({}, {"version": 2}, 6),  # what older editions stood for
        ({"rules": {"cnn1d.dropout": 0.3}, "version": 2}, {"version": 2}, 6),  # searched again
        ({"version": 2}, {"rules": {"cnn1d.gradient_clip": {"low": 0.5, "high": 5.0, "prior": 2.0}}, "version": 2}, 6),  # they had 1.0
        ({"version": 2}, {"rules": {"cnn1d.gradient_clip": [0.0, 0.5]}, "version": 2}, 0),
        ({"version": 2}, {"rules": {"cnn1d.patience": 7}, "version": 2}, 0),
        ({"rules": {"cnn1d.patience": 7}, "version": 2}, {"version": 2}, 0),
        ({"version": 2}, {"memory_gb": 1.9, "version": 2}, 6),
        ({"families": ["cnn1d", "rnn"], "version": 2}, {"version": 2}, 3),
        ({"version": 2}, {"families": ["cnn1d", "rnn"], "version": 2}, 6),
    ],
)
def test_trials_of_real_families_fit_by_what_was_trained(before, now, fit):
    def of(families: tuple[str, ...] = ("cnn1d",), epochs: int = 9, *, version: int = 1, **context: Any) -> SearchSpace:
        return search_space(families, SpaceContext("full", epochs, version=version, **context))

    study, old = Study.in_memory(), of(**before)
    families = tuple(before.get("families", ("cnn1d",)))
    play_one = settings(families=families, trials=6, sampler="qmc", scheduler="none", max_epochs=1)
    engine = SearchEngine(study, old, play_one, Log())
    while task := engine.next_assignment():
        end = {**result(replace(task, config={"quality": 0.5}), 1, epochs=1)}
        engine.record(task.number, end)
        engine.close(task.number, end)
    new = of(epochs=12, **now)
    fitted = [in_space(trial, new, 12) for trial in study.trials()]
    assert sum(trial is not None for trial in fitted) == fit
    for trial in filter(None, fitted):
        assert set(trial.params) == set(trial.distributions)
        assert new.suggest(FixedTrial(dict(trial.params))).config["model"] == trial.config["model"]


def test_the_line_names_what_changed_and_how_many_trials_fit(wide):
    before = {
        "family": CategoricalDistribution(("slow", "fast")),
        "slow.rate": FloatDistribution(1e-4, 0.1, log=True),
        "slow.kind": CategoricalDistribution(("a", "b")),
        "slow.depth": IntDistribution(2, 8, step=2),
        "slow.same": IntDistribution(2, 8),
        "fast.rate": FloatDistribution(0, 1),
    }
    now = {
        "slow.rate": FloatDistribution(1e-3, 0.1),
        "slow.kind": CategoricalDistribution(("a",)),
        "slow.depth": IntDistribution(2, 8),
        "slow.same": IntDistribution(2, 8),
    }
    assert change_text(before, now) == (
        "space changed: fast is searched no more, slow.depth 2..8 in steps of 2 → 2..8, slow.kind a|b → a, "
        "slow.rate 0.0001..0.1 (log) → 0.001..0.1"
    )
    assert change_text(now, {**now, "slow.new": IntDistribution(1, 2)}) == "space changed: slow.new is searched too, in 1..2"
    assert change_text({**now, "slow.new": IntDistribution(1, 2)}, now) == "space changed: slow.new is searched no more"
    assert change_text(now, now) == "space changed, in no range"
    many = {f"slow.p{n}": IntDistribution(1, 2) for n in range(6)}
    assert change_text(many, {name: IntDistribution(1, 3) for name in many}).endswith("slow.p3 1..2 → 1..3, and 2 more")
    trials = wide.trials()
    assert fit_text(trials) == "all 10 trials fit it and guide the search"
    outside = [replace(trials[0], set_aside=True), *trials[1:]]
    assert fit_text(outside) == "1 of 10 trials (0) lies outside and no longer guides the search; it keeps its place in results"
    outside = [replace(trial, set_aside=True) for trial in trials[:6]] + trials[6:]
    assert fit_text(outside) == "6 of 10 trials lie outside and no longer guide the search; they keep their place in results"
