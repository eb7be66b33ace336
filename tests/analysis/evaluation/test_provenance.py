"""What every report says of where its numbers come from."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.evaluation.provenance import Bootstrap, Provenance, interval_rule, untuned_text

NAMES = ("NORM", "MI", "STTC", "CD", "HYP", "AFIB", "LVH", "PAC")


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        study="study", date="", split_scheme="official", fingerprint="a" * 64, leads=("I",), sampling_rate_hz=100, class_names=NAMES,
        label_rule="", synthetic=False, n_records=99, n_patients=99, n_positives=dict(zip(NAMES, (10, 9, 8, 2, 1, 0, 3, 4), strict=True)),
        openings=(), threshold_rule="", bootstrap=Bootstrap(1000, 0),
    )  # fmt: skip


def test_intervals_of_classes_with_few_positives_are_not_to_be_believed(provenance: Provenance) -> None:
    classes = "HYP 1, CD 2, LVH 3, PAC 4, STTC 8 and 1 more"
    few = f"for classes with fewer than 10 positive test records ({classes}) they are too narrow to be believed"
    assert interval_rule(provenance).endswith(f"not the randomness of training; {few}")
    enough = dataclasses.replace(provenance, n_positives=dict.fromkeys(NAMES, 10))
    assert interval_rule(enough).endswith("not the randomness of training")
    assert "narrow" not in interval_rule(dataclasses.replace(provenance, bootstrap=None))


@pytest.mark.parametrize(("untuned", "said"), [((), ""), (("MI",), "1 of 8 classes has 0.5"), (("MI", "CD"), "2 of 8 classes have 0.5")])
def test_classes_without_a_tuned_threshold_are_counted(provenance: Provenance, untuned: tuple[str, ...], said: str) -> None:
    text = untuned_text(dataclasses.replace(provenance, untuned=untuned))
    assert text == (f"{said} instead, with fewer than 10 validation records" if said else "")
