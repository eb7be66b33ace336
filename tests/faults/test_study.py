"""A study may come from elsewhere: whatever its database holds, nothing outside of it is touched, and each fault is one short line."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from optuna.trial import FixedTrial

from ecg_tune.config import SearchSettings
from ecg_tune.errors import UsageError
from ecg_tune.search.attributes import study_attributes
from ecg_tune.study.database_file import SUPER_JOURNAL
from ecg_tune.study.lock import LOCK
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from search_spaces import SpaceContext, search_space
from tests.commands import ecg_tune
from tests.faults.test_settings import check

SETTINGS = SearchSettings(families=("cnn1d",), profile="small", trials=2, max_epochs=2)
FLAGS = ("--families", "cnn1d", "--profile", "small", "--max-epochs", "2", "--trials", "3", "--address", "127.0.0.1:1")
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def study(tmp_path, toy_data) -> Path:
    """Return the folder of a study of two trials, as a search leaves it."""
    return study_of_two_trials(tmp_path / "study", toy_data)


def study_of_two_trials(folder, data) -> Path:
    """Make a study of two trials on some data."""
    space = search_space(SETTINGS.families, SpaceContext("small", 2))
    with Study.create(folder, study_attributes(data, SETTINGS)) as made:
        for number in range(2):
            path = f"checkpoints/trial_{number:05d}"
            checkpoint = f"{path}/epoch_00002-0123456789abcdef.pt"
            (folder / path).mkdir(parents=True)
            (folder / checkpoint).write_bytes(b"weights")
            trial = FixedTrial(dict(space.defaults[0]))
            proposal = space.suggest(trial)
            made.add(
                Trial(
                    number, "COMPLETE", "cnn1d", trial.params, trial.distributions, {1: 0.6, 2: 0.7}, (0.7 + number / 100,),
                    config=proposal.config, path=path, checkpoint=checkpoint, epochs_trained=2, seconds=1.0, best_epoch=2, n_parameters=10,
                    ended_by="max_epochs",
                )
            )  # fmt: skip
    return folder


def attribute(name: str, value: object, *, text: str | None = None) -> str:
    stored = (json.dumps(value) if text is None else text).replace("'", "''")
    return f"INSERT OR REPLACE INTO trial_user_attributes (trial_id, key, value_json) VALUES (1, '{name}', '{stored}')"


def fact(name: str, value: object, *, text: str | None = None) -> str:
    stored = (json.dumps(value) if text is None else text).replace("'", "''")
    return f"INSERT OR REPLACE INTO study_user_attributes (study_id, key, value_json) VALUES (1, '{name}', '{stored}')"


FAULTS = [
    *[
        attribute("path", path)
        for path in ("/tmp/victim", "../victim", "checkpoints/../../victim", "checkpoints", "", ".", "a\0b", 3, ["a"])
    ],
    *[attribute("path", f"checkpoints/trial_{tail}") for tail in ("00000/..", "00000/", "1", "00000\n", "٠٠٠٠٠")],
    *[attribute("checkpoint", path) for path in ("/etc/passwd", "checkpoints/trial_00000/../../x.pt", "s3://a/b", {"a": 1})],
    *[attribute("config", value) for value in ("text", [1], 3, {"family": 3}, {"model": [1]}, {"training": "x"})],
    *[attribute("epochs", value) for value in ("many", -1, 1.5, 2**70, [1], True)],
    *[attribute("seconds", value) for value in ("long", [1], {"a": 1})],
    attribute("seconds", None, text="NaN"),
    attribute("seconds", None, text="Infinity"),
    *[attribute("family", value) for value in ("x" * 201, 3, ["rnn"], "\x1b[31m")],
    *[attribute("per_class_auc", value) for value in ("x", {"a": 1}, ["x"], [[1]])],
    *[attribute("objectives", value) for value in ("x", ["x"])],
    *[attribute("decisions", value) for value in ("x", [1], [{}], [{"epoch": "x"}])],
    *[attribute("forecast", value) for value in (1, [1], ["a", "b"], [1, 2, 3])],
    *[attribute("superseded_by", value) for value in ("x", 1.5, [1])],
    *[attribute("continued_from", value) for value in ("x", -1, [1])],
    *[attribute("failure", value) for value in (3, ["x"], "x" * 1_000_000)],
    *[attribute("device", value) for value in (3, {"a": 1})],
    attribute("config", None, text="{"),
    attribute("config", None, text=""),
    attribute("config", None, text=DEEP),
    attribute("config", None, text="1" * 5000),
    *[fact("leads", value) for value in ("I", 3, [3], {"a": 1})],
    *[fact("class_names", value) for value in (3, [["NORM"]])],
    *[fact("n_records", value) for value in (3, ["a"], {"train": "x"}, {"train": -1})],
    *[fact("metric", value) for value in (3, ["a"])],
    *[fact("rungs", value) for value in (3, ["a"], [-1])],
    *[fact("settings", value) for value in ("x", [1])],
    *[fact("format", value) for value in ("x", 99, -1, [1])],
    *[fact("checkpoints", value) for value in (3, ["a"], {"a": 1})],
    fact("settings", None, text="nonsense"),
    fact("space", None, text=DEEP),
    "UPDATE trials SET state = 'ASLEEP'",
    "UPDATE trials SET datetime_start = 'yesterday'",
    "UPDATE trial_params SET distribution_json = '{}'",
    "UPDATE trial_params SET distribution_json = 'x'",
    'UPDATE trial_params SET distribution_json = \'{"name": "Evil", "attributes": {}}\'',
    "UPDATE trial_params SET param_value = 1e300",
    "UPDATE trial_values SET value_type = 'BIG'",
    "UPDATE study_directions SET direction = 'SIDEWAYS'",
    "ALTER TABLE trials DROP COLUMN datetime_complete",
    "DROP TABLE trial_values",
    "DROP TABLE trials",
    "DROP TABLE study_user_attributes",
    "INSERT INTO studies (study_name) VALUES ('second')",
    "UPDATE studies SET study_name = x'ff'",
    "UPDATE trial_values SET value = 'x'",
    "DELETE FROM trial_values",
    "UPDATE trial_intermediate_values SET step = 1e999 WHERE step = 2",
    "UPDATE trial_params SET param_value = 1e999 WHERE param_name = 'cnn1d.learning_rate'",
    "DELETE FROM study_directions",
    f"ALTER TABLE trial_values RENAME TO v; CREATE VIEW trial_values AS {ENDLESS}",
    "CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
    "CREATE VIRTUAL TABLE words USING fts5(word)",
    "ALTER TABLE trials ADD COLUMN large TEXT GENERATED ALWAYS AS (hex(zeroblob(500000000)))",
]


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{number}: {fault[:120]}" for number, fault in enumerate(FAULTS)])
def test_a_study_that_was_changed_is_one_line_for_every_command(fault, study, tmp_path, toy_data):
    database = sqlite3.connect(study / "study.db")
    database.execute("PRAGMA foreign_keys = OFF")
    database.executescript(fault)
    database.commit()
    database.close()
    data = ("--data", toy_data.folder)
    commands = [
        ("status", study),
        ("status", study, "--json"),
        ("dashboard", study, "--out", tmp_path / "page.html"),
        ("retrain", study, *data, "--top", "1"),
        ("preview", tmp_path / "new", *data, "--families", "cnn1d", "--profile", "small", "--costs-from", study),
        ("search", tmp_path / "new", *data, *FLAGS, "--import-study", study),
        ("search", study, *data, *FLAGS),
    ]
    refused_by_all(study, tmp_path, commands)


def refused_by_all(study, tmp_path, commands):
    """Give commands; each must refuse the study, and touch nothing."""
    before = files_of(tmp_path)
    for words in commands:
        said = ecg_tune(*words)
        check(said, longest=640)
        assert "--address" not in said.err, f"{words[0]} took it"
    after = files_of(tmp_path)
    assert {name for name in before | after if before.get(name) != after.get(name)} == set(), "refused means untouched"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LOCK}


def super_journal(victim: Path, study: Path) -> bytes:
    """Write a journal to be rolled back that changes nothing, and names a file that SQLite then deletes."""
    n_pages, name = (study / "study.db").stat().st_size // 4096, str(victim).encode()
    head = SUPER_JOURNAL + struct.pack(">5I", 0, 0, n_pages, 512, 4096)
    return head.ljust(512, b"\0") + struct.pack(">I", 2**30 // 4096 + 1) + name + struct.pack(">2I", len(name), sum(name)) + SUPER_JOURNAL


BESIDE: dict[str, Callable[[Path, Path], object]] = {
    "a journal that names a file": lambda study, victim: (study / "study.db-journal").write_bytes(super_journal(victim, study)),
    "a journal that is a link": lambda study, victim: (study / "study.db-journal").symlink_to(victim),
    "a log that is a link": lambda study, victim: (study / "study.db-wal").symlink_to(victim),
    "shared memory that is a link": lambda study, victim: (study / "study.db-shm").symlink_to(victim),
    "a log that is a link to nothing": lambda study, victim: (study / "study.db-wal").symlink_to(victim.with_name("new")),
    "a journal that is a pipe": lambda study, victim: os.mkfifo(study / "study.db-journal"),
    "a journal that is a folder": lambda study, victim: (study / "study.db-journal").mkdir(),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_lies_beside_a_database_harms_no_other_file(kind, study, tmp_path, toy_data):
    (tmp_path / "victim").write_text("precious\n" * 9)
    BESIDE[kind](study, tmp_path / "victim")
    refused_by_all(study, tmp_path, [("status", study), ("search", study, "--data", toy_data.folder, *FLAGS)])


def test_a_journal_that_names_a_file_would_have_sqlite_delete_it(study, tmp_path):
    """Otherwise the check could go."""
    (tmp_path / "victim").write_text("precious\n" * 9)
    (study / "study.db-journal").write_bytes(super_journal(tmp_path / "victim", study))
    with closing(sqlite3.connect(study / "study.db")) as database:
        database.execute("SELECT count(*) FROM trials").fetchone()
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", ["../victim", "..", "/tmp", "a/../../b"])
def test_a_study_whose_name_leads_out_of_its_place_keeps_no_checkpoints_there(name, study, tmp_path):
    database = sqlite3.connect(study / "study.db")
    database.execute(fact("checkpoints", str(tmp_path / "place")))
    database.execute("UPDATE studies SET study_name = ?", (name,))
    database.commit()
    database.close()
    with Study.open(study) as opened, pytest.raises(UsageError, match="names no file inside of a storage"):
        opened.checkpoints  # noqa: B018
