"""Words of a command line that nobody would think of: each command does its work, or refuses it in one short line; none hangs.

See `fuzzing.py` for how many are tried.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from ecg_tune.cli.main import app
from ecg_tune.config import TrainingConfig, TrialConfig
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import open_prepared
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.models import CNN1DConfig
from ecg_tune.training.fit import saved_model, train_model
from ecg_tune.training.model_file import save_model
from tests.commands import ecg_tune
from tests.faults.fuzzing import fuzzed
from tests.faults.test_settings import commands_of
from tests.faults.test_study import study_of_two_trials

pytestmark = pytest.mark.slow
OPTIONS = dict(commands_of(get_command(app)))
SMALL = "--families cnn1d --profile small --trials 3 --max-epochs 2"
LINES = [
    "data synthesize new --records 3",
    "data download new --base-url http://127.0.0.1:1/",
    "data prepare ptbxl new --split official",
    "data export data new --images none",
    "data import tree new",
    "data describe data",
    "train cnn1d --data data --profile small --max-epochs 1 --out new",
    f"preview new --data data --simulations 1 {SMALL}",
    f"search new --data data {SMALL} --address 127.0.0.1:1",
    "search study --address 127.0.0.1:1",
    f"submit new --data data {SMALL} --address http://127.0.0.1:1",
    "status study",
    "dashboard study --out new.html",
    "enqueue study text.txt",
    "discard study 1",
    "note study 1 words",
    "retrain study --data nowhere --top 1 --seeds 1",
    "evaluate models --data nowhere --out new",
    "compare new new",
    "predict model.pth signal.csv --rate 100 --device cpu",
    "export-onnx model.pth new.pt --format torchscript",
    "doctor --address 127.0.0.1:1",
    "pull study --address http://127.0.0.1:1 --out new",
    "templates new",
]
"""Commands that do their work in a moment, or would if somebody answered."""
KEPT = {
    "--serve",
    "--measure",
    "--help",
    "--base-url",
    "--address",
    "--on-end",
    "--records",
    "--profile",
    "--bootstrap",
    "--simulations",
    "--backend",
}
"""Options that are not drawn: they serve, run a command, or make it last."""
NUMBERS = st.sampled_from(
    ["0", "1", "2", "3", "10", "0.5", "100", "-1", "1e-300", "1e999", "nan", "inf", "x", "", "9" * 30, "٣", "0x2", "1_0"]
)
PLACES = st.sampled_from([
    "study", "data", "ptbxl", "tree", "models", "model.pth", "signal.csv", "text.txt", "nowhere", "new", "new/er", ".", "",
    "a\tb", "é", "-", "~",
    "~nobody/x", "a" * 300, "study/study.db", "data/manifest.json", "s3://", "s3://b/p", "/dev/null/x", "/dev/null",
])  # fmt: skip
WORDS = st.sampled_from([
    "cnn1d", "rnn", "fusion", "all", "small", "auto", "none", "asha", "tpe", "nsga2", "I,II,V2", "12", "I,I", "a,,b", ",",
    "gasf", "gaf", "mtf",
    "test", "train", "train+validation", "official", "onnx", "torchscript", "cuda:99", "meta", "cpu", "cnn1d=2", "cnn1d=",
    "=", "true", "mV", "f1",
    "macro_auc", "parameters", "superclass", "subclass", "drop", "keep", "record", "s3://b/p", "postgresql://a@127.0.0.1:1/b",
]) | st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=12)  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Give a command that works one to three more options, and put another word in the place of one."""
    line = draw(st.sampled_from(LINES)).split()
    n_words = 2 if line[0] == "data" else 1
    options = [option for option in OPTIONS[tuple(line[:n_words])] if option.param_type_name == "option" and option.opts[-1] not in KEPT]
    for option in draw(st.lists(st.sampled_from(options), max_size=3)) if options else ():
        kind = option.bare_type()
        values = NUMBERS if kind in ("int", "float") else PLACES if "Path" in kind else WORDS | PLACES | NUMBERS
        line += [max(option.opts, key=len), *([] if kind == "bool" else [draw(values)])]
    if draw(st.booleans()):
        at = draw(st.integers(n_words, len(line)))
        line[at : at + 1] = [draw(PLACES | WORDS | NUMBERS)]
    return line


