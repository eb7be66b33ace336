"""`ecg-tune compare`: two evaluations of the same test records, with paired tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from analysis.evaluation.report.comparison_text import comparison_lines
from analysis.evaluation.result_comparison import FIGURE, choice_lines, compare_evaluations, plain, write_comparison
from analysis.evaluation.result_files import read_evaluation

EXAMPLE = "Example: ecg-tune compare results_old/ results_new/ --out comparison/"


def compare(
    results_a: Annotated[Path, typer.Argument(metavar="RESULTS_A", help="Folder that `ecg-tune evaluate --out` wrote.")],
    results_b: Annotated[Path, typer.Argument(metavar="RESULTS_B", help="Another one, of the same test records.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the table as CSV and JSON, and a figure, to this folder.")] = None,
    model_a: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model of RESULTS_A.  [default: those that both have, and validation's choices]")
    ] = None,
    model_b: Annotated[str | None, typer.Option(metavar="NAME", help="Model of RESULTS_B.  [default: the same]")] = None,
    bootstrap: Annotated[
        int, typer.Option(min=100, max=1_000_000, metavar="N", help="Bootstrap samples (of patients) for the macro means.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two evaluations of the same test records.

    Prints A minus B with 95 % intervals and paired tests: DeLong's for AUCs, a bootstrap of patients for macro means, McNemar's for right
    predictions. Evaluations of other records, classes or data are refused. No test split is opened.
    """
    a, b = read_evaluation(results_a), read_evaluation(results_b)
    comparison = compare_evaluations(a, b, model_a=model_a, model_b=model_b, n_bootstrap=bootstrap)
    if as_json:
        print(json.dumps(plain(comparison), indent=1))
    else:
        print("\n".join([f"A {results_a}", f"B {results_b}", *choice_lines(comparison), comparison.note, ""]))
        print("\n".join(comparison_lines(comparison.table)))
    if out is not None:
        write_comparison(comparison, out)
        if not as_json:
            print(f"wrote {out}: comparison.csv, comparison.json, {FIGURE}")
