"""Studies in a real PostgreSQL server, which may be restarted under a running search; with checkpoints in a real S3 bucket."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event

from ecg_tune.cli.main import run
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.errors import StudyError, WorkFailedError
from ecg_tune.search.encoders import encoders_of
from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.resume import extend
from ecg_tune.storage import LocalStorage
from ecg_tune.study import postgresql as server
from ecg_tune.study.database import ADDRESS, DATABASE, connection_settings
from ecg_tune.study.export import copy_to_sqlite
from ecg_tune.study.postgresql import SearchLock
from ecg_tune.study.server_url import server_url
from ecg_tune.study.study import Study
from ecg_tune.training.model_file import load_saved
from tests.commands import Said, ecg_tune
from tests.conftest import make_toy_data
from tests.servers import S3, PostgreSQL, postgresql_running, s3_running
from tests.stored import best_trials, newest_trials, open_study, set_attrs
from tests.toy_search import TOY_SPACE, Log, play, settings

from ..faults.processes import wait_for
from .test_study import ATTRIBUTES

pytestmark = pytest.mark.slow

FACTS = ("number", "state", "values", "params", "distributions", "intermediate_values", "user_attrs", "datetime_start", "datetime_complete")
TRIALS, EPOCHS = 7, 3  # of one of two families there are more than are kept
FLAGS = ("--families", "cnn1d,resnet", "--profile", "small", "--trials", TRIALS, "--max-epochs", EPOCHS, "--slots", 2)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with postgresql_running() as running:
        yield running


@pytest.fixture
def url(postgresql: PostgreSQL, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database."""
    return postgresql.new_database(f"db_{abs(hash(request.node.name))}")


def made(folder: Path, url: str | None = None, **attributes: Any) -> optuna.Study:
    return Study.create(folder, dataclasses.replace(ATTRIBUTES, **attributes), storage=url).optuna


def facts(rows: list[FrozenTrial]) -> str:
    """Return all that rows hold; text, in which NaN equals NaN."""
    return "\n".join(str([getattr(row, fact) for fact in FACTS]) for row in rows)


def test_the_folder_remembers_where_its_study_is(url, tmp_path):
    study = made(tmp_path / "study", url)
    assert (tmp_path / "study" / ADDRESS).read_text() == f"{url}\n"
    assert not (tmp_path / "study" / DATABASE).exists()
    assert Study.exists(tmp_path / "study")
    assert open_study(tmp_path / "study").study_name == "study"
    assert made(tmp_path / "study", url)._study_id == study._study_id


def test_another_machine_goes_on_with_the_study_of_that_name_if_it_fits(url, tmp_path):
    made(tmp_path / "one" / "study", url).add_trial(optuna.trial.create_trial(value=0.5))
    assert len(made(tmp_path / "two" / "study", url).trials) == 1
    with pytest.raises(StudyError, match=r"was searched with metric='same', this is 'other'"):
        made(tmp_path / "three" / "study", url, metric="other")
    assert not Study.exists(tmp_path / "three" / "study")


def test_several_studies_share_a_database(url, tmp_path, log):
    one, two = made(tmp_path / "one", url), made(tmp_path / "two", url)
    play(SearchEngine(Study(one), TOY_SPACE, settings(trials=3), log))
    play(SearchEngine(Study(two), TOY_SPACE, settings(trials=2), log))
    play(SearchEngine(Study(one), TOY_SPACE, settings(trials=5), log))
    assert [len(open_study(tmp_path / name).trials) for name in ("one", "two")] == [5, 2]
    copy_to_sqlite(Study(one), tmp_path / "copy.db")
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path / 'copy.db'}") == ["one"]


