"""Families of installed packages: found, used, refused with the package's name, and never in the way of other families."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from ecg_tune.cli.main import run
from ecg_tune.config import to_dict
from ecg_tune.errors import ConfigError
from ecg_tune.models import MODELS, PluginError, check_family, trial_config
from ecg_tune.models.plugins import family_of_package, installed
from search_spaces import SPACES, SpaceContext, in_order, resolve, search_space
from tests.plugins.package import TWO, WORKING, write_package
from trainables import TRAINABLES, LearnerTrainable, classes_of

HEAD = "from ecg_tune.models import CNN1DConfig, Family, create_cnn1d\n"
GOOD = "FAMILY = Family('Alien', 'signal', CNN1DConfig, create_cnn1d, space='alien:SPACE')\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a package on the path; it is gone again after the test."""
    added: list[str] = []

    def put(*, module: str = "alien", **content):
        folder = write_package(tmp_path / f"site{len(added)}", module=module, **content)
        monkeypatch.syspath_prepend(str(folder))
        added.append(module)
        _forget()

    _forget()
    yield put
    for module in added:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for cached in (installed, family_of_package, SPACES.of_package):
        cached.cache_clear()  # type: ignore[attr-defined]


def test_a_packages_families_come_after_the_built_in_ones_and_have_their_own_space_and_trainable(install):
    install(module="two_families", families=TWO, code=WORKING)
    for registry in (MODELS, SPACES, TRAINABLES):
        assert list(registry) == [*registry.built_in, "alpha", "beta"]
        assert registry.refusals() == []
    assert {name: found.__name__ for name, found in classes_of(("rnn", "beta")).items()} == {
        "rnn": "LearnerTrainable",
        "beta": "BetaTrainable",
    }
    config = resolve("alpha", SPACES["alpha"].defaults["small"], SpaceContext("small", 2))
    assert trial_config(to_dict(config)) == config


def test_all_means_the_built_in_families_and_others_are_named_beside_it(install):
    install(module="two_families", families=TWO, code=WORKING)
    assert in_order(("all",)) == tuple(SPACES.built_in)
    assert in_order(("beta", "all")) == (*SPACES.built_in, "beta")
    assert in_order(("beta", "rnn", "alpha")) == ("rnn", "alpha", "beta")
    assert [params["family"] for params in search_space(("beta", "rnn"), SpaceContext("small", 2)).defaults] == ["rnn", "beta"]


def test_the_models_command_says_where_a_family_comes_from(install, capsys):
    install(module="two_families", families=TWO, code=WORKING, package="two-families")
    assert run(["models", "--profile", "small"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "two-families 1.2" in lines["alpha"]
    assert "ecg-tune  " in lines["rnn"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("FAMILY = 7\n", "alien:FAMILY must be an ecg_tune.models.Family, but is a int"),
        (HEAD, "has no attribute 'FAMILY'"),
        (HEAD + GOOD.replace("'signal'", "'fusion'"), "inputs must be 'signal' or 'image', but got 'fusion'"),
        (HEAD + GOOD.replace("CNN1DConfig,", "dict,"), "config must be a subclass of ModelConfig"),
        (HEAD + GOOD.replace("'alien:SPACE'", "''"), "space is missing"),
        (HEAD + GOOD.replace("'alien:SPACE'", "'alien'"), "expected \"module:NAME\", but got 'alien'"),
        (HEAD + GOOD, "module 'alien' has no attribute 'SPACE'"),
        (HEAD + "SPACE = 1\n" + GOOD, "alien:SPACE must be a search_spaces.Space, but is a int"),
        (HEAD + "from search_spaces.rnn import SPACE\n" + GOOD, "must suggest configs of 'alien' with a CNN1DConfig, but suggests 'rnn'"),
        (HEAD + GOOD.replace("create_cnn1d", "lambda config, n_inputs, n_classes: 5"), "create must return an ecg_tune.models.Encoder"),
        (HEAD + GOOD.replace("create_cnn1d", "None"), "create is missing"),
    ],
)
def test_a_package_that_breaks_the_contract_is_refused_in_one_line_that_names_it(install, capsys, code, reason):
    install(families={"alien": "alien:FAMILY"}, code=code, package="some-package")
    (line,) = SPACES.refusals()
    assert line.startswith("family 'alien' of some-package 1.2 can't be used: ")
    assert reason in line
    assert line.endswith("repair or uninstall that package")
    assert "\n" not in line
    with pytest.raises(PluginError, match="some-package"):
        in_order(("alien",))
    assert "alien" not in list(SPACES)
    assert in_order(("rnn",)) == ("rnn",)
    assert run(["models", "--profile", "small"]) == 0
    assert capsys.readouterr().err == f"ecg-tune: {line}\n"


def test_a_fusion_suggests_the_encoders_of_the_searchs_packages_that_can_be_suggested_alone(install):
    install(module="two_families", families=TWO, code=WORKING)
    for families, usable in ((("fusion", "alpha", "beta"), {"alpha"}), (("fusion", "rnn"), set())):
        space = search_space(families, SpaceContext("small", 2))
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(100):
            study.enqueue_trial({"family": "fusion"})
            trial = study.ask()
            config = trial_config(space.suggest(trial).config)
            assert trial.params["fusion.signal_family"] == config.model.signal_family
            if config.model.signal_family == "alpha":
                assert config.model.signal.filters == trial.params["fusion.alpha.filters"]
        (choices,) = {trial.distributions["fusion.signal_family"].choices for trial in study.get_trials()}
        assert set(choices) - set(SPACES.built_in) == usable


def test_an_encoder_that_a_search_does_not_name_is_refused_with_what_makes_it_one(install):
    install(module="two_families", families=TWO, code=WORKING)
    rules = {"fusion.signal_family": ["alpha"]}
    with pytest.raises(ConfigError, match=r"fusion.signal_family must be one of rnn, .*, but got 'alpha': .* when --families names it"):
        search_space(("fusion", "rnn"), SpaceContext("small", 2, rules))
    search_space(("fusion", "alpha"), SpaceContext("small", 2, rules))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("lambda trial, prefix, context: Config(filters=16)", "suggest_model must give the network of suggest, Config(filters=4"),
        ("lambda trial, prefix, context: suggest_model(trial, 'alpha', context)", "'alpha.filters' is not found"),
        ("lambda trial: 0", "TypeError: "),
    ],
)
def test_a_space_that_suggests_no_network_alone_is_refused(install, function, reason):
    code = WORKING.replace("suggest_model=suggest_model", f"suggest_model={function}")
    install(module="two_families", families=TWO, code=code)
    (line,) = SPACES.refusals()
    assert line.startswith("family 'alpha' of two_families 1.2 can't be used: ")
    assert reason in line


