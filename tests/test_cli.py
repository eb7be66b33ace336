"""The commands: help, errors in one line, exit codes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import optuna
import pytest
import typer

from ecg_tune.api.yaml_file import read_yaml
from ecg_tune.cli.help import plain_notes
from ecg_tune.cli.main import COMMANDS, app, run
from ecg_tune.cli.options import lead_names
from ecg_tune.cli.remote import command_arguments
from ecg_tune.cluster.jobs import SubmittedJob
from ecg_tune.config import LEAD_NAMES

SHOWN = [
    "data synthesize",
    "data download",
    "data prepare",
    "data describe",
    "train",
    "models",
    "search",
    "submit",
    "doctor",
    "pull",
    "preview",
    "status",
    "dashboard",
    "discard",
    "enqueue",
    "retrain",
    "evaluate",
    "predict",
    "export-onnx",
    "demo",
    "templates",
]


def say(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Return a command's exit code and what it wrote to stderr."""
    capsys.readouterr()
    code = run([str(a) for a in arguments])
    return code, capsys.readouterr().err


@pytest.fixture(scope="module")
def prepared(toy_data) -> Path:
    return toy_data.folder


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_has_help_with_an_example(command, capsys):
    assert run([*command.split(), "--help"]) == 0
    assert f"ecg-tune {command}" in capsys.readouterr().out.split("Example:")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "prepare", "{nowhere}", "{tmp}/out"], "nowhere"),
        (["data", "prepare", "{tmp}", "{tmp}/out", "--leads", "I,II,V9"], "unknown lead 'V9': 12 names are valid, e.g. V6, V5, V4"),
        (["data", "prepare", "{tmp}", "{tmp}/out", "--rate", "250"], "rate must be 100 or 500 Hz, but got 250"),
        (["data", "prepare", "{tmp}", "{tmp}/out", "--split", "80-20"], "unknown split '80-20'"),
        (["data", "describe", "{nowhere}"], "holds no prepared data"),
        (["data", "synthesize", "{tmp}/x", "--records", "3"], "--records"),
        (["train", "rrn", "--data", "{data}"], "unknown family 'rrn': did you mean 'rnn'?"),
        (["train", "rnn", "--data", "{nowhere}"], "holds no prepared data"),
        (["train", "rnn", "--data", "{data}", "--profile", "tiny"], "unknown profile 'tiny'"),
        (["train", "rnn", "--data", "{data}", "--profile", "small", "--device", "cuda:9"], "device 'cuda:9' is not on this machine"),
        (["train", "rnn", "--data", "{data}", "--config", "{nowhere}.yaml"], "can't be read"),
        (["models", "--profile", "tiny"], "unknown profile 'tiny'"),
        (["models", "--measure"], "--measure needs a data set: give one with --data DIR"),
        (["models", "--measure", "--data", "{nowhere}"], "holds no prepared data"),
        (["search", "{tmp}/s", "--data", "{nowhere}"], "holds no prepared data"),
        (["search", "{tmp}/s", "--data", "{data}", "--families", "rnn,vgg99"], "unknown family 'vgg99'"),
        (["search", "{tmp}/s", "--data", "{data}", "--sampler", "tpee"], "unknown sampler 'tpee': did you mean 'tpe'?"),
        (["search", "{tmp}/s", "--data", "{data}", "--scheduler", "asah"], "unknown scheduler 'asah': did you mean 'asha'?"),
        (["search", "{tmp}/s", "--data", "{data}", "--metric", "auc"], "unknown metric 'auc'"),
        (["search", "{tmp}/s", "--data", "{data}", "--trials", "many"], "--trials"),
        (["search", "{tmp}/s", "--data", "{data}", "--trials", "0"], "trials must be 1..1000000, but got trials=0"),
        (["search", "{tmp}/s"], "is a new study: name its data with --data DIR"),
        (["search", "{tmp}/s", "--data", "{data}", "--max-hours", "-1"], "max_hours must be 1e-06..1e+06, but got max_hours=-1.0"),
        (["search", "{tmp}/s", "--data", "{data}", "--target", "nan"], "target must be 0..1, but got target=nan"),
        (["search", "{tmp}/s", "--data", "{data}", "--import-study", "{nowhere}"], "is not a study"),
        (["search", "/proc/nowhere/s", "--data", "{data}"], "/proc/nowhere: No such file or directory: give a folder that can be written"),
        (["search", "{tmp}/s", "--data", "{data}", "--minimise", "flops"], "unknown objective to minimise 'flops'"),
        (["search", "{tmp}/s", "--data", "{data}", "--minimise", "macs", "--sampler", "cmaes"], "cmaes follows one objective, but got 2"),
        (["search", "{tmp}/s", "--data", "{data}", "--progress", "loud"], "unknown progress 'loud'"),
        (["search", "{tmp}/s", "--data", "{data}", "--fusion-from", "{nowhere}"], "is not a study"),
        (["search", "{tmp}/s", "--data", "{data}", "--minimise", "macs,macs"], "minimise must be different names, but got 'macs,macs'"),
        (["search", "{tmp}/s", "--data", "{data}", "--gpus-per-trial", "some"], "gpus_per_trial: expected float or 'auto', but got 'some'"),
        (["search", "{tmp}/s", "--data", "{data}", "--enqueue", "{nowhere}.yaml"], "can't be read"),
        (["preview", "{tmp}/s", "--data", "{data}", "--costs-from", "{nowhere}"], "is not a study"),
        (["status", "{nowhere}"], "is not a study"),
        (["dashboard", "{nowhere}"], "is not a study"),
        (["retrain", "{nowhere}"], "is not a study"),
        (["retrain", "{nowhere}", "--trial", "4", "--top", "2"], "--trial 4 names what to retrain: leave --top and --per-family out"),
        (["retrain", "{nowhere}", "--on", "test"], "unknown split to retrain on 'test'"),
        (["evaluate", "{nowhere}", "--data", "{data}"], "nowhere"),
        (["evaluate", "{nowhere}"], "is not a study, and holds no models: `ecg-tune search"),
        (["bogus"], "No such command 'bogus'"),
        (["search"], "Missing argument 'STUDY' (see `ecg-tune search --help`)"),
        (["data", "prepare"], "(see `ecg-tune data prepare --help`)"),
        (["status", "{tmp}", "--wyh", "3"], "(see `ecg-tune status --help`)"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(arguments, message, tmp_path, prepared, capsys):
    words = [a.format(nowhere=tmp_path / "nowhere", tmp=tmp_path, data=prepared) for a in arguments]
    code, err = say(capsys, *words)
    assert code == 2
    assert message in err
    assert err.startswith("ecg-tune: ")
    assert err.count("\n") == 1, "one line"
    assert not (tmp_path / "s").exists(), "nothing is left behind"


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("trails: 5", "unknown setting 'trails': did you mean 'trials'?"),
        ("trials: many", "trials: expected int, but got 'many'"),
        ("- a", "expected names with values"),
        ("a: [", "is not YAML"),
        ("families: 5", "families: expected names, but got 5"),
        ("families: rrn", "unknown family 'rrn': did you mean 'rnn'?"),
        ("{families: rnn, space: {rnn.hidden_size: [32, abc]}}", "space: rnn.hidden_size must be a number, but got 'abc'"),
        ("{families: rnn, space: {rnn.cell: [gru, 3]}}", "space: rnn.cell must be one of ('gru', 'lstm'), but got 3"),
        ("{families: rnn, space: {rnn.dropout: much}}", "space: rnn.dropout must be a number, but got 'much'"),
        ("{families: rnn, space: {rnn.hiden_size: 32}}", "unknown parameter 'rnn.hiden_size': did you mean 'rnn.hidden_size'?"),
    ],
)
def test_a_settings_file_is_read_strictly(yaml, message, tmp_path, prepared, capsys):
    (tmp_path / "search.yaml").write_text(yaml)
    code, err = say(capsys, "search", tmp_path / "s", "--data", prepared, "--config", tmp_path / "search.yaml")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("rnn.hiden_size: 32", "unknown parameter 'rnn.hiden_size': did you mean 'rnn.hidden_size'?"),
        ("- rnn.hidden_size: 33", "enqueue: rnn.hidden_size must be one of"),
        ("rnn.dropout: 7", "enqueue: rnn.dropout must be 0.0..0.6, but got 7"),
        ("[]", "configs.yaml holds no config"),
        ("- {rnn.cell: gru, cnn1d.depth: 3}", "one config has parameters of cnn1d and rnn: give `family`"),
        ("- {family: rnn, cnn1d.depth: 3}", "cnn1d.depth has no use beside the other values"),
        ("- 5", "expected parameters with values"),
        ("- {family: vgg}", "vgg"),
    ],
)
def test_queued_configs_are_checked_before_the_search_begins(yaml, message, tmp_path, prepared, capsys):
    (tmp_path / "configs.yaml").write_text(yaml)
    flags = ("--families", "rnn,cnn1d", "--profile", "small", "--enqueue", tmp_path / "configs.yaml")
    code, err = say(capsys, "search", tmp_path / "s", "--data", prepared, *flags)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_numbers_are_read_as_people_write_them(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1e-3\nb: 1.5E+2\nc: 12\nd: e5\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": 0.001, "b": 150.0, "c": 12, "d": "e5"}


@pytest.mark.parametrize("command", [["search", "{file}", "--data", "{data}"], ["demo", "--out", "{file}"]])
def test_a_file_where_a_folder_goes_is_one_line(command, tmp_path, prepared, capsys):
    (tmp_path / "file").write_text("")
    code, err = say(capsys, *[a.format(file=tmp_path / "file", data=prepared) for a in command])
    assert code == 2
    assert "file" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["retrain", "{study}"], ["evaluate", "{study}"], ["search", "{study}", "--data", "{data}"]])
