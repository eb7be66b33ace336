"""The HTML report, the model card, the TRIPOD+AI checklist, and that an independent script agrees with their numbers. MADE-UP data."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from analysis.evaluation.errors.error_analysis import DRAWN, OVERLAP, WORST
from analysis.evaluation.errors.error_overlap import CLASSES
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.explanations.model_explanations import EXPLANATIONS
from analysis.evaluation.provenance import figure_note, provenance_lines
from analysis.evaluation.report.elements import Cell, Element, Paragraph, ReportSection, Table
from analysis.evaluation.report.figures import read_figure
from analysis.evaluation.report.header import report_header
from analysis.evaluation.report.model_card import model_card
from analysis.evaluation.report.page import PACKAGE
from analysis.evaluation.report.paired_text import MOST_PAIRS
from analysis.evaluation.report.sections.data import data_section
from analysis.evaluation.report.sections.error_analysis import error_section
from analysis.evaluation.report.sections.explanations import explanations_section
from analysis.evaluation.report.sections.model_selection import selection_section
from analysis.evaluation.report.sections.paired_comparisons import paired_section
from analysis.evaluation.report.sections.performance import models_section
from analysis.evaluation.report.sections.subgroups import subgroup_section
from analysis.evaluation.report.text_reports import summary_text
from analysis.evaluation.report.tripod import AUTHOR, ITEMS, tripod_text
from analysis.evaluation.result import PAIRED, SUBGROUPS, EvaluationResult
from analysis.evaluation.tables import with_provenance
from analysis.retraining.race import Racer
from analysis.templating import render
from ecg_tune.data.prepared.dataset import PreparedData, open_prepared
from ecg_tune.data.prepared.ledger import LEDGER
from ecg_tune.study.race_result import raced_in, scatter_by_family
from ecg_tune.training.model_file import SavedModel, save_model

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "recompute.py"
MAIN_ITEMS = {str(i) for i in range(1, 28)}


@pytest.fixture(scope="module")
def recompute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recompute", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(toy_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("data") / "data"
    return open_prepared(Path(shutil.copytree(toy_data.folder, folder, ignore=shutil.ignore_patterns(LEDGER))))


@pytest.fixture(scope="module")
def result(data: PreparedData, toy_model: Callable[..., SavedModel], tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    root = tmp_path_factory.mktemp("report")
    for i, name in enumerate(("RNNModel", "CNN1D")):
        save_model(root / "models" / f"{name}_best.pth", toy_model(data, name, validation=0.8 + i / 10))
    return evaluate(root / "models", data, root / "out", study="<b>study & co</b>", n_bootstrap=150)


@pytest.fixture(scope="module")
def page(result: EvaluationResult) -> str:
    return (result.out / "report.html").read_text(encoding="utf-8")


def html_of(element: Element) -> str:
    return render(PACKAGE, "section.html", number=1, section=ReportSection("key", "Title", (element,)))


def test_the_page_needs_no_network_and_no_script(page: str) -> None:
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="(data:image/png;base64,|data:,|#|[a-z]+:)', page)) == {"data:image/png;base64,", "data:,", "#"}
    assert "default-src 'none'" in page


def test_what_comes_in_as_text_is_escaped(page: str) -> None:
    assert "<b>study" not in page
    assert "&lt;b&gt;study &amp; co&lt;/b&gt;" in page
    assert "&lt;i&gt;" in html_of(Table("t", ["<i>"], [[Cell("1", "<i>")]], caption=""))


def test_a_race_and_the_scatter_of_seeds_stand_beside_the_choice(result: EvaluationResult, data: PreparedData) -> None:
    won, lost = (Racer(trial, 0.91, values, len(values), "cnn1d") for trial, values in ((7, (0.88, 0.90)), (3, (0.80,))))
    race = tuple(raced_in({"race": [won.as_row(), lost.as_row()]}))
    raced = dataclasses.replace(result, race=race, race_winner=result.best, scatter=tuple(scatter_by_family(race)))
    html = "".join(map(html_of, selection_section(raced).elements))
    assert '<td class="n">0.8900<small>[0.7629, 1.0171]</small></td>' in html
    assert "+0.0200" in html
    assert "0.0141" in html
    tile = report_header(raced).tiles[0]
    choice = "race of 2 trials over seeds (validation macro AUC 0.8900 [0.7629, 1.0171] over 2 seeds; the search said 0.9100)"
    assert (tile.value, tile.more) == (raced.best, f"chosen by the {choice}")
    text = summary_text(
        raced.metrics, raced.rankings, raced.provenance, best=raced.best, choice=raced.choice, race=race, scatter=raced.scatter
    )
    assert f"chosen by the {choice}, never by a test result" in " ".join(text.split())
    assert f"- Chosen by the {choice}, never by a test result\n" in model_card(raced, data.manifest)
    assert "- Chosen by the highest validation macro AUC, never by a test result\n" in model_card(result, data.manifest)
    lost = dataclasses.replace(raced, race_winner="")
    assert "Its winner is not among the models of this report." in "".join(map(html_of, selection_section(lost).elements))
    assert report_header(lost).tiles[0].more.startswith("highest validation macro AUC, ")
    first, *others = raced.rankings
    better = dataclasses.replace(others[0], validation_macro_auc=0.99)
    assert f"though {better.name} has 0.9900 over the seeds" in dataclasses.replace(raced, rankings=(first, better)).choice
    assert "1. trial 7 cnn1d: validation macro AUC 0.8900 [0.7629, 1.0171] over 2 seeds; the search said 0.9100" in text
    assert "cnn1d: sd over seeds 0.0141" in text


def test_every_line_of_the_contents_leads_to_a_section_and_every_figure_is_there(page: str, result: EvaluationResult) -> None:
    anchors = re.findall(r'<li><a href="#([a-z]+)">', page)
    assert anchors == re.findall(r'<section id="([a-z]+)">', page)
    assert {"data", "choice", "models", "paired", "calibration", "mistakes", "explanations", "limits", "files"} <= set(anchors)
    drawn = {path.name for path in (result.out / "visualizations").glob("*.png")}
    assert set(re.findall(r"<figcaption><b>([^<]+)</b>", page)) == drawn
    assert page.count("data:image/png;base64,") == len(drawn)


def test_the_page_says_what_its_numbers_rest_on(page: str, result: EvaluationResult) -> None:
    facts = [
        "SYNTHETIC DATA",
        "this test split has been opened 1 time,",
        result.provenance.fingerprint,
        "official, patient-disjoint",
        "toy",
    ]
    facts += ["40 records of", "fewer than 1000: too few to publish", "Not a medical device", "By statement: not available", "illustrative"]
    for fact in facts:
        assert fact in page, fact


def test_an_independent_script_finds_the_same_numbers_in_csv_text_and_page(result: EvaluationResult, recompute: ModuleType) -> None:
    assert recompute.complaints(result.out) == []


def test_the_first_figure_stands_above_the_sections_and_the_contents_are_folded(result: EvaluationResult) -> None:
    page = (result.out / "report.html").read_text(encoding="utf-8")
    head = page.partition("</header>")[0]
    assert head.count("<img") == 1
    assert "06_model_comparison_bars.png" in head
    assert "<details><summary>Contents</summary>" in head


def test_that_script_notices_a_changed_number_wherever_it_stands(result: EvaluationResult, recompute: ModuleType, tmp_path: Path) -> None:
    for name, check in (("04_per_class_auc_roc_comparison.csv", "csv"), ("EVALUATION_SUMMARY.txt", "text"), ("report.html", "page")):
        out = Path(shutil.copytree(result.out, tmp_path / check, ignore=shutil.ignore_patterns("visualizations")))
        number = (
            f"{result.metrics['CNN1D']['MI']['auc_roc']:.4f}"
            if check == "csv"
            else f"{result.metrics['CNN1D']['macro_avg']['f1_score']:.{3 if check == 'page' else 4}f}"
        )
        text = (out / name).read_text(encoding="utf-8")
        assert number in text
        (out / name).write_text(text.replace(number, "0.0123"), encoding="utf-8")
        assert getattr(recompute, f"{check}_complaints")(out), name


def test_the_model_card_holds_the_numbers_of_the_tables(result: EvaluationResult) -> None:
    text = (result.out / "MODEL_CARD.md").read_text(encoding="utf-8")
    row = pd.read_csv(result.out / "01_macro_comparison.csv", index_col="Model").loc["CNN1D"]
    assert f"{row['AUC-ROC']:.4f} [{row['AUC-ROC_lo']:.4f}, {row['AUC-ROC_hi']:.4f}]" in text
    for words in (
        "# Model card: CNN1D",
        "SYNTHETIC DATA",
        "## Intended use",
        "Not for diagnosis",
        "## Limits",
        "## Licence",
        "opened 1 time",
    ):
        assert words in text, words


def test_the_checklist_has_every_item_and_points_only_to_what_is_there(page: str, result: EvaluationResult) -> None:
    assert len(ITEMS) == 52
    assert {item.number.rstrip("abcdefg") for item in ITEMS} == MAIN_ITEMS
    titles = {re.sub(r"^\d+\. ", "", title) for title in re.findall(r"<h2>(\d+\. [^<]+)</h2>", page)}
    for item in ITEMS:
        for pointer in re.findall(r"report\.html, ((?:Data, split and seal)|[^;:]+)", item.where):
            for title in pointer.split(" to "):
                assert title in titles, item
    text = (result.out / "TRIPOD_AI.md").read_text(encoding="utf-8")
    assert text.count("\n| ") == 53
    assert pd.read_csv(result.out / "TRIPOD_AI.csv")["Author"].sum() == sum(AUTHOR in item.where for item in ITEMS)


def test_a_figure_that_was_not_drawn_leaves_a_line(tmp_path: Path) -> None:
    assert "x.png: not drawn" in html_of(read_figure(tmp_path / "x.png", caption="c"))


def tables_of(section: ReportSection) -> dict[str, Table]:
    return {element.name: element for element in section.elements if isinstance(element, Table)}


def texts_of(section: ReportSection) -> str:
    return "\n".join(element.text for element in section.elements if isinstance(element, Paragraph))


def with_table(result: EvaluationResult, name: str, table: pd.DataFrame) -> EvaluationResult:
    return dataclasses.replace(result, tables=result.tables | {name: table})


def test_of_many_pairs_only_those_with_the_chosen_model_are_shown(result: EvaluationResult) -> None:
    pairs = result.tables[PAIRED]
    others = [pairs.assign(Model_A=f"model {i}", Model_B="another") for i in range(MOST_PAIRS)]
    section = paired_section(with_table(result, PAIRED, pd.concat([pairs, *others])))
    for table in tables_of(section).values():
        assert table.rows
        assert all(result.best in row[0] for row in table.rows)
    assert f"shown are those with {result.best}" in texts_of(section)


def test_one_model_has_no_pairs_and_the_report_says_so(result: EvaluationResult) -> None:
    section = paired_section(with_table(result, PAIRED, result.tables[PAIRED].iloc[:0]))
    assert texts_of(section) == "None: one model was evaluated."
    overlap = result.tables[OVERLAP]
    one_model = with_table(result, OVERLAP, overlap[overlap["Between"] == CLASSES])
    section = error_section(with_table(one_model, WORST, result.tables[WORST].assign(**{DRAWN: ""})))
    assert f"{OVERLAP}_models" not in tables_of(section)
    assert "Between models: one model was evaluated." in texts_of(section)


def test_a_group_that_is_too_small_shows_the_reason_instead_of_a_number(result: EvaluationResult) -> None:
    groups = result.tables[SUBGROUPS].assign(Suppressed="under 30 records")
    table = tables_of(subgroup_section(with_table(result, SUBGROUPS, groups)))[SUBGROUPS]
    assert {(row[4], row[5]) for row in table.rows} == {(Cell("", "under 30 records"), "")}


def test_without_explanations_there_is_one_line(result: EvaluationResult) -> None:
    section = explanations_section(with_table(result, EXPLANATIONS, result.tables[EXPLANATIONS].iloc[:0]))
    assert section.elements == (Paragraph("Explanations: none: neither a signal model nor an image model was evaluated.", "empty"),)


def test_real_data_carry_no_warning_of_synthetic_ones_but_name_their_licence(result: EvaluationResult, data: PreparedData) -> None:
    real = dataclasses.replace(result, provenance=dataclasses.replace(result.provenance, synthetic=False))
    assert report_header(result).warning
    assert not report_header(real).warning
    card = model_card(real, {**data.manifest, "labels": "superclass"})
    assert "SYNTHETIC" not in card
    assert "Creative Commons Attribution 4.0" in card
    assert "those of PTB-XL are cardiologists' statements" in card
    card = model_card(real, data.manifest)
    assert "recordings not read from a PTB-XL download" in card
    assert "CC BY" not in card
    assert "- The labels are taken as given: how they were made is not checked here.\n" in card
    assert "cardiologists" not in card
    assert "public data" not in card
    assert "SYNTHETIC" not in tripod_text(real.provenance)


def test_two_means_over_other_classes_and_a_fallback_threshold_are_told_apart(result: EvaluationResult, data: PreparedData) -> None:
    table, card = result.tables[SUBGROUPS], model_card(result, data.manifest)
    overall = table[(table["Attribute"] == "all") & (table["Class"] == "macro_avg")].iloc[0]
    assert re.search(rf"\| all: all records \|.* \| {re.escape(overall['Classes'])} \|\n", card)
    assert "the mean over the classes named beside it, those with 10 positives and 10 negatives or more in the group" in card
    assert f"over {(n := result.rankings[0].n_seeds)} seed{'s' * (n != 1)}" in card
    few = dataclasses.replace(result, provenance=dataclasses.replace(result.provenance, untuned=("MI", "HYP")))
    caption = tables_of(models_section(few))["01_macro_comparison_at_sensitivity_target"].caption
    assert caption.endswith("it may fall short. 2 of 5 classes have 0.5 instead, with fewer than 10 validation records.")


def test_the_model_card_states_the_length_of_a_record_and_images_once(result: EvaluationResult, data: PreparedData) -> None:
    assert "- Input: 2.5 s ECG in millivolts, leads I, II, V2 at 100 Hz" in model_card(result, data.manifest)
    images = dataclasses.replace(result.provenance, leads=(), images=(3, 32), synthetic=False)
    card = model_card(dataclasses.replace(result, provenance=images), data.manifest)
    assert "- Input: stored images of 3 x 32 x 32, made elsewhere; how they are made from an ECG is not known here\n" in card
    assert "images not read from a PTB-XL download" in card


def test_nothing_speaks_of_patients_who_are_unknown(result: EvaluationResult, data: PreparedData) -> None:
    provenance = dataclasses.replace(result.provenance, patients_known=False)
    unknown = dataclasses.replace(result, provenance=provenance)
    card, lines = model_card(unknown, data.manifest), " ".join(" ".join(provenance_lines(provenance)).split())
    section = data_section(unknown, data.manifest)
    page = "".join(html_of(element) for element in section.elements)
    for text in (card, lines, page, figure_note(provenance), str(report_header(unknown))):
        assert f"{provenance.n_patients} patients" not in text
        assert "patient-disjoint" not in text
        assert "patients unknown" in text
    assert "Patients are unknown, so each record counts as one" in card
    assert "bootstrap of records, since patients are unknown" in lines
    assert {row[2] for row in tables_of(section)["splits"].rows} == {"unknown"}
    assert set(with_provenance(result.tables[SUBGROUPS], provenance)["Patients"]) == {"unknown"}
