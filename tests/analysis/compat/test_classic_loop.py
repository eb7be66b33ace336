"""`train_model` with a script's own loaders, loss, optimiser and schedule."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

from analysis.compat import (
    Config,
    create_bigru,
    create_cnn1d,
    create_fusion,
    create_fusion_dataloader,
    create_image_dataloader,
    create_resnet,
    create_signal_dataloader,
    evaluate_all_models,
    get_test_loader,
    load_model,
    train_model,
)
from ecg_tune.config import ImageConfig, TrialConfig
from ecg_tune.data.exchange.layout import DATASET
from ecg_tune.data.exchange.writer import export_tree
from ecg_tune.data.prepared.dataset import PreparedData, read_ledger
from ecg_tune.errors import ConfigError, DataError, NonFiniteLossError, SealedTestError
from ecg_tune.metrics import f1_thresholds, macro_auc
from ecg_tune.models import EncoderClassifier
from ecg_tune.training.model_file import load_saved

BCE = nn.BCEWithLogitsLoss()


@pytest.fixture
def config(few_data: PreparedData, tmp_path: Path) -> Config:
    return Config(data_dir=few_data.folder, save_dir=tmp_path / "models", NUM_EPOCHS=2, device="cpu")


@pytest.fixture(scope="module")
def small_tree(few_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data as an exchange tree with images of 32 pixels, without the test split."""
    folder = tmp_path_factory.mktemp("tree") / "data"
    export_tree(few_data, folder, image_size=32, batch_size=16)
    return folder


def loaders(config: Config, **options: Any) -> tuple[Any, Any]:
    train = create_signal_dataloader(config.TRAIN_SIGNAL_PATH, config.TRAIN_LABEL_PATH, batch_size=16, **options)
    return train, create_signal_dataloader(config.VAL_SIGNAL_PATH, config.VAL_LABEL_PATH, batch_size=16, shuffle=False)


def small_network(**keywords: Any) -> EncoderClassifier:
    return create_cnn1d(**{"filters": 4, "depth": 1, "dropout": 0.0, **keywords})


def sgd(network: nn.Module, rate: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD(network.parameters(), lr=rate)


def foreign_loaders(n_records: int = 24) -> tuple[Any, Any]:
    rng = torch.Generator().manual_seed(0)
    signals, labels = torch.randn(n_records, 250, 3, generator=rng), torch.randint(0, 2, (n_records, 5), generator=rng)
    return DataLoader(TensorDataset(signals, labels), batch_size=8, shuffle=True), DataLoader(TensorDataset(signals, labels), batch_size=8)


def test_a_classic_call_does_just_what_a_loop_of_ones_own_does(config: Config) -> None:
    network = small_network()
    twin = copy.deepcopy(network)
    train, validation = loaders(config)
    optimizer = sgd(network)
    history = train_model(network, train, validation, BCE, optimizer, StepLR(optimizer, 1, gamma=0.5), config)
    train, validation = loaders(config)
    expected, states, optimizer = [], [], sgd(twin)
    for epoch in range(2):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.5**epoch
        losses, aucs = [], []
        twin.train()
        for signal, labels in train:
            optimizer.zero_grad()
            loss = BCE(twin(signal), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(labels))
        twin.eval()
        with torch.no_grad():
            (signal, labels), *_ = validation
            logits = twin(signal)
            aucs = [macro_auc(labels.numpy(), logits.sigmoid().numpy())]
        expected.append([sum(losses) / 40, float(BCE(logits, labels)), *aucs, 0.1 * 0.5**epoch, 16])
        states.append(copy.deepcopy(twin.state_dict()))
    columns = ("train_loss", "validation_loss", "macro_auc", "learning_rate", "micro_batch")
    assert [[row[name] for name in columns] for row in history] == [pytest.approx(row, abs=1e-6) for row in expected]
    assert [row["ended_by"] for row in history] == [None, "max_epochs"]
    best = max(range(2), key=lambda epoch: history[epoch]["macro_auc"])
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, states[best][name], msg="it ends with the weights of the best epoch")


