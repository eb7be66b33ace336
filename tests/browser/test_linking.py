"""A trial chosen anywhere is marked everywhere; the filter; keys. In a real browser, from disk, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from analysis.dashboard.dashboard import write_dashboard
from ecg_tune.study.study import Study

from .pages import EVIL, Opened, made_up, needs_browser

pytestmark = [pytest.mark.browser, needs_browser]

HISTORY, CURVES, SLICE, TIMELINE = "history-0-0", "curves-0-0", "slices-0-0", "timeline-0-0"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dashboard(Study(made_up()), tmp_path_factory.mktemp("page") / "dashboard.html")


@pytest.fixture(scope="module")
def only_page(chromium: Any, page_file: Path) -> Opened:
    return Opened(chromium, page_file)


@pytest.fixture
def opened(only_page: Opened) -> Opened:
    """Return the page with nothing chosen, nothing filtered, at its top."""
    page = only_page.page
    page.keyboard.press("Escape")
    if page.locator("#reset").is_visible():
        page.locator("#reset").click()
    page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    only_page.drawn()
    return only_page


def click_point(opened: Opened, key: str, number: int) -> None:
    """Click where a figure draws a trial."""
    plot = opened.page.locator(f"[data-figure={key}]")
    plot.scroll_into_view_if_needed()
    place = opened.figure(
        key,
        f"""(() => {{ const box = plot.getBoundingClientRect();
          const has = c => c[0] === {number}, trace = plot.data.find(t => t.customdata?.some(has)), i = trace.customdata.findIndex(has);
          const {{ xaxis, yaxis, yaxis2 }} = plot._fullLayout, vertical = trace.yaxis === "y2" ? yaxis2 : yaxis;
          return [box.left + xaxis._offset + xaxis.d2p(trace.x[i]), box.top + vertical._offset + vertical.d2p(trace.y[i])]; }})()""",
    )
    opened.page.mouse.move(*place)
    plot.locator(".hoverlayer .hovertext").first.wait_for()  # plotly's click is on what is hovered, as a reader sees it before pressing
    opened.page.mouse.click(*place)
    opened.drawn()


def test_a_trial_clicked_in_one_figure_is_marked_in_the_others_and_opens_its_card(opened: Opened) -> None:
    click_point(opened, HISTORY, 4)
    card, trial = opened.page.locator("#card"), made_up().trials[4]
    assert opened.page.url.endswith("#trial-4")
    assert opened.marked(HISTORY) == [4]
    assert opened.marked(CURVES) == list(trial.intermediate_values)
    assert opened.marked(SLICE) == [pytest.approx(trial.params["rnn.learning_rate"], rel=1e-4)]
    assert len(opened.marked(TIMELINE)) == 1
    parallel = opened.figure("parallel-0-0", "[plot.data[0].customdata.at(-1)[0], plot.data[0].line.color.at(-1)]")
    assert parallel == [4, 1]
    assert opened.page.locator("tr[aria-current=true]").get_attribute("data-trial") == "4"
    for fact in ("Trial 4", "complete", f"{trial.value:.4f}", "toy:1", "NORM", "0.900"):
        assert fact in card.inner_text(), fact
    assert yaml.safe_load(card.locator("#card-params pre").inner_text()) == trial.params
    assert yaml.safe_load(card.locator("#card-config pre").inner_text()) == trial.user_attrs["config"]
    assert opened.figure(HISTORY, "plot.clientWidth") == opened.figure(HISTORY, "plot._fullLayout.width") < 900
    opened.page.keyboard.press("Escape")
    opened.drawn()
    assert not card.is_visible()
    assert "#" not in opened.page.url
    assert opened.marked(HISTORY) == []
    assert opened.complaints == []


def test_the_card_of_a_failed_trial_shows_what_it_said(browser: Any, tmp_path: Path) -> None:
    page = write_dashboard(Study(made_up(EVIL, family=f"rnn{EVIL}")), tmp_path / "evil.html")
    opened = Opened(browser, Path(page))
    opened.page.evaluate("location.hash = '#trial-5'")
    opened.page.wait_for_selector("#card", state="visible")
    card = opened.page.locator("#card").inner_text()
    assert "Failure: oom" in card
    assert card.count(EVIL) >= 2
    assert opened.complaints == []


def test_a_link_to_a_trial_opens_its_card_and_one_to_none_says_so(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file)
    opened.page.goto(f"{page_file.as_uri()}#trial-3")
    opened.page.reload()
    opened.drawn()
    assert opened.page.locator("#card h2").first.inner_text() == "Trial 3"
    assert opened.marked(HISTORY) == [3]
    opened.page.evaluate("location.hash = '#trial-999'")
    opened.page.wait_for_selector("#card", state="hidden")
    assert opened.page.locator("#said").inner_text() == "There is no trial 999."


def test_everything_works_from_the_keyboard(opened: Opened) -> None:
    page = opened.page
    focusable = page.evaluate("[...document.querySelectorAll('button, input, a, summary, [tabindex=\"0\"]')][0].className")
    assert focusable == "skip"
    page.locator("[data-figure=history-0-0]").focus()
    for key, number in (("ArrowRight", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 23)):
        page.keyboard.press(key)
        opened.drawn()
        assert page.url.endswith(f"#trial-{number}"), key
    assert page.evaluate("document.activeElement.dataset.figure") == HISTORY
    assert "trial 23" in page.locator("#said").inner_text()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "card-name"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.figure") == HISTORY
    row = page.locator("table.best tr[data-trial] a").first
    row.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "card-name"
    assert page.locator("#card-name").inner_text() == f"Trial {made_up().best_trial.number}"
    page.locator("#go").fill("7")
    page.keyboard.press("Enter")
    assert page.locator("#card-name").inner_text() == "Trial 7"
    names = page.evaluate("""[...document.querySelectorAll('button, input, a, summary, .plot')].filter(e => e.offsetParent)
      .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)""")
    assert names == []


def test_the_filter_acts_on_the_figures_and_says_how_many_trials_are_shown(opened: Opened) -> None:
    page, study = opened.page, made_up()
    count = page.locator("#count")
    assert count.inner_text() == "Showing all 24 trials."
    page.locator("#families button", has_text="resnet1d").click()
    page.locator("#states button", has_text="complete").first.click()
    opened.drawn()
    left = {t.number for t in study.trials if t.number % 2 and t.state == TrialState.COMPLETE}
    assert count.inner_text() == f"Showing {len(left)} of 24 trials."
    numbers = "[...new Set(plot.data.filter(t => t.customdata).flatMap(t => t.customdata.map(c => c[0])))].filter(n => n !== null)"
    assert left <= set(opened.figure(HISTORY, numbers)) <= left | {1}  # the default config's line
    assert set(opened.figure(TIMELINE, numbers)) == left
    assert {int(row.get_attribute("data-trial")) for row in page.locator("table.best tr[data-trial]:visible").all()} <= left
    assert page.locator("#slices [role=tab][aria-selected=true]").inner_text() == "resnet1d"
    assert page.locator("#rungs .whole:not(.none)").first.is_visible()
    assert page.locator("#curves .whole.none").first.is_visible()
    page.locator("#reset").click()
    page.locator("#least").fill("4")
    opened.drawn()
    assert count.inner_text() == f"Showing {sum(t.user_attrs['epochs'] >= 4 for t in study.trials)} of 24 trials."
    page.locator("#reset").click()
    opened.drawn()
    assert count.inner_text() == "Showing all 24 trials."
    assert len(opened.figure(HISTORY, numbers)) == 24
    assert opened.complaints == []


def test_every_figure_has_a_text_and_its_data_as_a_table(opened: Opened) -> None:
    labels = opened.page.evaluate("[...document.querySelectorAll('.plot')].map(p => p.getAttribute('aria-label'))")
    assert all(len(label) > 20 for label in labels)
    assert any("alidation macro AUC against trial number" in label for label in labels)
    opened.page.locator("#history details.data summary").click()
    table = opened.page.locator("#history details.data table")
    assert table.locator("thead").inner_text().strip().split("\t") == [
        "Family",
        "Trial",
        "State",
        "validation macro AUC",
        "Best epoch",
        "Epochs",
    ]
    assert table.locator("tbody tr").count() == 24  # trials, and not the ends of guiding lines
    assert table.locator("tbody").inner_text().count("complete") == sum(t.state == TrialState.COMPLETE for t in made_up().trials)


def test_a_table_names_what_an_axis_without_a_title_shows_and_holds_the_values_and_not_where_they_were_drawn(opened: Opened) -> None:
    assert table_of(opened, "importances")[0] == ["Parameter", "Share of importance"]
    lanes = table_of(opened, "timeline")
    assert lanes[0] == ["Lane", "Trial", "Family", "State", "Start", "Lasted", "Epochs"]
    assert any(line[:2] == ["toy:0", "0"] for line in lanes[1:]), lanes[:3]
    rank = table_of(opened, "rank")
    assert rank[0][-2:] == ["validation macro AUC", "Rank"]
    assert sorted(float(line[-1]) for line in rank[1:])[0] == 1.0


def table_of(opened: Opened, section: str) -> list[list[str]]:
    """Return the lines of the first table of a section's open tab, its heads first."""
    details = opened.page.locator(f"#{section} .panel:visible details.data").first
    details.locator("summary").click()
    cells = "one => [...one.querySelectorAll('tr')].map(row => [...row.children].map(cell => cell.innerText))"
    lines: list[list[str]] = details.evaluate(cells)
    details.locator("summary").click()
    return lines