def test_a_study_here_equals_the_same_one_in_a_file(url, tmp_path):
    """The same searches, budgets and lengthenings give the same rows, times apart."""
    rows = []
    for study in (made(tmp_path / "server", url), made(tmp_path / "file")):
        play(SearchEngine(Study(study), TOY_SPACE, settings(trials=8, total_epochs=9), Log()), slots=3)
        extend(Study(study), TOY_SPACE, settings(trials=8, max_epochs=6))
        play(SearchEngine(Study(study), TOY_SPACE, settings(trials=8, max_epochs=6), Log()), slots=2, epochs=6)
        finished = Study(study).best
        more = {**finished.distributions, "family": CategoricalDistribution(("slow", "fast", "new"))}  # of a space that changed
        Study(study).add(dataclasses.replace(finished, distributions=more))
        rows.append([[getattr(row, fact) for fact in FACTS[:7]] for row in newest_trials(study)])
        assert best_trials(study)
    assert rows[0] == rows[1]


def test_a_copy_in_a_file_is_equal_to_the_bit(url, tmp_path):
    for study in (made(tmp_path / "server", url), made(tmp_path / "file")):
        trial = study.ask()
        trial.suggest_float("x", 1e-9, 1.0, log=True)
        trial.suggest_categorical("kind", ("ä", None, 3))
        for epoch, value in enumerate((math.nan, math.inf, -math.inf, 0.1 + 0.2, 5e-324), 1):
            study._storage.set_trial_intermediate_value(trial._trial_id, epoch, value)
        set_attrs(study, 0, {"text": "naïve\n\"'", "none": None, "list": [1.5, None, {"a": "b"}]})
        study.tell(trial, 1 / 3)
        study.tell(study.ask(), state=TrialState.FAIL)
        study.ask()
        copy_to_sqlite(Study(study), tmp_path / "copy.db")
        copy = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{tmp_path / 'copy.db'}")
        assert facts(copy.trials) == facts(study.trials)
        assert (copy.user_attrs, copy.directions) == (study.user_attrs, study.directions)
        assert str(study.trials[0].intermediate_values) == f"{{1: nan, 2: inf, 3: -inf, 4: {0.1 + 0.2}, 5: 5e-324}}"
        copy.tell(2, 0.5)  # it is a whole study, which can be gone on with


def test_a_copy_holds_one_moment_while_a_search_writes(url, tmp_path):
    """Of every trial the row and its attributes are written one after the other; a copy never has the second without the first."""
    for folder, database in ((tmp_path / "server", url), (tmp_path / "file", None)):
        made(folder, database)
        study, stop = open_study(folder), threading.Event()

        def write(folder: Path = folder, stop: threading.Event = stop) -> None:
            mine = open_study(folder)
            for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
                mine.ask()
                set_attrs(mine, number, {"a": number, "b": number})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            seen = []
            while len(set(seen)) < 5:
                copy_to_sqlite(Study(study), tmp_path / "copy.db")
                rows = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{tmp_path / 'copy.db'}").trials
                assert all(row.user_attrs == {"a": row.number, "b": row.number} for row in rows[:-1])
                assert not rows or rows[-1].user_attrs in ({}, {"a": rows[-1].number, "b": rows[-1].number})
                seen.append(len(rows))
        finally:
            stop.set()
            writer.join()