def test_the_model_file_describes_itself_and_predicts_what_the_network_does(config: Config, few_data: PreparedData, tmp_path: Path) -> None:
    shutil.copytree(few_data.folder, tmp_path / "data")  # its test split is opened
    config.DATA_DIR = tmp_path / "data"
    network = small_network()
    train, validation = loaders(config, seed=3)
    history = train_model(network, train, validation, BCE, sgd(network), None, config, name="Mine")
    path = config.SAVE_DIR / "Mine_best.pth"
    saved, (loaded, kind) = load_saved(path), load_model("Mine", path, config)
    assert (saved.config.model, saved.config.training.gradient_clip, saved.history) == (network.config, 0, history)
    assert saved.data["trained_with"] == "BCEWithLogitsLoss, SGD"
    assert {name: saved.data[name] for name in ("leads", "sampling_rate_hz", "fingerprint", "n_records")} == {
        **{"leads": ["I", "II", "V2"], "sampling_rate_hz": 100},
        **{"fingerprint": few_data.fingerprint, "n_records": {"train": 40, "validation": 16}},
    }
    assert saved.validation_macro_auc == max(row["macro_auc"] for row in history)
    (signal, labels), *_ = validation
    with torch.no_grad():
        assert torch.equal(loaded(signal), network(signal)), "both take millivolts"
        probabilities = network(signal).double().sigmoid().numpy()
    assert saved.thresholds["f1"] == pytest.approx(f1_thresholds(labels.numpy(), probabilities).tolist())
    assert kind == "signal"
    assert evaluate_all_models(config)["Mine"].validation_macro_auc == saved.validation_macro_auc


def test_loaders_of_an_exported_tree_give_a_model_of_the_data_that_were_exported(config: Config, small_tree: Path) -> None:
    prepared, config.DATA_DIR = config.DATA_DIR, small_tree
    network = create_bigru(8, 1)
    train_model(network, *loaders(config), BCE, sgd(network), None, config)
    saved = load_saved(config.SAVE_DIR / "RNNModel_best.pth").data
    config.DATA_DIR = prepared
    train_model(network, *loaders(config), BCE, sgd(network), None, config)
    assert load_saved(config.SAVE_DIR / "RNNModel_best.pth").data == saved


def test_a_network_on_images_makes_the_images_of_its_loaders_from_the_signal(config: Config, small_tree: Path) -> None:
    network, other = create_resnet(layers=[1], width=4, stem="small"), small_network()
    tree = Config(data_dir=small_tree)
    train, validation = (
        create_image_dataloader(image, labels, transform_type="mtf", batch_size=16, shuffle=False)
        for image, labels in ((tree.TRAIN_IMAGE_PATH, tree.TRAIN_LABEL_PATH), (tree.VAL_IMAGE_PATH, tree.VAL_LABEL_PATH))
    )
    config.NUM_EPOCHS = 1
    train_model(network, train, validation, BCE, sgd(network, 0.01), None, config)
    loaded, _ = load_model(config.SAVE_DIR / "ResNet_best.pth")
    assert load_saved(config.SAVE_DIR / "ResNet_best.pth").config.image == ImageConfig(kind="mtf", size=32)
    (image, _), *_ = validation
    (signal, _), *_ = loaders(config)[1]
    with torch.no_grad():
        torch.testing.assert_close(loaded(signal), network(image), atol=1e-4, rtol=1e-3)
    with pytest.raises(ConfigError, match=r"a batch of \(16, 3, 32, 32\), labels \(16, 5\) \(.*\)"):
        train_model(other, train, validation, BCE, sgd(other), None, Config(SAVE_BEST=False, device="cpu"))


def test_a_fusion_takes_signals_and_images_of_its_loaders(config: Config, small_tree: Path) -> None:
    tree, encoders = Config(data_dir=small_tree), {"signal": {"hidden_size": 4}, "image": {"layers": [1], "width": 4}}
    network = create_fusion(hidden_size=4, **encoders)
    given = [
        create_fusion_dataloader(*paths, batch_size=16, shuffle=False)
        for paths in (
            (tree.TRAIN_SIGNAL_PATH, tree.TRAIN_IMAGE_PATH, tree.TRAIN_LABEL_PATH),
            (tree.VAL_SIGNAL_PATH, tree.VAL_IMAGE_PATH, tree.VAL_LABEL_PATH),
        )
    ]
    config.NUM_EPOCHS = 1
    train_model(network, *given, BCE, sgd(network, 0.01), None, config)
    loaded, kind = load_model(config.SAVE_DIR / "JointFusion_best.pth")
    (inputs, _), *_ = given[1]
    with torch.no_grad():
        torch.testing.assert_close(loaded(inputs[0]), network(*inputs), atol=1e-4, rtol=1e-3)
    assert kind == "fusion"


