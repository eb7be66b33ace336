"""The SCP statements of synthetic records: their table, and a random choice of statements for a set of superclasses.

The codes are those of SCP-ECG as PTB-XL uses them; the descriptions are this project's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

STATEMENT_COLUMNS = (
    "",
    "description",
    "diagnostic",
    "form",
    "rhythm",
    "diagnostic_class",
    "diagnostic_subclass",
    "Statement Category",
    "SCP-ECG Statement Description",
    "AHA code",
    "aECG REFID",
    "CDISC Code",
    "DICOM Code",
)


@dataclass(frozen=True)
class Statement:
    """One row of `scp_statements.csv`.

    Attributes:
        description: In plain words.
        kinds: Out of "diagnostic", "form", "rhythm".
        superclass, subclass: Empty unless diagnostic.
        weight: How often it is chosen, relative to the other statements of its superclass; about PTB-XL's counts.
    """

    description: str
    kinds: tuple[str, ...]
    superclass: str = ""
    subclass: str = ""
    weight: float = 0.0


def _diagnosis(description: str, superclass: str, subclass: str, weight: float, *, form: bool = False) -> Statement:
    return Statement(description, ("diagnostic", "form") if form else ("diagnostic",), superclass, subclass, weight)


STATEMENTS = {
    "NORM": _diagnosis("tracing within normal limits", "NORM", "NORM", 1),
    "IMI": _diagnosis("infarction of the inferior wall", "MI", "IMI", 320),
    "ASMI": _diagnosis("infarction of septum and anterior wall", "MI", "AMI", 290),
    "ILMI": _diagnosis("infarction of inferior and lateral walls", "MI", "IMI", 60),
    "AMI": _diagnosis("infarction of the anterior wall", "MI", "AMI", 50),
    "ALMI": _diagnosis("infarction of anterior and lateral walls", "MI", "AMI", 30),
    "LMI": _diagnosis("infarction of the lateral wall", "MI", "LMI", 30),
    "NDT": _diagnosis("T waves abnormal without a specific cause", "STTC", "STTC", 240, form=True),
    "ISC_": _diagnosis("repolarisation suggests ischaemia", "STTC", "ISC_", 180),
    "NST_": _diagnosis("ST segment altered without a specific cause", "STTC", "NST_", 110, form=True),
    "ISCAL": _diagnosis("ischaemia seen from the anterolateral side", "STTC", "ISCA", 85),
    "ISCIN": _diagnosis("ischaemia seen from below", "STTC", "ISCI", 30),
    "DIG": _diagnosis("sagging ST as with digitalis", "STTC", "STTC", 27, form=True),
    "LNGQT": _diagnosis("QT longer than expected", "STTC", "STTC", 15, form=True),
    "LAFB": _diagnosis("block of the left anterior fascicle", "CD", "LAFB/LPFB", 185),
    "IRBBB": _diagnosis("right bundle branch block, incomplete", "CD", "IRBBB", 140),
    "1AVB": _diagnosis("AV conduction delayed, first degree", "CD", "_AVB", 110),
    "IVCD": _diagnosis("ventricular conduction slowed, no bundle named", "CD", "IVCD", 95),
    "CLBBB": _diagnosis("left bundle branch block, complete", "CD", "CLBBB", 70),
    "CRBBB": _diagnosis("right bundle branch block, complete", "CD", "CRBBB", 70),
    "LPFB": _diagnosis("block of the left posterior fascicle", "CD", "LAFB/LPFB", 20),
    "LVH": _diagnosis("hypertrophy of the left ventricle", "HYP", "LVH", 285),
    "LAO/LAE": _diagnosis("left atrium enlarged or overloaded", "HYP", "LAO/LAE", 30),
    "RVH": _diagnosis("hypertrophy of the right ventricle", "HYP", "RVH", 25),
    "ABQRS": Statement("QRS shape abnormal", ("form",)),
    "QWAVE": Statement("Q waves seen", ("form",)),
    "STD_": Statement("ST segment lowered", ("form",)),
    "INVT": Statement("T waves inverted", ("form",)),
    "LOWT": Statement("T waves flat", ("form",)),
    "VCLVH": Statement("QRS voltage meets a criterion of left hypertrophy", ("form",)),
    "PVC": Statement("early ventricular beats", ("form",)),
    "LPR": Statement("PR interval long", ("form",)),
    "SR": Statement("sinus node leads", ("rhythm",)),
    "SARRH": Statement("sinus node leads, irregularly", ("rhythm",)),
    "SBRAD": Statement("sinus node leads, slowly", ("rhythm",)),
    "STACH": Statement("sinus node leads, fast", ("rhythm",)),
    "AFIB": Statement("atria fibrillate", ("rhythm",)),
    "PACE": Statement("pacemaker leads", ("rhythm",)),
}
NEEDS_P_WAVE = frozenset({"1AVB", "LAO/LAE"})
MILD_CONDUCTION = ("IRBBB", "1AVB", "LAFB")
LIKELIHOODS = {100.0: 0.70, 80.0: 0.10, 50.0: 0.10, 35.0: 0.03, 15.0: 0.04, 0.0: 0.03}
FORMS = {
    "MI": (("QWAVE", 0.3), ("ABQRS", 0.2)),
    "STTC": (("STD_", 0.2), ("INVT", 0.1), ("LOWT", 0.1)),
    "CD": (("ABQRS", 0.3),),
    "HYP": (("VCLVH", 0.35),),
}


def statement_rows() -> list[list[str]]:
    """Write the rows of `scp_statements.csv`, in the order of `STATEMENT_COLUMNS`, without the header."""
    rows = []
    for code, statement in STATEMENTS.items():
        kinds = ["1.0" if kind in statement.kinds else "" for kind in ("diagnostic", "form", "rhythm")]
        classes = [statement.superclass, statement.subclass]
        rows.append([code, statement.description, *kinds, *classes, "synthetic", statement.description, "", "", "", ""])
    return rows


def diagnoses(superclass: str) -> dict[str, float]:
    """List the statements of a superclass with their probabilities, which sum to 1."""
    weights = {code: s.weight for code, s in STATEMENTS.items() if s.superclass == superclass}
    total = sum(weights.values())
    return {code: weight / total for code, weight in weights.items()}


def draw_codes(classes: Iterable[str], rng: np.random.Generator) -> dict[str, float]:
    """Draw the statements of one record with these superclasses, the rhythm last.

    Returns:
        Statement → likelihood in percent: 0 (unknown), 15, 35, 50, 80 or 100 for diagnoses, 0 for form and rhythm.
    """
    classes = tuple(classes)
    codes: dict[str, float] = {}
    for superclass in classes:
        for code in _draw_diagnoses(superclass, mild="NORM" in classes, rng=rng):
            codes[code] = _draw_likelihood(rng)
    for superclass in classes:
        for form, share in FORMS.get(superclass, ()):
            if rng.random() < share:
                codes[form] = 0.0
    if "1AVB" in codes and rng.random() < 0.2:
        codes["LPR"] = 0.0
    return codes | _draw_rhythm(classes, needs_p_wave=not NEEDS_P_WAVE.isdisjoint(codes), rng=rng)


def _draw_diagnoses(superclass: str, *, mild: bool, rng: np.random.Generator) -> list[str]:
    shares = diagnoses(superclass)
    if superclass == "CD" and mild:
        shares = {code: 1 / len(MILD_CONDUCTION) for code in MILD_CONDUCTION}
    first = str(rng.choice(list(shares), p=list(shares.values())))
    if superclass == "CD" and not mild and rng.random() < 0.15:
        return [first, "1AVB" if first != "1AVB" else "LAFB"]
    return [first]


def _draw_likelihood(rng: np.random.Generator) -> float:
    return float(rng.choice(list(LIKELIHOODS), p=list(LIKELIHOODS.values())))


def _draw_rhythm(classes: tuple[str, ...], *, needs_p_wave: bool, rng: np.random.Generator) -> dict[str, float]:
    """Draw the rhythm statement, sometimes with early beats; a record without superclass never has plain sinus rhythm."""
    if not classes:
        rhythm = str(rng.choice(["AFIB", "PACE", "PVC"], p=[0.4, 0.3, 0.3]))
        return {"PVC": 0.0, "SR": 0.0} if rhythm == "PVC" else {rhythm: 0.0}
    shares = [0.84, 0.06, 0.05, 0.05, 0.0] if "NORM" in classes else [0.76, 0.02, 0.05, 0.07, 0.10]
    rhythm = str(rng.choice(["SR", "SARRH", "SBRAD", "STACH", "AFIB"], p=shares))
    if rhythm == "AFIB" and needs_p_wave:
        rhythm = "SR"
    early = {"PVC": 0.0} if "NORM" not in classes and rng.random() < 0.07 else {}
    return {**early, rhythm: 0.0}