def test_a_restarted_server_is_waited_for_and_nothing_is_lost(postgresql, url, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(server, "PAUSE_S", 0.1)
    folder = tmp_path / "study"
    with Study.open_or_create(folder, ATTRIBUTES, storage=url) as locked:
        study = locked.optuna
        trial = study.ask()
        postgresql.stop()
        starter = threading.Timer(1.0, postgresql.start)
        starter.start()
        study._storage.set_trial_intermediate_value(trial._trial_id, 1, 0.5)
        starter.join()
        assert "does not answer, waiting for it" in caplog.text
        assert locked.search_running  # the lock was taken again
        with pytest.raises(StudyError, match="another search is running on study 'study'"):
            Study.open_or_create(tmp_path / "elsewhere" / "study", ATTRIBUTES, storage=url)
        study.tell(trial, 0.5)
    again = Study.open(folder)
    assert not again.search_running
    assert again.trial(0).value == 0.5


def test_a_server_that_stays_away_ends_the_search_with_one_line(postgresql, url, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_S", 0.1)
    monkeypatch.setattr(server, "PATIENCE_S", 0.3)

    def search() -> None:
        with Study.open_or_create(tmp_path / "study", ATTRIBUTES, storage=url) as study:
            postgresql.stop()
            study.optuna.ask()

    try:
        with pytest.raises(WorkFailedError, match=r"did not answer for 0 s: .*Connection refused; the same command goes on"):
            search()
    finally:
        postgresql.start()


def test_a_search_that_lost_its_lock_to_another_writes_nothing_more(postgresql, url, tmp_path):
    folder, address = tmp_path / "study", server_url(url)

    def search() -> None:
        with Study.open_or_create(folder, ATTRIBUTES, storage=url) as study:
            held = f"pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = '{name}')"
            postgresql.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM (SELECT {held}) AS l")
            theirs.hold()
            study.optuna.ask()

    name, theirs = address.database, SearchLock(address, "study", connection_settings(address))
    with pytest.raises(StudyError, match="another search is running on study 'study'"):
        search()
    assert open_study(folder).trials == []
    theirs.release()


def test_a_call_cut_off_in_its_middle_is_repeated(postgresql, url, tmp_path):
    """The connection of every 17th statement is ended under it, so that every kind of call is hit."""
    folder = tmp_path / "study"
    with Study.open_or_create(folder, ATTRIBUTES, storage=url) as locked:
        study = locked.optuna
        statements = []

        def cut(connection, cursor, statement, *_):
            statements.append(statement)
            if len(statements) % 17 == 0:
                postgresql.sql(f"SELECT pg_terminate_backend({cursor.connection.info.backend_pid}, 5000)")

        event.listen(study._storage._backend.engine, "before_cursor_execute", cut)
        for number in range(12):
            trial = study.ask()
            for epoch in (1, 2):
                study._storage.set_trial_intermediate_value(trial._trial_id, epoch, epoch / 10)
                set_attrs(study, number, {"seconds": epoch})
            study.tell(trial, 0.2)
    assert len(set(statements[16::17])) > 5
    rows = open_study(folder).trials
    assert [row.number for row in rows] == list(range(12))
    assert all((row.state, row.value, row.intermediate_values) == (TrialState.COMPLETE, 0.2, {1: 0.1, 2: 0.2}) for row in rows)
    assert all(row.user_attrs == {"seconds": 2} for row in rows)


def test_a_lock_is_taken_from_its_own_forgotten_connection_but_from_no_other(url, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_S", 0.1)
    address = server_url(url)
    mine, theirs = (SearchLock(address, "study", connection_settings(address)) for _ in range(2))
    mine.hold()
    with pytest.raises(StudyError, match=r"another search is running on study 'study' \(ecg-tune on "):
        theirs.hold()
    forgotten, mine.connection = mine.connection, None  # as after a cut network: the server still believes in it
    mine.hold()
    assert mine.held()
    mine.release()
    theirs.hold()
    with pytest.raises(StudyError, match="another search is running"):
        mine.hold()
    theirs.release()
    forgotten.invalidate()
    forgotten.close()


def say(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    capsys.readouterr()
    return run([str(word) for word in arguments]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me@host/db was given with a password: leave it out and set PGPASSWORD"),
        ("postgresql://me@host/db?password=secret", "postgresql://me@host/db was given with a password"),
        ("postgresql://me:secret@host:port/db", "'postgresql://me:***@host:port/db' is not the URL of a database"),
        ("mysql://me@host/db", "is not a PostgreSQL database: give postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://me@host", "names no database"),
        ("postgresql://postgres@127.0.0.1:1/db", "Connection refused: check that its server runs"),
        ("{server}/nowhere", 'database "nowhere" does not exist: check that'),
    ],
)
def test_what_can_not_be_used_is_one_line_and_leaves_nothing(given, message, postgresql, toy_data, tmp_path, capsys):
    given = given.replace("{server}", postgresql.url("").rstrip("/"))
    code, err = say(capsys, "search", tmp_path / "study", "--data", toy_data.folder, "--storage", given)
    assert code == 2
    assert message in err
    assert "secret" not in err
    assert err.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_a_driver_that_is_not_installed_is_one_line(toy_data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ecg_tune.study.database.find_spec", lambda name: None)
    code, err = say(capsys, "search", tmp_path / "study", "--data", toy_data.folder, "--storage", "postgresql://me@host/db")
    assert (code, err.count("\n")) == (2, 1)
    assert "needs a driver that is not installed: pip install 'psycopg[binary]'" in err


def test_another_database_than_the_studys_is_refused(postgresql, url, toy_data, tmp_path, capsys):
    made(tmp_path / "server", url)
    made(tmp_path / "file")
    for folder, asked, message in (
        ("server", postgresql.url("other"), f"server's database is {url}, --storage says {postgresql.url('other')}: leave --storage out"),
        ("file", url, "file's database is its study.db: leave --storage"),
    ):
        code, err = say(capsys, "search", tmp_path / folder, "--data", toy_data.folder, "--storage", asked)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err


def test_a_folder_whose_study_is_gone_or_named_otherwise_says_so(postgresql, url, tmp_path, capsys):
    made(tmp_path / "study", url)
    (tmp_path / "study").rename(tmp_path / "renamed")
    code, err = say(capsys, "status", tmp_path / "renamed")
    assert (code, err.count("\n")) == (2, 1)
    assert f"{url} holds no study named 'renamed': give the folder the name that its study has there" in err
    empty = postgresql.new_database("empty")
    (tmp_path / "renamed" / ADDRESS).write_text(f"{empty}\n")
    code, err = say(capsys, "status", tmp_path / "renamed", "--storage", empty)
    assert (code, "holds no study named 'renamed'" in err) == (2, True)
    assert postgresql.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'", database="empty") == "0"


@dataclass(frozen=True)
class Remote:
    """A search whose study is on a server and whose checkpoints are in a bucket.

    Attributes:
        killed: Its rows when it was killed.
        there: The bucket's objects at that time.
        refused: What another machine was told that tried to search the same study meanwhile.
        said: What the run said that came to the end.
    """

    study: Path
    killed: list[FrozenTrial]
    there: dict[str, int]
    refused: Said
    message: str

    def rows(self) -> list[FrozenTrial]:
        return newest_trials(open_study(self.study))


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_running() as running:
        yield running


@pytest.fixture(scope="module")
def remote(shared_ray, postgresql, s3, tmp_path_factory) -> Iterator[Remote]:
    """Return a search that was killed in the middle of a trial and continued by the same command.

    While it goes on, another machine tries to search the same study, and the database is restarted.
    """
    folder = tmp_path_factory.mktemp("remote")
    data = make_toy_data(folder / "data", n_records=(160, 80, 2)).folder
    places = ("--storage", postgresql.new_database("searched"), "--checkpoints", s3.uri("team"))
    command = [str(word) for word in (folder / "study", "--data", data, *FLAGS, *places)]

    def start() -> subprocess.Popen[str]:
        words, environment = [sys.executable, "-m", "ecg_tune", "search", *command], {**os.environ, **shared_ray.environment}
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)

    def reached(process: subprocess.Popen[str], question: str) -> None:
        there = "SELECT to_regclass('trial_intermediate_values') IS NOT NULL"
        answer = lambda: postgresql.sql(there, database="searched") == "t" and postgresql.sql(question, database="searched") == "t"  # noqa: E731
        assert wait_for(lambda: process.poll() is not None or answer(), at_most_s=300)

    process = start()
    try:
        values = "(SELECT COUNT(*) FROM trial_intermediate_values v WHERE v.trial_id = t.trial_id)"
        reached(process, f"SELECT EXISTS (SELECT 1 FROM trials t WHERE state = 'RUNNING' AND {values} BETWEEN 1 AND {EPOCHS - 1})")
        process.kill()
        message = process.communicate()[0]
        assert process.returncode == -signal.SIGKILL, message
        killed, there = newest_trials(open_study(folder / "study")), s3.files()
        process, n_values = start(), sum(len(row.intermediate_values) for row in killed)
        reached(process, f"SELECT COUNT(*) > {n_values} FROM trial_intermediate_values")
        refused = ecg_tune("search", folder / "elsewhere" / "study", *command[1:])  # of the same name, as another machine would
        postgresql.stop()
        postgresql.start()
        message = process.communicate(timeout=600)[0]
        assert process.returncode == 0, message
        yield Remote(folder / "study", killed, there, refused, message)
    finally:
        process.kill()
        process.wait()


@pytest.mark.ray
def test_a_killed_search_is_continued_by_the_same_command(remote):
    rows = remote.rows()
    assert any(row.state == TrialState.RUNNING and 0 < len(row.intermediate_values) < EPOCHS for row in remote.killed)
    assert any(name.startswith("team/study/checkpoints/trial_") for name in remote.there)
    assert [row.number for row in rows] == list(range(TRIALS))
    assert {row.state for row in rows} <= {TrialState.COMPLETE, TrialState.PRUNED}
    ended = [row for row in remote.killed if row.state.is_finished()]
    assert facts([rows[row.number] for row in ended]) == facts(ended)
    for row in remote.killed:
        assert row.intermediate_values.items() <= rows[row.number].intermediate_values.items()
    assert all(len(row.intermediate_values) == EPOCHS for row in rows if row.state == TrialState.COMPLETE)


@pytest.mark.ray
def test_two_searches_on_one_study_are_refused_across_machines(remote):
    code, _, err = remote.refused
    assert (code, err.count("\n")) == (2, 1)
    assert "another search is running on study 'study' (ecg-tune on " in err
    assert not (remote.study.parent / "elsewhere").exists()


@pytest.mark.ray
def test_checkpoints_are_in_the_bucket_and_bounded_and_nothing_of_them_in_the_folder(remote, s3):
    files = [name for name in s3.files() if name.endswith(".pt")]
    complete = [row for row in remote.rows() if row.state == TrialState.COMPLETE]
    families = [sorted((r for r in complete if r.user_attrs["family"] == f), key=lambda r: -r.value)[:3] for f in ("cnn1d", "resnet")]
    kept = {f"team/study/{row.user_attrs['path']}" for best in families for row in best}
    assert {name.rpartition("/")[0] for name in files} == kept
    assert len(kept) < TRIALS
    assert len(files) <= 2 * len(kept)
    assert {f"team/study/{row.user_attrs['checkpoint']}" for best in families for row in best} <= set(files)
    assert not [path for path in remote.study.rglob("*") if path.suffix in (".pt", ".db")]


@pytest.mark.ray
def test_later_commands_find_the_study(remote, capsys, tmp_path):
    assert run(["status", str(remote.study), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["trials"], shown["states"]["RUNNING"], shown["search_running"]) == (TRIALS, 0, False)
    assert run(["dashboard", str(remote.study), "--out", str(tmp_path / "page.html")]) == 0
    assert run(["retrain", str(remote.study), "--top", "1", "--seeds", "1"]) == 0
    assert len(list((remote.study / "models").glob("*_seed0.pth"))) == 1


@pytest.mark.ray
def test_other_searches_learn_from_it_and_take_its_encoders(remote, toy_data, tmp_path, capsys):
    data = open_prepared(Study.open(remote.study).data_path)
    found = encoders_of(remote.study, data, into=LocalStorage(tmp_path / "fusions"))()
    assert found is not None
    assert load_saved(found.signal.path).config.family == "cnn1d"
    flags = ("--data", toy_data.folder, "--import-study", remote.study, "--families", "cnn1d", "--profile", "small", "--metric", "macro_f1")
    code, err = say(capsys, "search", tmp_path / "other", *flags)
    assert (code, err.count("\n")) == (2, 1)
    assert "study can't be imported: its metric" in err
