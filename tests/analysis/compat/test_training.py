"""Networks of the factories are trained with the settings of a `Config`, and their files are loaded by name or alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from analysis.compat import (
    Config,
    create_bigru,
    create_cnn1d,
    create_fusion,
    create_resnet,
    evaluate_all_models,
    get_test_loader,
    load_model,
    main,
    make_ensemble,
    train_model,
)
from ecg_tune.config import ImageConfig, TrainingConfig
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData, read_ledger
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.models import EncoderClassifier
from ecg_tune.training.model_file import load_saved


@pytest.fixture
def config(few_data: PreparedData, tmp_path: Path) -> Config:
    return Config(data_dir=few_data.folder, save_dir=tmp_path, NUM_EPOCHS=2, BATCH_SIZE=16, device="cpu")


def test_a_network_is_trained_from_its_weights_with_the_classic_settings(config: Config, few_data: PreparedData) -> None:
    torch.manual_seed(3)
    network = create_bigru(hidden_size=8, num_layers=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    config.LEARNING_RATE = 1e-8
    history = train_model(network, config)
    assert [row["epoch"] for row in history] == [1, 2]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=1e-5, rtol=0, msg="such a learning rate moves nothing")
    saved = load_saved(config.SAVE_DIR / "RNNModel_best.pth")
    assert saved.config.training == TrainingConfig(max_epochs=2, batch_size=16, learning_rate=1e-8) == config.training
    assert (saved.config.model, saved.history, saved.data["fingerprint"]) == (network.config, history, few_data.fingerprint)
    for name, value in saved.state.items():
        assert torch.equal(value, network.state_dict()[name]), "the network ends with the weights of the file"


def test_a_model_file_is_loaded_alone_or_by_its_name(config: Config) -> None:
    config.LEARNING_RATE = 0.01
    train_model(network := create_cnn1d(filters=4, depth=1), config, name="Mine")
    path = config.SAVE_DIR / "Mine_best.pth"
    (alone, kind), (named, same_kind) = load_model(path), load_model("Mine", str(path), config)
    assert kind == same_kind == "signal"
    signal = torch.randn(2, 250, 3)
    assert torch.equal(alone(signal), named(signal))
    assert torch.equal(alone.state_dict()["model.head.1.weight"], network.state_dict()["head.1.weight"])
    with pytest.raises(DataError, match="holds the model 'Mine', but 'ResNet' was asked for"):
        load_model("ResNet", path, config)
    with pytest.raises(DataError, match="does not exist"):
        load_model(config.SAVE_DIR / "no.pth")


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (create_resnet(layers=[1], width=4, stem="small"), "ResNet"),
        (create_fusion(hidden_size=4, signal={"hidden_size": 4}, image={"layers": [1], "width": 4}), "JointFusion"),
    ],
)
def test_networks_on_images_are_trained_too(network: EncoderClassifier, name: str, config: Config) -> None:
    config.NUM_EPOCHS = 1
    train_model(network, config, image=ImageConfig(size=32))
    saved = load_saved(config.SAVE_DIR / f"{name}_best.pth")
    assert (saved.name, saved.config.image) == (name, ImageConfig(size=32))


def test_settings_are_given_as_a_class_too(few_data: PreparedData, tmp_path: Path) -> None:
    shutil.copytree(few_data.folder, tmp_path / "data")  # its test split is opened

    class Settings(Config):
        DATA_DIR, SAVE_DIR = str(tmp_path / "data"), str(tmp_path / "models")  # type: ignore[assignment]  # as scripts write them
        NUM_EPOCHS, BATCH_SIZE = 1, 16

    train_model(create_cnn1d(filters=4, depth=1), Settings)
    load_model("CNN1D", tmp_path / "models" / "CNN1D_best.pth", Settings)
    assert make_ensemble(Settings) is None, "there is one training only"
    assert list(evaluate_all_models(Settings)) == ["CNN1D"]
    assert len(next(iter(get_test_loader("signal", Settings)))) == 2
    with pytest.raises(ConfigError, match=r"config must be a Config, but got dict: give Config\(\) or a subclass"):
        main({"NUM_EPOCHS": 1})  # type: ignore[arg-type]


def test_without_save_best_no_file_is_written(config: Config) -> None:
    config.SAVE_BEST, config.NUM_EPOCHS = False, 1
    train_model(create_cnn1d(filters=4, depth=1), config)
    assert list(config.SAVE_DIR.iterdir()) == []


def test_what_can_not_be_trained_is_refused(config: Config, few_data: PreparedData, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be made by a factory, e.g. create_bigru\(\), but is a Linear"):
        train_model(torch.nn.Linear(3, 5), config)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="which have 3 leads I,II,V2 and 5 classes NORM,MI,STTC,CD,HYP: make it with these"):
        train_model(create_cnn1d(filters=4, depth=1, n_inputs=12), config)
    with pytest.raises(ConfigError, match="name must be letters"):
        train_model(create_cnn1d(filters=4, depth=1), config, name="../elsewhere")
    export_tree(few_data, tmp_path / "tree", images=())
    config.DATA_DIR = tmp_path / "tree"
    message = "tree holds plain files: check and read them with `ecg-tune data import .*tree DATA`, and give data_dir='DATA'"
    with pytest.raises(DataError, match=message):
        train_model(create_cnn1d(filters=4, depth=1), config)
    with pytest.raises(DataError, match=message):
        get_test_loader("signal", config)
    with pytest.raises(DataError, match=message):
        main(config)
    assert read_ledger(few_data) == []