def test_the_theme_that_was_asked_for_is_kept(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file, color_scheme="light")
    ink = "document.querySelector('[data-figure=history-0-0]')._fullLayout.font.color"
    for message, color in (("light", "#24292f"), ("dark", "#dde2e8")):
        opened.page.locator("#theme").click()
        opened.drawn()
        assert opened.page.locator("#theme").inner_text() == f"Theme: {message}"
        assert opened.page.evaluate(ink) == color
    opened.page.reload()
    opened.drawn()
    assert opened.page.evaluate(ink) == "#dde2e8"
    assert opened.complaints == []


def several(n: int, *states: TrialState, objectives: int = 1) -> optuna.Study:
    """Return a study of trials that ended so, the first of them made up as usual."""
    study = optuna.create_study(directions=["maximize", *["minimize"] * (objectives - 1)])
    study.set_user_attr("metric", "macro_auc")
    if objectives > 1:
        study.set_user_attr("minimise", ["parameters"])
    for number, trial in enumerate(made_up(n_trials=24).trials[:n]):
        trial.state = states[number % len(states)]
        done = trial.state == TrialState.COMPLETE
        trial.values = [0.6 + number / 100, *[1000.0 - number] * (objectives - 1)] if done else None
        if not trial.state.is_finished():
            trial.datetime_complete = None
        study.add_trial(trial)
    return study