def test_a_trainable_that_is_none_is_refused_when_it_is_needed(install):
    space = "from search_spaces.cnn1d import SPACE\n"
    install(families={"alien": "alien:FAMILY"}, code=HEAD + space + GOOD.replace("SPACE'", "SPACE', trainable='json:loads'"))
    with pytest.raises(PluginError, match=r"family 'alien' of alien 1\.2 can't be used: json:loads must be a subclass"):
        classes_of(("rnn", "alien"))
    assert classes_of(("rnn",)) == {"rnn": LearnerTrainable}


def test_a_package_cannot_take_the_name_of_a_built_in_family(install):
    install(families={"rnn": "alien:FAMILY"}, code="raise RuntimeError('never imported')\n", package="thief")
    assert MODELS["rnn"].name == "RNNModel"
    assert SPACES.refusals() == ["family 'rnn' of thief 1.2 takes the name of a built-in family: rename its entry point"]


@pytest.mark.parametrize("name", ["all", "family", "Tiny", "tiny-tcn"])
def test_a_name_that_could_be_taken_for_another_is_refused(install, name):
    install(families={name: "alien:FAMILY"}, code=HEAD + GOOD)
    assert "an entry point's name must be lower-case letters, digits and _" in MODELS.refusals()[0]


def test_two_packages_with_one_family_are_both_refused_by_name(install):
    install(module="two_families", families=TWO, code=WORKING)
    install(families={"beta": "alien:FAMILY"}, code=HEAD + GOOD)
    (line,) = MODELS.refusals()
    assert "two_families 1.2" in line
    assert "alien 1.2" in line
    assert "only one package may bring a family" in line
    assert "alpha" in MODELS


def test_a_family_that_is_not_installed_is_unknown_and_the_message_says_so():
    with pytest.raises(ConfigError, match=r"unknown family 'tiny_tnc': .*install its package here"):
        check_family("tiny_tnc")


@pytest.mark.slow
def test_a_family_is_found_without_optuna_and_ray(tmp_path: Path):
    """Model files of a package's family are opened where only torch and numpy are."""
    write_package(tmp_path, module="alien", families={"alien": "alien:FAMILY"}, code=HEAD + GOOD)
    code = "import sys; from ecg_tune.models import MODELS; MODELS['alien']; print([n for n in ('optuna', 'ray') if n in sys.modules])"
    path = f"{tmp_path}:{':'.join(path for path in sys.path if path)}"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
