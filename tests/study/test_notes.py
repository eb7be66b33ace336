"""Notes and tags that a user keeps on a study and its trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.dashboard.dashboard import write_dashboard
from ecg_tune.config import SearchSettings
from ecg_tune.errors import StudyError
from ecg_tune.search.attributes import study_attributes
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.resume import extend
from ecg_tune.study.study import Study
from tests.commands import ecg_tune
from tests.toy_search import TOY_SPACE, Log, play, settings

HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(2)> \x1b[31mred \u202e"


@pytest.fixture
def study(few_data, tmp_path) -> Path:
    folder = tmp_path / "study"
    attributes = study_attributes(few_data, SearchSettings(("slow", "fast"), profile="small", max_epochs=4))
    with Study.open_or_create(folder, attributes) as opened:
        play(SearchEngine(opened, TOY_SPACE, settings(trials=4, scheduler="none"), Log()))
    return folder


def test_a_trial_keeps_a_note_and_tags(study):
    said = ecg_tune("note", study, 2, "good on HYP,\n look again", "--tag", "candidate", "--tag", "v1.2")
    assert (said.code, said.out) == (0, "trial 2: good on HYP, look again [candidate] [v1.2]\n")
    assert "noted of trial 2: good on HYP, look again [candidate] [v1.2]" in ecg_tune("status", study).out
    assert json.loads(ecg_tune("status", study, "--json").out)["notes"] == {
        "2": {"note": "good on HYP, look again", "tags": ["candidate", "v1.2"]}
    }
    assert "noted: good on HYP, look again [candidate] [v1.2]" in ecg_tune("status", study, "--why", 2).out
    assert ecg_tune("note", study, 2, "--untag", "v1.2", "--clear").out == "trial 2: [candidate]\n"
    assert ecg_tune("note", study, 2).out == "trial 2: [candidate]\n"
    assert ecg_tune("note", study, 1).out == "trial 1: no note\n"


def test_a_study_keeps_its_note_when_a_search_resumes_it(study, few_data):
    assert ecg_tune("note", study, "the first one", "on 3 leads", "--tag", "paper").out == "study: the first one on 3 leads [paper]\n"
    attributes = study_attributes(few_data, SearchSettings(("slow", "fast"), profile="small", max_epochs=4))
    with Study.open_or_create(study, attributes) as opened:
        assert (opened.attributes.note, opened.attributes.tags) == ("the first one on 3 leads", ("paper",))
    assert "noted: the first one on 3 leads [paper]" in ecg_tune("status", study).out


def test_an_extended_trial_keeps_its_note(study):
    ecg_tune("note", study, 0, "mine", "--tag", "x")
    with Study.open(study) as opened:
        ((_, new, _), *_) = extend(opened, TOY_SPACE, settings(trials=4, max_epochs=6))
        assert (opened.trial(new).note, opened.trial(new).tags) == ("mine", ("x",))


def test_what_is_noted_is_text_on_the_dashboard_and_in_the_terminal(study):
    for words in ((1, HOSTILE), (HOSTILE,), (1,), ()):
        said = ecg_tune("note", study, *words).out
        assert said.rstrip("\n").isprintable()
        assert "alert(1)" in said
    with Study.open(study) as opened:
        page = write_dashboard(opened, study / "dashboard.html").read_text(encoding="utf-8")
    assert "onerror=alert(2)" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert not {"\x1b", "\u202e"} & set(ecg_tune("status", study).out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([9, "x"], "has no trial 9: it has 0 to 3"),
        (["x" * 501], "a note has 1 to 500 characters, but this one 501"),
        ([2, " "], "--clear removes it"),
        ([2, "--tag", "two words"], "'two words' is no tag: give up to 40"),
        ([2, "text", "--clear"], "--clear removes the note"),
        ([2, *(word for n in range(21) for word in ("--tag", f"t{n}"))], "that would be 21 tags: 20 at most"),
    ],
)
def test_what_can_not_be_kept_is_refused_in_one_line(study, words, said):
    done = ecg_tune("note", study, *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err


@pytest.mark.parametrize(("name", "value"), [("note", "x" * 501), ("note", 7), ("tags", ["a b"]), ("tags", ["t"] * 21), ("tags", "t")])
def test_notes_that_somebody_wrote_into_the_database_are_checked(study, name, value):
    with Study.open(study) as opened:
        opened.optuna.set_user_attr(name, value)
    with pytest.raises(StudyError, match=f"its {name} is"):
        Study.open(study)