def test_a_study_of_somebody_else_is_refused(command, tmp_path, prepared, capsys):
    folder = tmp_path / "foreign"
    folder.mkdir()
    study = optuna.create_study(storage=f"sqlite:///{folder / 'study.db'}", study_name="foreign")
    study.tell(study.ask(), 0.5)
    code, err = say(capsys, *[a.format(study=folder, data=prepared) for a in command])
    assert code == 2
    assert "not made by `ecg-tune search`" in err
    assert err.count("\n") == 1


def test_a_manifest_changed_by_hand_is_refused(prepared, tmp_path, capsys):
    copy = tmp_path / "data"
    shutil.copytree(prepared, copy)
    manifest = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(manifest.replace('"V2"', '"V3"'))
    code, err = say(capsys, "data", "describe", copy)
    assert code == 2
    assert "was changed after the data were prepared" in err


def test_a_fusion_config_can_name_another_encoder(prepared, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(
        "model: {signal_family: cnn1d, signal: {filters: 8, depth: 2}}\ntraining: {crop_s: 1.0}\nimage: {size: 32}\n"
    )
    flags = ["--profile", "small", "--max-epochs", "1", "--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "ck")]
    assert run(["train", "fusion", "--data", str(prepared), *flags]) == 0, capsys.readouterr().err


def test_a_file_that_is_no_database_is_refused(tmp_path, capsys):
    (tmp_path / "study.db").write_text("not a database, but long enough to be taken for one " * 50)
    code, err = say(capsys, "status", tmp_path)
    assert code == 2
    assert "study.db can't be read" in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_record_that_was_cut_is_named(ptbxl, tmp_path, capsys):
    source = tmp_path / "ptbxl"
    source.mkdir()
    for name in ("ptbxl_database.csv", "scp_statements.csv", "SHA256SUMS.txt"):
        shutil.copy(ptbxl / name, source / name)
    shutil.copytree(ptbxl / "records100", source / "records100", copy_function=lambda a, b: Path(b).symlink_to(a))
    victim = source / "records100/00000/00017_lr.dat"
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:-100])
    code, err = say(capsys, "data", "prepare", source, tmp_path / "out", "--split", "official")
    assert code == 2
    assert "00017" in err
    assert "--damaged drop" in err
    assert err.count("\n") == 1
    assert run(["data", "prepare", str(source), str(tmp_path / "out"), "--split", "official", "--damaged", "drop"]) == 0
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_gives_each_the_first_line_of_its_own_help(name):
    command = typer.main.get_command(app).commands[name]
    assert command.help.splitlines()[0] == COMMANDS[name].help
    assert command.hidden == COMMANDS[name].hidden


