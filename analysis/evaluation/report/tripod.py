"""The TRIPOD+AI checklist (Collins et al., BMJ 385, e078378, 2024): where the report answers an item, and what the author must add.

Item numbers, topics and whom an item concerns are those of the publication; the descriptions are short ones of our own. Read the
publication when you fill it in. Compared item by item, in November 2026, with two public transcriptions of the article's checklist, one
made, as they say, from its PubMed Central copy (PMC11019967, CC BY 4.0), one from its supplement, which agree; not with the
publisher's own page.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.evaluation.provenance import Provenance
from analysis.templating import render_text

TRIPOD, TRIPOD_CSV = "TRIPOD_AI.md", "TRIPOD_AI"
AUTHOR = "the author must fill in"
DATA, CHOICE = "report.html, Data, split and seal", "report.html, How it was chosen"
DEVELOPMENT = frozenset({"9a", "12a", "12b", "12c", "15", "22", "27a", "27b"})
EVALUATION = frozenset({"12f", "12g", "20c", "24"})
PROBABILITIES, SUBGROUPS = "report.html, Thresholds and calibration", "report.html, Subgroups"


class Item(NamedTuple):
    """One item of the checklist.

    Attributes:
        number: As in the publication, e.g. "12a".
        topic: Its heading there.
        asks: What it asks for, in our words.
        where: The section of `report.html` or the file that has it; `AUTHOR` when only the author can know, both when a part is there.
    """

    number: str
    topic: str
    asks: str
    where: str

    @property
    def stage(self) -> str:
        """Tell what the item concerns: "D" development, "E" evaluation, "D;E" both."""
        return "D" if self.number in DEVELOPMENT else "E" if self.number in EVALUATION else "D;E"


def _in_part(where: str) -> str:
    return f"{where}; the rest {AUTHOR}"


ITEMS = (
    Item("1", "Title", "a model developed or evaluated, for whom, what it predicts", AUTHOR),
    Item("2", "Abstract", "structured summary (TRIPOD+AI for abstracts)", AUTHOR),
    Item("3a", "Background", "clinical context, diagnostic or prognostic, why a model, earlier ones", AUTHOR),
    Item("3b", "Background", "for whom and where in care it is meant, who uses it", _in_part("MODEL_CARD.md, Intended use")),
    Item("3c", "Background", "known inequalities between groups", AUTHOR),
    Item("4", "Objectives", "development, evaluation or both", _in_part(f"{CHOICE}: both, on one data set")),
    Item("5a", "Data", "sources of training and evaluation data, why these, how representative", _in_part(DATA)),
    Item("5b", "Data", "dates of collection", AUTHOR),
    Item("6a", "Participants", "setting, number and place of centres", AUTHOR),
    Item("6b", "Participants", "who was eligible", _in_part(f"{DATA}: exclusions")),
    Item("6c", "Participants", "treatments and how they were handled", AUTHOR),
    Item("7", "Data preparation", "cleaning, quality checks, alike across groups", f"{DATA}; docs/guides/data.md"),
    Item("8a", "Outcome", "what is predicted and when, how assessed, why this, alike across groups", _in_part(f"{DATA}: label rule")),
    Item("8b", "Outcome", "assessors where judgement is needed: qualification, demographics", AUTHOR),
    Item("8c", "Outcome", "blinding of the assessment", AUTHOR),
    Item("9a", "Predictors", "why these inputs, what was left out beforehand", AUTHOR),
    Item("9b", "Predictors", "the inputs, how and when they are measured, blinding", f"{DATA}: input; MODEL_CARD.md, Model"),
    Item(
        "9c",
        "Predictors",
        "assessors where judgement is needed: qualification, demographics",
        "not applicable: nobody assesses the input, a recorded signal or an image made of one",
    ),
    Item("10", "Sample size", "how the sizes came about and whether they are enough", _in_part(f"{DATA}: splits")),
    Item(
        "11",
        "Missing data",
        "how missing values were handled, why data were left out",
        "docs/guides/data.md: such records are refused, or dropped and counted",
    ),
    Item("12a", "Analytical methods", "which data served what, how they were divided", f"{DATA}; How it was chosen"),
    Item(
        "12b",
        "Analytical methods",
        "how inputs were transformed",
        f"{DATA}: normalisation; config in the model files",
    ),
    Item(
        "12c",
        "Analytical methods",
        "model type, building, hyper-parameters, internal validation",
        f"{CHOICE}; the study's dashboard",
    ),
    Item("12d", "Analytical methods", "differences between clusters (hospitals, devices)", f"{SUBGROUPS}: device, site"),
    Item(
        "12e",
        "Analytical methods",
        "measures and plots of performance and why, comparison of models",
        "report.html, All models; Thresholds and calibration; Decision curves",
    ),
    Item("12f", "Analytical methods", "updating, such as recalibration", f"{PROBABILITIES}: Platt scaling"),
    Item(
        "12g",
        "Analytical methods",
        "how predictions were computed in the evaluation",
        "predictions.csv; the model files; docs/guides/evaluation.md",
    ),
    Item(
        "13",
        "Class imbalance",
        "methods used and recalibration after them",
        _in_part(f"{PROBABILITIES}; config in the model files"),
    ),
    Item("14", "Fairness", "what was done about it and why", _in_part(f"{SUBGROUPS}: sex, age")),
    Item("15", "Model output", "output, classes, thresholds and how they were found", f"{PROBABILITIES}; MODEL_CARD.md, Model"),
    Item(
        "16",
        "Training versus evaluation",
        "differences in setting, eligibility, outcome, inputs",
        f"{DATA}: source and split",
    ),
    Item("17", "Ethical approval", "committee and consent, or its waiver", AUTHOR),
    Item("18a", "Funding", "source and role", AUTHOR),
    Item("18b", "Conflicts of interest", "of all authors", AUTHOR),
    Item("18c", "Protocol", "where it can be read, or that there is none", AUTHOR),
    Item("18d", "Registration", "number, or that there is none", AUTHOR),
    Item("18e", "Data sharing", "whether and where data are available", _in_part("MODEL_CARD.md, Data and Licence")),
    Item("18f", "Code sharing", "whether and where code is available", AUTHOR),
    Item("19", "Patient and public involvement", "in design, conduct or reporting, or none", AUTHOR),
    Item("20a", "Participants", "flow, with and without the outcome", f"{DATA}: exclusions, splits"),
    Item(
        "20b",
        "Participants",
        "characteristics and missing data, by source and demographic group",
        _in_part(f"{SUBGROUPS}: sizes by sex, age, device, site"),
    ),
    Item("20c", "Participants", "distribution of inputs and outcome, training against evaluation data", _in_part(f"{DATA}: splits")),
    Item("21", "Model development", "participants and events in each analysis", f"{DATA}: splits; every table's columns"),
    Item(
        "22",
        "Model specification",
        "the full model, so that others can use it, and limits to its use",
        "the model files (config, weights, thresholds); MODEL_CARD.md",
    ),
    Item("23a", "Model performance", "measures with intervals, key groups included", "report.html, All models to Subgroups; 01 to 15"),
    Item("23b", "Model performance", "differences between clusters", f"{SUBGROUPS}: device, site"),
    Item("24", "Model updating", "the updated model and its results", f"{PROBABILITIES}: after Platt scaling"),
    Item("25", "Interpretation", "main results, fairness, other studies", AUTHOR),
    Item("26", "Limitations", "of the study and their effect", _in_part("report.html, Limits")),
    Item("27a", "Usability in current care", "poor or missing input at use", _in_part(f"{SUBGROUPS}: quality")),
    Item("27b", "Usability in current care", "whether users handle input, which expertise they need", AUTHOR),
    Item("27c", "Usability in current care", "next steps of research, applicability", AUTHOR),
)


def tripod_table() -> pd.DataFrame:
    """Make the table of `TRIPOD_AI.csv`, one row for each item."""
    table = pd.DataFrame(ITEMS).rename(columns=str.capitalize).assign(Author=[AUTHOR in item.where for item in ITEMS])
    table.insert(2, "Stage", [item.stage for item in ITEMS])
    return table


def tripod_text(provenance: Provenance) -> str:
    """Write the text of `TRIPOD_AI.md`: the checklist with what the author must add in bold."""
    return render_text(
        "analysis.evaluation.report",
        "tripod_ai.md",
        provenance=provenance,
        items=ITEMS,
        n_open=sum(AUTHOR in item.where for item in ITEMS),
        author=AUTHOR,
    )