def of_one_parameter(n: int) -> optuna.Study:
    """Return a study of complete trials in which one parameter was searched."""
    study = optuna.create_study(direction="maximize")
    for number in range(n):
        known = {"params": {"rnn.dropout": number / n}, "distributions": {"rnn.dropout": FloatDistribution(0, 1)}}
        facts = {"user_attrs": {"family": "rnn"}, "intermediate_values": {1: 0.6}}
        study.add_trial(optuna.trial.create_trial(value=0.6 + number / 100, **known, **facts))
    return study


@pytest.mark.parametrize(
    "study",
    [
        several(1, TrialState.COMPLETE),
        several(8, TrialState.FAIL),
        several(8, TrialState.PRUNED),
        several(8, TrialState.RUNNING, TrialState.COMPLETE),
        several(8, TrialState.COMPLETE, TrialState.PRUNED, objectives=2),
        of_one_parameter(8),
    ],
    ids=["one trial", "all failed", "all pruned", "mid-run", "two objectives", "one parameter"],
)
def test_a_trial_of_any_study_can_be_chosen_without_complaint(browser: Any, study: optuna.Study, tmp_path: Path) -> None:
    opened = Opened(browser, write_dashboard(Study(study), tmp_path / "dashboard.html"))
    opened.page.locator("#go").fill("0")
    opened.page.keyboard.press("Enter")
    opened.drawn()
    assert opened.page.locator("#card-name").inner_text() == "Trial 0"
    assert opened.undrawn() == []
    assert opened.complaints == []