@pytest.fixture(scope="module")
def place(few_data, tmp_path_factory) -> Path:
    """Return a folder of data, a study, a model, a recording and a text, in which the commands are given."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(few_data.folder, folder / "data")
    synthesize(folder / "ptbxl", n_records=12, seed=1)
    export_tree(open_prepared(folder / "data"), folder / "tree", images=())
    config = TrialConfig("cnn1d", CNN1DConfig(filters=4, depth=1), TrainingConfig(max_epochs=1, crop_s=1.0))
    data = open_prepared(folder / "data")
    save_model(folder / "model.pth", saved_model(train_model(config, data, seed=0), data, name="CNN1D"))
    (folder / "models").mkdir()
    shutil.copy(folder / "model.pth", folder / "models" / "CNN1D_best.pth")
    study_of_two_trials(folder / "study", data)
    (folder / "signal.csv").write_text("\n".join(["I,II,V2", *["0.1,0.2,0.3", "0.2,0.1,-0.3"] * 500]))
    (folder / "text.txt").write_text("text\n")
    return folder


@pytest.fixture(autouse=True)
def nobody_answers(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(place))


@fuzzed
@given(line=command_lines())
def test_command_lines(line, place):
    said = ecg_tune(*line)
    for new in place.glob("new*"):
        shutil.rmtree(new) if new.is_dir() else new.unlink()
    assert said.code in (0, 1, 2), said
    if said.code:
        assert len(said.err.splitlines()[-1]) <= 640, said.err
        assert "Traceback" not in said.err


SCHEMES = st.sampled_from(
    ["", "http://", "https://", "ray://", "s3://", "postgresql://", "sqlite:///", "file://", "://", "//", "HTTP://", "http:/"]
)
HOSTS = st.sampled_from([
    "127.0.0.1", "localhost", "[::1]", "[::1", "::1", "", "0", "a b", "nowhere.invalid", "a..b", "-a", "a" * 300,
    "é.invalid", "\u2028", "x\0y",
    "127.1", "0x7f.1", "user@127.0.0.1", "user:secret@127.0.0.1", "%31", "*",
])  # fmt: skip
PORTS = st.sampled_from(
    ["", ":", ":1", ":0", ":-1", ":65536", ":99999999999999999999", ":²", ":x", ":1:1", ":+1", ": 1", ":1/", ":1/a?b#c", ":1/../x", "/"]
)
ADDRESSES = st.tuples(SCHEMES, HOSTS, PORTS, st.text(max_size=3)).map("".join) | st.text(max_size=30)
TAKERS = [
    "search new --data data --families cnn1d --profile small --address {}",
    "search new --data data --families cnn1d --profile small --address 127.0.0.1:1 --storage {}",
    "search new --data data --families cnn1d --profile small --address 127.0.0.1:1 --checkpoints {}",
    "search new --data data --families cnn1d --profile small --address 127.0.0.1:1 --mlflow {}",
    "search new --data {} --families cnn1d --profile small --address 127.0.0.1:1",
    "submit new --data data --families cnn1d --address {}",
    "pull study --address {}",
    "status study --address {}",
    "status study --storage {}",
    "doctor --address {}",
    "evaluate study --data {}",
    "data describe {}",
]


@fuzzed
@given(taker=st.sampled_from(TAKERS), address=ADDRESSES)
def test_addresses(taker, address, place, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", _no_names(socket.getaddrinfo))
    said = ecg_tune(*(address if word == "{}" else word for word in taker.split()))
    assert said.code in (0, 1, 2), said
    assert said.code == 0 or len(said.err.splitlines()[-1]) <= 640, said.err
    assert not (place / "new").exists(), "refused means untouched"
    assert "secret" not in said.err or "--storage" not in taker


def _no_names(ask):
    """Answer for this machine only: a name server elsewhere would be asked for every made-up name."""

    def answer(host, *more, **options):
        if host in ("127.0.0.1", "localhost", "::1", None):
            return ask(host, *more, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    return answer
