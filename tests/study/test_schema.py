"""How trials and studies are stored: every field comes back, older formats are migrated, newer ones refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution

from ecg_tune.config.formats import STUDY as FORMAT
from ecg_tune.errors import StudyError
from ecg_tune.study.attribute_checks import STUDY_CHECKS, TRIAL_CHECKS
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.schema import MIGRATIONS, TRIAL_NAMES, read_study, study_attributes, trial_attributes
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial

DECISION = {"epoch": 1, "resumes": False, "value": 0.5, "mean": 0.6, "sd": 0.01, "best": 0.7, "reason": "worth"}
WHOLE = Trial(
    0, "COMPLETE", family="rnn", params={"rnn.depth": 3}, distributions={"rnn.depth": IntDistribution(1, 9)}, intermediate={1: 0.5, 2: 0.7},
    values=(0.7,), config={"family": "rnn"}, seed=7, is_default=True, path="checkpoints/trial_00000", queued="default 0", continued_from=4,
    resumes=True, superseded_by=9, set_aside=True, discarded="why", note="seen", tags=("a", "b.1"),
    imported_from="other#3", seconds=1.5, timing={"forward": 1.0, "idle": 0.5}, epochs_trained=2, device="cpu", node="host",
    worker="host:1",
    n_parameters=10, micro_batch=8, micro_batch_after_oom=4, per_class_auc=(0.5, 1.0), best_epoch=2,
    checkpoint="checkpoints/trial_00004/epoch_00002-0123456789abcdef.pt",
    objectives=(0.7, 10.0), decisions=(DECISION,), forecast=(0.71, 0.01),
    ended_by="patience", fail_reason="nan", failure="text",
)  # fmt: skip
"""No trial has all of this at once."""


def test_every_field_of_a_study_and_of_a_trial_is_checked():
    assert set(TRIAL_CHECKS) == set(TRIAL_NAMES)
    assert set(STUDY_CHECKS) == {field.name for field in dataclasses.fields(StudyAttributes)}


def test_every_field_of_a_trial_is_stored_and_read_back() -> None:
    study = Study.in_memory()
    stored = study.add(WHOLE)
    same = {field.name for field in dataclasses.fields(Trial)} - {"id", "start", "end"}
    assert {name: getattr(stored, name) for name in same} == {name: getattr(WHOLE, name) for name in same}
    assert set(study.optuna.trials[0].user_attrs) == set(TRIAL_NAMES.values())


def test_a_field_that_optuna_keeps_itself_is_no_attribute() -> None:
    with pytest.raises(TypeError, match="no attribute of a trial: state, values"):
        trial_attributes({"state": "FAIL", "values": (0.5,), "seed": 1})


def made(**attributes: Any) -> optuna.Study:
    study = optuna.create_study(study_name="made")
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    return study


def test_what_a_study_says_is_read_back_in_todays_format() -> None:
    said = StudyAttributes(metric="macro_auc", families=("rnn", "vgg"), rungs=(1, 3), n_records={"train": 5}, settings={"trials": 3})
    assert read_study(made(**study_attributes(said))) == dataclasses.replace(said, format=FORMAT)


def test_a_study_of_version_0_1_is_migrated_when_it_is_read() -> None:
    old = made(settings={"trials": 3, "gpu_share": "auto", "silence_s": 60.0, "gpus_per_trial": None}, metric="macro_auc")
    assert read_study(old).settings == {"trials": 3, "gpus_per_trial": "auto", "stall_timeout_s": 60.0}
    assert old.user_attrs["settings"]["gpu_share"] == "auto", "reading writes nothing"


def test_every_older_format_has_its_migration() -> None:
    assert sorted(MIGRATIONS) == list(range(FORMAT))


def test_a_study_of_a_newer_version_is_refused() -> None:
    with pytest.raises(
        StudyError, match=rf"was written by a newer ecg-tune \(format {FORMAT + 1}, this one reads up to {FORMAT}\): update"
    ):
        read_study(made(format=FORMAT + 1))


def test_a_study_that_somebody_else_made_says_nothing() -> None:
    assert read_study(made()) == StudyAttributes()
