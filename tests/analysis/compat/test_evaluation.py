"""Models that a script names by their files are evaluated, and the reports find what a classic call leaves out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.compat import (
    Config,
    ECGMetrics,
    evaluate_all_models,
    evaluate_model,
    generate_best_model_analysis,
    generate_best_model_table,
    generate_per_class_tables,
    generate_visualizations,
    get_test_loader,
    load_model,
    make_ensemble,
    save_summary_report,
)
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared, read_ledger
from ecg_tune.errors import ConfigError, DataError
from ecg_tune.training.model_file import SavedModel, save_model

Maker = Callable[..., SavedModel]


@pytest.fixture
def config(few_data: PreparedData, toy_model: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    shutil.copytree(few_data.folder, tmp_path / "data")  # its test split is opened
    for name, validation in (("RNNModel", 0.8), ("CNN1D", 0.9)):
        save_model(tmp_path / "checkpoints" / f"{name}_best.pth", toy_model(few_data, name, validation=validation))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Config, "DEVICE", "cpu")
    return Config()


def test_models_are_named_by_their_files_and_keep_their_order(config: Config) -> None:
    every = evaluate_all_models(config)
    assert list(every) == ["CNN1D", "RNNModel"], "the best on validation first"
    files = {"second": "checkpoints/RNNModel_best.pth", "first": Path("checkpoints/CNN1D_best.pth")}
    named = evaluate_all_models(files, config)
    assert list(named) == ["second", "first"]
    for one, other in (("second", "RNNModel"), ("first", "CNN1D")):
        np.testing.assert_equal(dict(named[one]), dict(every[other]))
        assert named[one].validation_macro_auc == every[other].validation_macro_auc
    assert list(evaluate_all_models(files)) == ["second", "first"], "without a config it is Config()"
    assert len(read_ledger(open_prepared(config.DATA_DIR))) == 3, "each call opens the test split once"
    metrics = ECGMetrics(threshold=0.3)
    for results in (
        evaluate_all_models(config, metrics),
        evaluate_all_models(files, config, metrics),
        evaluate_all_models(metrics=metrics),
    ):
        assert {tuple(result.thresholds) for result in results.values()} == {(0.3,) * 5}


@pytest.mark.usefixtures("all_join")
def test_an_ensemble_is_named_by_its_file_too(config: Config) -> None:
    path = make_ensemble(config)
    assert path is not None
    results = evaluate_all_models({"both": path, "one": "checkpoints/CNN1D_best.pth"}, config)
    assert [result.fitted_on_validation for result in results.values()] == [True, False]
    np.testing.assert_equal(dict(results["both"]), dict(evaluate_all_models(config)["Ensemble"]))


def test_what_is_no_model_is_refused_before_the_test_split_is_opened(config: Config) -> None:
    with pytest.raises(DataError, match=r"checkpoints/No_best.pth does not exist: name a model file, e.g. checkpoints/CNN1D_best.pth"):
        evaluate_all_models({"No": "checkpoints/No_best.pth"}, config)
    with pytest.raises(ConfigError, match=r"models must be \{name: model file\}, but 'CNN1D' is a tuple: give its path"):
        evaluate_all_models({"CNN1D": load_model("checkpoints/CNN1D_best.pth")}, config)  # type: ignore[dict-item]
    with pytest.raises(DataError, match=r"there is no model to evaluate: give \{name: model file\} with one or more"):
        evaluate_all_models({}, config)
    with pytest.raises(ConfigError, match=r"config must be a Config, but got str: give Config\(\) or a subclass"):
        evaluate_all_models("checkpoints", config)  # type: ignore[arg-type]
    assert read_ledger(open_prepared(config.DATA_DIR)) == []


def test_reports_find_the_best_model_and_the_settings_that_a_call_leaves_out(config: Config) -> None:
    results = evaluate_all_models(config)
    assert "BEST MODEL: CNN1D" in save_summary_report(results).read_text()
    assert {path.parts[0] for path in generate_best_model_analysis(results)} == {"results"}
    assert save_summary_report(results, output_dir="elsewhere") == Path("elsewhere/EVALUATION_SUMMARY.txt")
    assert "BEST MODEL: RNNModel" in save_summary_report(results, "RNNModel").read_text()
    with pytest.raises(
        ConfigError, match=r"best must be a model of the results, CNN1D, RNNModel, but got 'out': give a folder as output_dir="
    ):
        save_summary_report(results, "out")
    model, kind = load_model("checkpoints/CNN1D_best.pth")
    alone = {"CNN1D": evaluate_model(model, get_test_loader(kind, config), kind, ECGMetrics(), "cpu")}
    with pytest.raises(
        DataError, match="do not say how good the models are on validation: give best=…, or evaluate by evaluate_all_models"
    ):
        generate_best_model_analysis(alone)
    assert "BEST MODEL: CNN1D" in save_summary_report(alone, "CNN1D").read_text()


def test_tables_and_figures_have_the_classes_of_the_results(tmp_path: Path) -> None:
    metrics = ECGMetrics(("A", "B")).calculate_metrics([[1, 0], [0, 1]], [[0.9, 0.2], [0.4, 0.7]])  # type: ignore[arg-type]
    results = {"one": metrics, "two": metrics}
    assert list(generate_per_class_tables(results)["f1_score"].columns) == ["Model", "A", "B"]
    assert generate_best_model_table(results, "one")["Class"].tolist()[:2] == ["A", "B"]
    assert len(generate_visualizations(results, tmp_path)) == 5
    with pytest.raises(ConfigError, match="unknown model 'three': "):
        generate_best_model_table(results, "three")
