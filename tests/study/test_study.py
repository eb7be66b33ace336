"""A study's file: made whole, read while others write."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace

import optuna
import pytest

from ecg_tune.config.formats import STUDY as FORMAT
from ecg_tune.errors import StudyError
from ecg_tune.study.attributes import StudyAttributes
from ecg_tune.study.database import DATABASE
from ecg_tune.study.study import Study
from tests.stored import open_study

ATTRIBUTES = StudyAttributes(
    data_fingerprint="same", metric="same", families=("same",), profile="same", space={"same": 1}, memory_gb=2.0, max_epochs=4, settings={}
)  # fmt: skip


@pytest.mark.slow
def test_who_looks_at_the_folder_while_a_study_is_made_sees_none_or_a_whole_one(tmp_path):
    code = (
        "import sys, pathlib; from ecg_tune.study.study import Study; from ecg_tune.study.attributes import StudyAttributes;"
        "Study.create(pathlib.Path(sys.argv[1]), eval(sys.argv[2]))"
    )
    seen: list[str] = []
    for number in range(3):
        folder = tmp_path / f"study{number}"
        maker = subprocess.Popen([sys.executable, "-c", code, str(folder), repr(ATTRIBUTES)])
        while maker.poll() is None:
            if Study.exists(folder):
                seen.append(open_study(folder).study_name)
        assert maker.returncode == 0
        assert open_study(folder).study_name == f"study{number}"
    assert seen


def test_a_study_with_further_objectives_minimises_them(tmp_path):
    study = Study.create(tmp_path / "study", replace(ATTRIBUTES, minimise=("parameters",)))
    assert study.directions == ("maximize", "minimize")


def test_what_a_killed_maker_left_is_replaced(tmp_path):
    (tmp_path / f".{DATABASE}.part").write_bytes(b"half of it")
    assert Study.create(tmp_path, ATTRIBUTES).name == tmp_path.name


def test_more_epochs_fit_and_fewer_are_refused(tmp_path):
    Study.create(tmp_path / "study", ATTRIBUTES).optuna.add_trial(optuna.trial.create_trial(value=0.5, intermediate_values={9: 0.5}))
    assert Study.create(tmp_path / "study", replace(ATTRIBUTES, max_epochs=9)).attributes.max_epochs == 9
    with pytest.raises(StudyError, match=r"was searched with max_epochs=9, this is 4: trials can be extended, not shortened"):
        Study.create(tmp_path / "study", ATTRIBUTES)


def test_a_study_without_a_trial_takes_the_settings_of_the_next_command(tmp_path):
    Study.create(tmp_path / "study", replace(ATTRIBUTES, max_epochs=9))
    study = Study.create(tmp_path / "study", replace(ATTRIBUTES, metric="other"))
    assert study.attributes == replace(ATTRIBUTES, metric="other", format=FORMAT)
    assert study.trials() == []
    with pytest.raises(StudyError, match="was searched with minimise="):
        Study.create(tmp_path / "study", replace(ATTRIBUTES, minimise=("macs",)))


@pytest.mark.slow
def test_readers_and_a_writer_do_not_disturb_each_other(tmp_path):
    study = Study.create(tmp_path / "study", ATTRIBUTES)
    errors: list[Exception] = []

    def read() -> None:
        try:
            for _ in range(15):
                open_study(tmp_path / "study").get_trials(deepcopy=False)
        except Exception as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        study.optuna.tell(study.optuna.ask(), 0.5)
    reader.join()
    assert errors == []
    assert len(optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'study' / DATABASE}").trials) == 15
