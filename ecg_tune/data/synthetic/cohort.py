"""Draw the cohort of a synthetic PTB-XL: superclasses, folds, patients, ages, sexes, dates.

Label sets have the shares of PTB-XL's folds 9 and 10. Folds are stratified as in Sechidis et al. (2011), the rarest class
first, with equal sizes. From 60 records on, every split of both schemes holds every class.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ecg_tune.config import CLASS_NAMES

N_FOLDS = 10
FOLD_ORDER = (10, 9, 1, 8, 2, 3, 4, 5, 6, 7)
RECORDS_PER_PATIENT = 1.09
FIRST_DAY, LAST_DAY = datetime(1984, 11, 1), datetime(2001, 6, 30)
AGE_OVER_89 = 300

LABEL_SETS: dict[tuple[str, ...], float] = {
    ("NORM",): 41.6,
    ("STTC",): 11.4,
    ("MI",): 11.1,
    ("CD",): 8.1,
    ("MI", "CD"): 6.0,
    ("STTC", "HYP"): 3.0,
    ("MI", "STTC"): 2.9,
    ("HYP",): 2.7,
    ("STTC", "CD"): 1.9,
    ("NORM", "CD"): 1.8,
    ("MI", "STTC", "HYP"): 1.8,
    (): 1.75,
    ("CD", "HYP"): 1.5,
    ("MI", "STTC", "CD"): 1.2,
    ("STTC", "CD", "HYP"): 0.9,
    ("MI", "HYP"): 0.8,
    ("MI", "STTC", "CD", "HYP"): 0.8,
    ("MI", "CD", "HYP"): 0.6,
    ("NORM", "STTC"): 0.15,
}


@dataclass(frozen=True)
class Member:
    """One record of the cohort with its patient.

    Attributes:
        fold: 1..10.
        classes: Superclasses, in the order of `CLASS_NAMES`; may be empty.
        age: Years at recording; 300 stands for over 89, as PTB-XL writes it.
        sex: 0 male, 1 female.
    """

    ecg_id: int
    patient_id: int
    fold: int
    classes: tuple[str, ...]
    age: int
    sex: int
    recorded: datetime


def draw_cohort(n_records: int, rng: np.random.Generator) -> list[Member]:
    """Draw a cohort, in the order of `ecg_id` (1, 2, ...) and of recording date."""
    sets = draw_label_sets(n_records)
    folds = assign_folds(sets)
    order = rng.permutation(n_records)
    sets, folds = [sets[k] for k in order], folds[order]
    patients = _assign_patients(folds, rng)
    dates = _draw_dates(n_records, rng)
    female = rng.random(n_records) < 0.48
    first: dict[int, int] = {}
    ages = np.empty(n_records, dtype=int)
    for k, patient in enumerate(patients):
        start = first.setdefault(int(patient), k)
        years = (dates[k] - dates[start]).days / 365.25
        ages[k] = _draw_age(sets[k], rng) if start == k else min(int(ages[start] + years), 95)
    return [
        Member(
            ecg_id=k + 1,
            patient_id=int(patients[k]),
            fold=int(folds[k]),
            classes=sets[k],
            age=int(ages[k]) if ages[k] <= 89 else AGE_OVER_89,
            sex=int(female[first[int(patients[k])]]),
            recorded=dates[k],
        )
        for k in range(n_records)
    ]


def draw_label_sets(n_records: int) -> list[tuple[str, ...]]:
    """Distribute records over label sets in the shares of `LABEL_SETS`, by largest remainder; nothing is random."""
    exact = np.array(list(LABEL_SETS.values())) * n_records / sum(LABEL_SETS.values())
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n_records - counts.sum()]] += 1
    return [labels for labels, count in zip(LABEL_SETS, counts, strict=True) for _ in range(count)]


def assign_folds(sets: list[tuple[str, ...]]) -> NDArray[np.int64]:
    """Put records into folds of equal size, with an equal label mix as far as counts allow.

    Records go one by one, those of the rarest class first, to the fold that has fewest of that class; among equals to the one
    with fewest of the record's other classes, then fewest records, then first in `FOLD_ORDER`.

    Args:
        sets: The label set of every record.

    Returns:
        (n_records,) folds, 1..10.
    """
    rarity = sorted(CLASS_NAMES, key=lambda name: sum(name in labels for labels in sets))
    capacity = dict.fromkeys(FOLD_ORDER, len(sets) // N_FOLDS)
    for fold in FOLD_ORDER[: len(sets) % N_FOLDS]:
        capacity[fold] += 1
    have = {fold: dict.fromkeys(CLASS_NAMES, 0) for fold in FOLD_ORDER}
    size = dict.fromkeys(FOLD_ORDER, 0)

    def cost(fold: int, classes: list[str]) -> tuple[int, int, int]:
        return (have[fold][classes[0]] if classes else size[fold], sum(have[fold][name] for name in classes[1:]), size[fold])

    folds = np.zeros(len(sets), dtype=np.int64)
    ranked = [[name for name in rarity if name in labels] for labels in sets]
    for k in sorted(range(len(sets)), key=lambda k: (rarity.index(ranked[k][0]) if ranked[k] else N_FOLDS, -len(ranked[k]), k)):
        free = [fold for fold in FOLD_ORDER if size[fold] < capacity[fold]]
        chosen = min(free, key=lambda fold: cost(fold, ranked[k]))
        folds[k] = chosen
        size[chosen] += 1
        for name in sets[k]:
            have[chosen][name] += 1
    return folds


def _assign_patients(folds: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a patient id for every record; some patients have several records, all in one fold."""
    ids = rng.permutation(max(22_000, 2 * folds.size)) + 1
    patients = np.zeros(folds.size, dtype=np.int64)
    used = 0
    for fold in range(1, N_FOLDS + 1):
        members = np.flatnonzero(folds == fold)
        n_patients = max(1, int(members.size / RECORDS_PER_PATIENT)) if members.size else 0
        fold_ids = ids[used : used + n_patients]
        used += n_patients
        owner = np.concatenate([np.arange(n_patients), rng.integers(0, max(n_patients, 1), members.size - n_patients)])
        patients[rng.permutation(members)] = fold_ids[owner]
    return patients


def _draw_dates(n_records: int, rng: np.random.Generator) -> list[datetime]:
    span_s = int((LAST_DAY - FIRST_DAY).total_seconds())
    return [FIRST_DAY + timedelta(seconds=int(s)) for s in np.sort(rng.integers(0, span_s, n_records))]


def _draw_age(classes: tuple[str, ...], rng: np.random.Generator) -> int:
    mean, sd = (52, 17) if "NORM" in classes else (67, 13)
    return int(np.clip(rng.normal(mean, sd), 18, 95))