def test_a_file_of_a_search_is_no_file_of_one_training(tmp_path, prepared, capsys):
    (tmp_path / "search.yaml").write_text("families: rnn\ntrials: 5\n")
    code, err = say(capsys, "train", "rnn", "--data", prepared, "--config", tmp_path / "search.yaml", "--out", tmp_path / "out")
    assert (code, err.count("\n")) == (2, 1)
    assert "search.yaml is a file of `ecg-tune search` (it has families)" in err


def test_the_shell_completes_commands_without_importing_them():
    code = "from ecg_tune.cli.main import run; import sys; run([]); print(sorted(sys.modules.keys() & {'torch', 'ray', 'optuna'}))"
    words = {"_ECG_TUNE_COMPLETE": "complete_bash", "COMP_WORDS": "ecg-tune se", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **words}, check=False)
    assert done.stdout.splitlines()[0] == "search", done.stderr


def test_the_list_of_commands_and_the_version_load_no_command():
    code = "from ecg_tune.cli.main import run; import sys; codes = run(['--help']), run(['--version']);"
    code += "print(codes, sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'ray', 'numpy', 'optuna', 'rich', 'yaml'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(0, 0) []"
    assert f"ecg-tune {version('ecg-tune')}, ray {version('ray')}, optuna {version('optuna')}" in done.stdout
    assert "formats: prepared data 1, study 1, model file 1" in done.stdout
    listed = done.stdout.split("Commands:")[1]
    assert all((f"  {name} " in listed) != command.hidden for name, command in COMMANDS.items())