def test_patience_counts_with_any_schedule_and_plateau_gets_the_validation_loss(config: Config) -> None:
    network, still = create_cnn1d(filters=4, depth=1), 1e-30
    config.PATIENCE, config.NUM_EPOCHS = 3, 50
    optimizer = sgd(network, still)
    for value in network.modules():
        if isinstance(value, nn.BatchNorm1d):
            value.momentum = 0.0  # nothing changes, so that the validation loss stays
    plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=0, eps=0)
    history = train_model(network, *loaders(config), criterion=BCE, optimizer=optimizer, scheduler=plateau, config=config)
    assert [row["ended_by"] for row in history] == [None, None, None, "patience"]
    assert [row["learning_rate"] for row in history] == [still, still, still / 2, still / 4]


def test_the_seed_is_that_of_dropout_and_other_random_numbers_stay(config: Config) -> None:
    config.SAVE_BEST, losses = False, []
    network = small_network(dropout=0.5)
    before = torch.get_rng_state()
    for seed in (1, 1, 2):
        own = copy.deepcopy(network)
        losses.append(train_model(own, *loaders(config), BCE, sgd(own), None, config, seed=seed)[0]["train_loss"])
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_loaders_that_do_not_say_what_they_hold_train_without_a_model_file_if_that_is_said(config: Config) -> None:
    own = nn.Sequential(nn.Flatten(), nn.Linear(750, 5))
    train, validation = foreign_loaders()
    with pytest.raises(ConfigError, match=r"train_loader is a DataLoader, which does not say the leads and rate .* set SAVE_BEST = False"):
        train_model(own, train, validation, BCE, sgd(own), None, config)
    with pytest.raises(ConfigError, match=r"but is a Sequential: .* own modules are trained with loaders and SAVE_BEST = False"):
        train_model(own, *loaders(config), BCE, sgd(own), None, config)
    config.SAVE_BEST = False
    assert [row["epoch"] for row in train_model(own, train, validation, BCE, sgd(own), None, config)] == [1, 2]
    pairs = [((torch.randn(8, 250, 3), torch.randn(8, 3, 32, 32)), torch.eye(5).repeat(2, 1)[:8])]
    fusion = create_fusion(hidden_size=4, signal={"hidden_size": 4}, image={"layers": [1], "width": 4})
    config.NUM_EPOCHS = 1
    for batches in (pairs, [(*inputs, labels) for inputs, labels in pairs]):
        assert len(train_model(fusion, batches, batches, BCE, sgd(fusion, 0.01), None, config)) == 1
    assert not config.SAVE_DIR.exists()


def test_loaders_of_other_splits_or_data_write_no_model_file(config: Config, small_tree: Path, tmp_path: Path) -> None:
    network, (train, validation) = small_network(), loaders(config)
    with pytest.raises(ConfigError, match=r"train_loader must be of the train split, but .*validation/signals.npy is not: make both"):
        train_model(network, validation, validation, BCE, sgd(network), None, config)
    with pytest.raises(ConfigError, match=r"val_loader must be of the validation split, but .*train/signals.npy is not"):
        train_model(network, train, train, BCE, sgd(network), None, config)
    with pytest.raises(ConfigError, match=r"the loaders are of several data sets, .* and .*: make both"):
        train_model(network, train, loaders(Config(data_dir=small_tree))[1], BCE, sgd(network), None, config)
    shutil.copytree(small_tree, tmp_path / "tree")
    facts = json.loads((tmp_path / "tree" / DATASET).read_text())
    config.DATA_DIR = tmp_path / "tree"
    (config.DATA_DIR / DATASET).write_text(json.dumps({**facts, "class_names": ["A", "B"]}))
    with pytest.raises(DataError, match=r"y_train.npy has 5 columns, but the classes are A,B"):
        train_model(network, *loaders(config), BCE, sgd(network), None, config)
    (config.DATA_DIR / DATASET).unlink()
    with pytest.raises(DataError, match=r"has no dataset.json with leads, rate and fingerprint: read it with `ecg-tune data import"):
        train_model(network, *loaders(config), BCE, sgd(network), None, config)
    assert not config.SAVE_DIR.exists()


