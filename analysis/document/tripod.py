"""The TRIPOD+AI checklist (Collins et al., BMJ 385, e078378, 2024): where the report answers an item, and what the author must add.

Item numbers are those of the publication; the descriptions are short ones of our own. Read the publication when you fill it in.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.evaluated import Evidence

TRIPOD, TRIPOD_CSV = "TRIPOD_AI.md", "TRIPOD_AI"
AUTHOR = "the author must fill in"
DATA, CHOICE = "report.html, Data, split and seal", "report.html, How it was chosen"
PROBABILITIES, SUBGROUPS = "report.html, Thresholds and calibration", "report.html, Subgroups"


class Item(NamedTuple):
    """One item of the checklist.

    Attributes:
        where: Section of `report.html` or a file; `AUTHOR` when the tool can't know, "…; AUTHOR" when it knows a part.
    """

    number: str
    topic: str
    asks: str
    where: str


def _part(where: str) -> str:
    return f"{where}; the rest {AUTHOR}"


ITEMS = (
    Item("1", "Title", "model developed or evaluated, for whom, what it predicts", AUTHOR),
    Item("2", "Abstract", "structured summary (TRIPOD+AI for abstracts)", AUTHOR),
    Item("3a", "Background", "clinical context and why a model", AUTHOR),
    Item("3b", "Background", "for whom and where in care it is meant, who uses it", _part("MODEL_CARD.md, Intended use")),
    Item("3c", "Background", "known inequalities between groups", AUTHOR),
    Item("4", "Objectives", "development, evaluation or both", _part(f"{CHOICE}: both, on one data set")),
    Item("5a", "Data", "sources of training and evaluation data, how representative", _part(DATA)),
    Item("5b", "Data", "dates of collection", AUTHOR),
    Item("6a", "Participants", "setting, number and place of centres", AUTHOR),
    Item("6b", "Participants", "who was eligible", _part(f"{DATA}: exclusions")),
    Item("6c", "Participants", "treatments", AUTHOR),
    Item("7", "Data preparation", "cleaning, quality checks, alike across groups", f"{DATA}; docs/data.md"),
    Item("8a", "Outcome", "what is predicted, how assessed", _part(f"{DATA}: label rule")),
    Item("8b", "Outcome", "who assessed it, with which qualification", AUTHOR),
    Item("8c", "Outcome", "blinding of the assessment", AUTHOR),
    Item("9a", "Predictors", "why these inputs", AUTHOR),
    Item("9b", "Predictors", "the inputs and how they are measured", f"{DATA}: input; MODEL_CARD.md, Model"),
    Item("9c", "Predictors", "assessors of subjective inputs", "not applicable: the input is the recorded signal"),
    Item("10", "Sample size", "how the size came about and whether it is enough", _part(f"{DATA}: parts")),
    Item(
        "11",
        "Missing data",
        "how missing values were handled",
        "docs/data.md: such records are refused, or dropped and counted",
    ),
    Item("12a", "Analysis", "which data served what", f"{DATA}; How it was chosen"),
    Item(
        "12b",
        "Analysis",
        "how inputs were transformed",
        f"{DATA}: normalisation; config in the model files",
    ),
    Item(
        "12c",
        "Analysis",
        "model type, building, hyper-parameters, internal validation",
        f"{CHOICE}; the study's dashboard",
    ),
    Item("12d", "Analysis", "differences between clusters (hospitals, devices)", f"{SUBGROUPS}: device, site"),
    Item("12e", "Analysis", "measures of performance and why", "report.html, All models; Thresholds and calibration; Decision curves"),
    Item("12f", "Analysis", "updating, such as recalibration", f"{PROBABILITIES}: Platt scaling"),
    Item("12g", "Analysis", "how predictions were computed in the evaluation", "predictions.csv; the model files; docs/evaluation.md"),
    Item(
        "13",
        "Class imbalance",
        "methods used and recalibration after them",
        _part(f"{PROBABILITIES}; config in the model files"),
    ),
    Item("14", "Fairness", "what was done about it and why", _part(f"{SUBGROUPS}: sex, age")),
    Item("15", "Model output", "output, classes, thresholds", f"{PROBABILITIES}; MODEL_CARD.md, Model"),
    Item(
        "16",
        "Training and evaluation",
        "differences between the two data sets",
        f"{DATA}: one source, patients apart",
    ),
    Item("17", "Ethics", "approval and consent", AUTHOR),
    Item("18a", "Funding", "source and role", AUTHOR),
    Item("18b", "Interests", "conflicts of all authors", AUTHOR),
    Item("18c", "Protocol", "where it can be read", AUTHOR),
    Item("18d", "Registration", "number, or that there is none", AUTHOR),
    Item("18e", "Data sharing", "whether and where data are available", _part("MODEL_CARD.md, Data and Licence")),
    Item("18f", "Code sharing", "whether and where code is available", AUTHOR),
    Item("19", "Public involvement", "of patients and public, or none", AUTHOR),
    Item("20a", "Participants", "flow, with and without the outcome", f"{DATA}: exclusions, parts"),
    Item("20b", "Participants", "characteristics, by source and group", _part(f"{SUBGROUPS}: sizes by sex, age, device, site")),
    Item("20c", "Participants", "training against evaluation data", _part(f"{DATA}: parts")),
    Item("21", "Model development", "numbers in each analysis", f"{DATA}: parts; every table's columns"),
    Item(
        "22",
        "Model specification",
        "the full model, so that others can use it",
        "the model files (config, weights, thresholds); MODEL_CARD.md",
    ),
    Item("23a", "Performance", "measures with intervals, key groups included", "report.html, All models to Subgroups; 01 to 15"),
    Item("23b", "Performance", "differences between clusters", f"{SUBGROUPS}: device, site"),
    Item("24", "Updating", "results of an updated model", f"{PROBABILITIES}: after Platt scaling"),
    Item("25", "Interpretation", "main results, fairness, other studies", AUTHOR),
    Item("26", "Limitations", "of the study and their effect", _part("report.html, Limits")),
    Item("27a", "Use", "poor or missing input at use", _part(f"{SUBGROUPS}: quality")),
    Item("27b", "Use", "what users must do and know", AUTHOR),
    Item("27c", "Use", "next steps", AUTHOR),
)


def tripod_table() -> pd.DataFrame:
    """Return the checklist as a table."""
    return pd.DataFrame(ITEMS).rename(columns=str.capitalize).assign(Author=[AUTHOR in item.where for item in ITEMS])


def tripod_text(evidence: Evidence) -> str:
    """Return `TRIPOD_AI.md`."""
    open_items = sum(AUTHOR in item.where for item in ITEMS)
    lines = ["# TRIPOD+AI checklist", "", f"For {evidence.study}, {evidence.date}, data `{evidence.fingerprint[:16]}`."]
    lines += ["**SYNTHETIC data: an exercise, not a study.**"] if evidence.synthetic else []
    lines += ["Item numbers: Collins et al., *TRIPOD+AI statement*, BMJ 385, e078378 (2024); the descriptions are short ones of our own."]
    lines += [
        f"{len(ITEMS) - open_items} items are answered by the files beside this one, {open_items} wait for the author, wholly or in part."
    ]
    lines += ["", "| item | topic | asks for | where |", "|---|---|---|---|"]
    lines += [f"| {item.number} | {item.topic} | {item.asks} | {_marked(item.where)} |" for item in ITEMS]
    return "\n".join(lines) + "\n"


def _marked(where: str) -> str:
    return where.replace(AUTHOR, f"**{AUTHOR}**")