def test_help_is_quick_to_import_and_the_module_runs_like_the_script():
    for command in ([sys.executable, "-m", "ecg_tune"], [str(Path(sys.executable).with_name("ecg-tune"))]):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert "search" in done.stdout


def test_describe_as_json_is_one_object(prepared, capsys):
    import json

    assert run(["data", "describe", str(prepared), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["fingerprint"]


@pytest.mark.slow
def test_training_one_config_writes_a_model_that_evaluates(prepared, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("model: {hidden_size: 8}\ntraining: {crop_s: 1.0}\n")
    flags = ["--profile", "small", "--max-epochs", "1", "--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "ck")]
    assert run(["train", "rnn", "--data", str(prepared), *flags]) == 0
    assert (tmp_path / "ck" / "RNNModel_best.pth").exists()
    assert run(["evaluate", str(tmp_path / "ck"), "--data", str(prepared), "--out", str(tmp_path / "r"), "--bootstrap", "100"]) == 0
    assert "BEST MODEL: RNNModel" in capsys.readouterr().out


@pytest.mark.slow
def test_models_lists_every_family_with_its_size_and_measures_an_epoch(prepared, capsys):
    import json

    from ecg_tune.models import MODELS

    assert run(["models"]) == 0
    table = capsys.readouterr().out
    assert all(row.name in table for row in MODELS.values())
    assert ["11,179,077", "1,813.6"] in [line.split()[-2:] for line in table.splitlines()]
    assert run(["models", "--profile", "small", "--measure", "--data", str(prepared), "--json", "--device", "cpu"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [row["family"] for row in facts["models"]] == list(MODELS)
    assert all(row["epoch_s"] > 0 and row["macs"] > 0 for row in facts["models"])
    assert facts["train_records"] == 96


@pytest.mark.parametrize(
    ("words", "next_time"),
    [
        *(
            (words, "keeps what is finished and does the rest")
            for words in ("retrain STUDY --top 1", "search STUDY", "demo", "data download X")
        ),
        *(
            (words, "starts from the beginning")
            for words in ("data export D X", "data import X D", "data prepare X D", "export-onnx M X.onnx", "train rnn")
        ),
        (
            "evaluate STUDY",
            "starts from the beginning; if it had opened the test split, the ledger says so, and opening it again will be one more",
        ),
    ],
)
def test_an_interrupted_command_says_what_the_next_one_does(words, next_time, monkeypatch, capsys):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.core.TyperGroup.invoke", interrupt)
    assert run(words.split()) == 130
    assert capsys.readouterr().err == f"ecg-tune: interrupted; the same command again {next_time}\n"


def test_an_interrupted_step_of_the_demo_speaks_of_the_demo(monkeypatch, tmp_path, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecg_tune.cli.data.synthetic.synthesize", interrupt)
    assert run(["demo", "--out", str(tmp_path / "demo")]) == 130
    assert capsys.readouterr().err == "ecg-tune: interrupted; the same command again keeps what is finished and does the rest\n"


def test_an_interrupted_synthesis_leaves_nothing_in_the_way_of_the_next(tmp_path):
    heard = ["env", "--default-signal=INT"]  # a shell's background jobs ignore Ctrl-C, and what they start does too
    command = [*heard, sys.executable, "-m", "ecg_tune", "data", "synthesize", str(tmp_path / "ptbxl"), "--records", "20000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any((tmp_path / "ptbxl").rglob("*.dat")):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        message = process.communicate()[1]
    assert process.returncode == 130
    assert message.splitlines()[-1] == "ecg-tune: interrupted; the same command again starts from the beginning"
    assert "Traceback" not in message
    assert not (tmp_path / "ptbxl").exists()


def test_a_repeated_option_is_given_on_to_a_cluster_as_often_as_it_was_given() -> None:
    command = typer.main.get_command(app).commands["retrain"]
    options = ["study", "--trial", "4", "--trial", "2", "--per-family", "--address", "http://127.0.0.1:8265"]
    context = command.make_context("retrain", options)
    words = command_arguments(context, {"address": "auto"})
    assert " ".join(words) == "retrain study --per-family --trial 4 --trial 2 --on train --device auto --address auto"


def test_notes_on_options_read_alike(capsys):
    assert plain_notes("Do it.  [default: 3]  [x>=1]") == "Do it.  [default: 3; range: 1 or more]"
    assert plain_notes("Do it.  [default: 0.9; 0.01<=x<=1.0]") == "Do it.  [default: 0.9; range: 0.01..1.0]"
    assert run(["retrain", "--help"]) == 0
    assert "Retrain the best N trials. [default: 3; range: 1..1000000]" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("text", "leads"), [("all", LEAD_NAMES), ("12", LEAD_NAMES), ("aVR, i,v2", ("AVR", "I", "V2"))])
def test_leads_are_read_in_any_case(text, leads):
    assert lead_names(text) == leads


def test_submit_hands_on_end_to_the_job_and_refuses_what_the_job_would(monkeypatch, capsys):
    sent: list[Sequence[str]] = []

    def submit_job(client: object, address: str, arguments: Sequence[str], **more: object) -> SubmittedJob:
        sent.append(arguments)
        return SubmittedJob(None, address, "job")  # type: ignore[arg-type]

    monkeypatch.setattr("ecg_tune.cli.submit.jobs_client", lambda *_, **__: None)
    monkeypatch.setattr("ecg_tune.cli.submit.submit_job", submit_job)
    command = 'mail -s "$ECG_TUNE_NAME" me'
    assert run(["submit", "study", "--detach", "--trials", "3", "--on-end", command]) == 0
    assert sent[0][sent[0].index("--on-end") + 1] == command
    assert run(["submit", "study", "--detach", "--on-end", "https://"]) == 2
    assert "--on-end 'https://' is no address" in capsys.readouterr().err
    assert len(sent) == 1