def test_the_test_split_neither_trains_nor_validates(config: Config, few_data: PreparedData, tmp_path: Path) -> None:
    shutil.copytree(few_data.folder, tmp_path / "data")
    config.DATA_DIR, config.SAVE_BEST, network = tmp_path / "data", False, small_network()
    test, (train, _) = get_test_loader("signal", config), loaders(config)
    with pytest.raises(SealedTestError, match="val_loader is of the test split, which neither trains nor chooses a model"):
        train_model(network, train, test, BCE, sgd(network), None, config)
    with pytest.raises(SealedTestError, match="train_loader is of the test split"):
        train_model(network, test, train, BCE, sgd(network), None, config)
    assert read_ledger(few_data) == []


def test_what_is_no_classic_call_is_refused_in_one_line(config: Config) -> None:
    network, (train, validation) = small_network(), loaders(config)
    remedy = (
        r": call train_model\(model, config\), or train_model\(model, train_loader, val_loader, criterion, optimizer, scheduler, config\)"
    )
    for arguments, message in (
        ((train,), "val_loader is missing"),
        ((train, validation, nn.BCEWithLogitsLoss, sgd(network)), "criterion must not be the class BCEWithLogitsLoss"),
        ((train, validation, BCE, config), "optimizer must not be a Config"),
        ((train, validation, BCE, sgd(network), config), "scheduler must not be a Config"),
        (({"NUM_EPOCHS": 1},), "train_loader must not be a dict"),
        ((config, validation, BCE), "train_model got val_loader, criterion, but no train_loader"),
        ((config, None, None, None, None, config), "train_model got a second config, but no train_loader"),
    ):
        with pytest.raises(ConfigError, match=message + remedy):
            train_model(network, *arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"the optimizer has no parameter of the model: make it of model.parameters\(\)"):
        train_model(network, train, validation, BCE, sgd(small_network()), None, config)
    with pytest.raises(ConfigError, match="image goes without loaders, which make their own images"):
        train_model(network, train, validation, BCE, sgd(network), None, config, image=ImageConfig())
    config.PATIENCE = 0
    with pytest.raises(ConfigError, match="patience must be 1"):
        train_model(network, train, validation, BCE, sgd(network), None, config)


def test_unusable_batches_and_losses_are_refused_in_one_line(config: Config) -> None:
    network, (train, validation) = small_network(), loaders(config)
    wide = small_network(n_inputs=12)
    with pytest.raises(ConfigError, match="which have 3 leads I,II,V2 and 5 classes NORM,MI,STTC,CD,HYP: make it with these n_inputs"):
        train_model(wide, train, validation, BCE, sgd(wide), None, config)
    config.SAVE_BEST = False
    with pytest.raises(ConfigError, match=r"network and criterion do not take a batch of \(16, 250, 3\), labels \(16, 5\) \(.+\)$"):
        train_model(wide, train, validation, BCE, sgd(wide), None, config)
    with pytest.raises(ConfigError, match="criterion must give the mean loss of a batch, but gives 80 numbers: take reduction='mean'"):
        train_model(network, train, validation, nn.BCEWithLogitsLoss(reduction="none"), sgd(network), None, config)
    signal = torch.zeros(2, 250, 3)
    for batches, message in (
        ([], "val_loader gave no batch"),
        ([signal], r"val_loader gives a Tensor: batches must be \(signal, labels\)"),
        ([(signal, torch.full((2, 5), 0.5))], r"labels must be 0 or 1, \(2, 5\) as the network's outputs"),
    ):
        with pytest.raises(DataError, match=message):
            train_model(network, train, batches, BCE, sgd(network), None, config)
    with pytest.raises(DataError, match="train_loader gave no batch: give a loader with records, which can be iterated in every epoch"):
        train_model(network, iter(train), validation, BCE, sgd(network), None, config)
    with pytest.raises(NonFiniteLossError, match="training loss is nan in epoch 1"):
        train_model(network, train, validation, lambda logits, labels: BCE(logits, labels) * torch.nan, sgd(network), None, config)


def test_a_file_of_the_short_form_names_its_settings_alone(config: Config) -> None:
    train_model(model := small_network(), config=config)
    saved = load_saved(config.SAVE_DIR / "CNN1D_best.pth")
    assert saved.config == TrialConfig("cnn1d", model.config, config.training)
    assert "trained_with" not in saved.data