@pytest.mark.parametrize("by", ["number", "keys"])
def test_what_one_looks_at_stays_where_it_is_when_a_trial_of_another_family_is_chosen(opened: Opened, by: str) -> None:
    page = opened.page
    page.set_viewport_size({"width": 1280, "height": 720})
    timeline = page.locator(f"[data-figure={TIMELINE}]")
    timeline.evaluate("one => one.scrollIntoView({ block: 'center' })")
    opened.drawn()
    before = timeline.evaluate("one => one.getBoundingClientRect().top")
    for number in (0, 1, 2):
        if by == "number":
            page.locator("#go").fill(str(number))
            page.locator("#go").press("Enter")
        else:
            timeline.evaluate("one => one.focus({ preventScroll: true })")
            page.keyboard.press("ArrowRight")
        opened.drawn()
        page.wait_for_timeout(100)  # the browser's own correction would come in the next frames
        assert page.locator("#card-name").inner_text() == f"Trial {number}"
        assert abs(timeline.evaluate("one => one.getBoundingClientRect().top") - before) < 2, number
    page.set_viewport_size({"width": 1280, "height": 900})
    assert opened.complaints == []


def test_keys_are_promised_where_there_are_trials_to_go_through(opened: Opened) -> None:
    counts, trials = opened.page.locator("[data-figure=rungs-0-0]"), opened.page.locator(f"[data-figure={TIMELINE}]")
    assert (counts.get_attribute("role"), counts.get_attribute("tabindex")) == ("img", None)
    assert (trials.get_attribute("role"), trials.get_attribute("tabindex")) == ("application", "0")


def test_the_same_number_opens_its_card_again(opened: Opened) -> None:
    field, card = opened.page.locator("#go"), opened.page.locator("#card")
    field.fill("3")
    for _ in range(2):
        field.press("Enter")
        assert card.is_visible()
        opened.page.keyboard.press("Escape")
        assert not card.is_visible()
        field.focus()


def test_a_chosen_default_config_is_marked_once_in_the_history(opened: Opened) -> None:
    opened.page.locator("#go").fill("0")
    opened.page.locator("#go").press("Enter")
    opened.drawn()
    marks = opened.figure(HISTORY, "plot.data.filter(one => one.name === 'chosen').map(one => one.x.length)")
    assert marks == [1]


def test_a_table_that_the_filter_empties_says_so_and_the_legend_names_what_is_left(opened: Opened) -> None:
    opened.page.locator("#states button", has_text="stopped early").click()
    opened.drawn()
    assert "No trial here passes the filter." in opened.page.locator("#best").inner_text()
    entries = "plot.data.filter(one => one.legendgroup && one.x.length && !one.guide && one.showlegend).map(one => one.name)"
    named = opened.figure(HISTORY, entries)
    stopped = {str(t.user_attrs["family"]) for t in made_up().trials if t.state == TrialState.PRUNED}
    assert sorted(named) == sorted(stopped)
    opened.page.locator("#families button").first.click()
    opened.page.locator("#least").fill("2")
    family = opened.page.locator("#families button").first.get_attribute("value")
    assert opened.page.locator("#by").text_content() == f"{family}; stopped early; 2 epochs or more"  # on paper
    opened.page.locator("#go").fill(str(next(t.number for t in made_up().trials if t.state == TrialState.COMPLETE)))
    opened.page.locator("#go").press("Enter")
    assert "hides this trial" in opened.page.locator("#card-facts").inner_text()
    opened.page.locator("#least").fill("2.5")
    assert opened.page.locator("#least").get_attribute("aria-invalid") is not None
    opened.page.locator("#reset").click()
    assert opened.page.locator("#least").get_attribute("aria-invalid") is None
    assert "hides this trial" not in opened.page.locator("#card-facts").inner_text()
