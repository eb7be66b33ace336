"""Where an evaluation's numbers come from: data, split, rules. Every report repeats these facts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from analysis.evaluation.statistics.subgroups import LEAST_LABELS
from ecg_tune.config import check_range, inputs_text
from ecg_tune.data.prepared.dataset import PreparedData, read_ledger
from ecg_tune.data.prepared.ledger import Line, gaps_text
from ecg_tune.data.prepared.manifest import has_likelihood
from ecg_tune.metrics import LEAST_POSITIVES, UNTUNED, UNTUNED_RULE
from ecg_tune.training.model_file import TRAIN, TRAIN_AND_VALIDATION

F1_RULE = f"per class, the one with the highest F1 on the validation split (stored in each model file); {UNTUNED_RULE}"
REFERENCE_MODELS = (
    "epochs, learning rates, input scale, thresholds, Platt scaling, the choice of the best model and of an ensemble's members are those "
    "of each model's reference model, the same config and seed trained on train alone; every validation score is the reference model's"
)
WIDTH = 100
ENOUGH_RESAMPLES = 1000
MOST_NAMED = 5
"""Classes with few positive records that are named."""


@dataclass(frozen=True)
class Bootstrap:
    """How the intervals were made."""

    n_resamples: int
    seed: int

    def __post_init__(self) -> None:
        check_range("bootstrap resamples", self.n_resamples, 1, 1_000_000)


@dataclass(frozen=True)
class Provenance:
    """Data, split and rules that a report's numbers hold for.

    Attributes:
        split_scheme: How records were split, "70-15-15" or "official".
        n_positives: Test records of each class.
        openings: Of these test records, this evaluation's included, see `ecg_tune.data.prepared.ledger.openings_of`.
        ledger_gaps: Times before which the ledger lacks a line; empty where nobody changed it.
        trained_on: What the models were trained on: "train", "train+validation", or both words with a comma.
        taught: Whose probabilities were mixed into the labels of train, and how much (distillation); empty where there were no teachers.
        untuned: Classes whose F1 threshold was not tuned, in one model or more.
        external: Of external validation, where the models come from; empty for the models' own test split.
        limited: "500 of 21799 records" where the data were prepared with `--limit`.
        images: Channels and pixels a side of stored images; empty where images are computed.
        patients_known: False where each record counts as a patient, since the data don't say whose it is.
    """

    study: str
    date: str
    split_scheme: str
    fingerprint: str
    leads: tuple[str, ...]
    sampling_rate_hz: int
    class_names: tuple[str, ...]
    label_rule: str
    synthetic: bool
    n_records: int
    n_patients: int
    n_positives: Mapping[str, int]
    openings: Sequence[Line]
    threshold_rule: str
    bootstrap: Bootstrap | None
    trained_on: str = TRAIN
    taught: str = ""
    limited: str = ""
    untuned: tuple[str, ...] = ()
    external: str = ""
    ledger_gaps: tuple[str, ...] = ()
    images: tuple[int, ...] = ()
    patients_known: bool = True

    @property
    def inputs(self) -> str:
        """What the records hold, in words."""
        leads = f"leads {', '.join(self.leads)} at {self.sampling_rate_hz} Hz" if self.leads else ""
        return " and ".join(filter(None, (leads, inputs_text((), self.images))))

    @property
    def split_text(self) -> str:
        """How records were split, and whether patients are whole in it."""
        if self.external:
            return self.split_scheme
        return f"{self.split_scheme}, {'patient-disjoint' if self.patients_known else 'patients unknown, so one may be in two splits'}"

    @property
    def records_text(self) -> str:
        """How many test records and patients there are, in words."""
        return records_text(self.n_records, self.n_patients, patients_known=self.patients_known)

    @property
    def absent_classes(self) -> tuple[str, ...]:
        """List the classes without a positive test record."""
        return tuple(name for name in self.class_names if self.n_positives[name] == 0)


def provenance_of(data: PreparedData, *, study: str, threshold_rule: str = F1_RULE, bootstrap: Bootstrap | None = None) -> Provenance:
    """Collect the facts about `data` that a report repeats. The seal stays closed: counts are the manifest's, openings the ledger's."""
    counts = data.manifest["counts"]["test"]
    return Provenance(
        study=study,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        split_scheme=str(data.manifest["split"]),
        fingerprint=data.fingerprint,
        leads=data.leads,
        sampling_rate_hz=data.sampling_rate_hz,
        class_names=data.class_names,
        label_rule=rule_text(data.manifest),
        synthetic=data.synthetic,
        n_records=int(counts["records"]),
        n_patients=int(counts["patients"]),
        n_positives={name: int(counts[name]) for name in data.class_names},
        openings=read_ledger(data),
        threshold_rule=threshold_rule,
        bootstrap=bootstrap,
        limited=data.limited,
        images=data.image_shape or (),
        patients_known=data.patients_known,
    )


def provenance_lines(provenance: Provenance) -> list[str]:
    """Write the head of a text report, wrapped to `WIDTH` characters."""
    purposes = [line["purpose"] for line in provenance.openings]
    uses = ", ".join(f"{purpose} {purposes.count(purpose)}" for purpose in sorted(set(purposes)))
    times = "time" if len(purposes) == 1 else "times"
    facts = {
        "Study": provenance.study,
        "Split": f"{provenance.split_text}; all numbers below are of its test split unless named otherwise",
        "Test records": provenance.records_text,
        "Positives": ", ".join(f"{name} {n}" for name, n in provenance.n_positives.items()),
        "Data fingerprint": provenance.fingerprint,
        "Input": provenance.inputs,
        "Labels": provenance.label_rule,
        "Test split opened": f"{len(purposes)} {times} so far, this one included ({uses})",
        "Models trained on": trained_on_text(provenance),
        "Thresholds": thresholds_text(provenance),
        "Intervals": interval_rule(provenance),
        "No positives": "a class without positive records yields no AUC, sensitivity, precision or F1; means over classes leave it out"
        + (f". Here: {', '.join(provenance.absent_classes)}" if provenance.absent_classes else ""),
    }
    if provenance.ledger_gaps:
        facts["WARNING"] = gaps_text(provenance.ledger_gaps)
    if provenance.external:
        facts = {"External": provenance.external, **facts}
        facts["Split"] = f"{provenance.split_text}; all numbers below are of these records unless named otherwise"
    if not purposes:
        facts["Test split opened"] = "never according to its ledger"
    lines = [line for name, text in facts.items() for line in _wrapped(name, text)]
    return [*banner_lines(provenance), *lines]


def trained_on_text(provenance: Provenance) -> str:
    """Say what the models were trained on, who taught them and, where that includes validation, what decided instead of it."""
    decided = f"; {REFERENCE_MODELS}" if TRAIN_AND_VALIDATION in provenance.trained_on else ""
    return provenance.trained_on + (f" {provenance.taught}" if provenance.taught else "") + decided


def teachers_text(shares: Set[float], data: PreparedData) -> str:
    """Say whose probabilities were mixed into the labels of train; "" for nobody's.

    Args:
        shares: `distillation` of the models.
        data: What they were trained on.
    """
    if not any(shares):
        return ""
    said = data.manifest.get("taught", {}).get("text", "not noted")
    return f"with a share of {' or '.join(f'{share:g}' for share in sorted(shares))} of each label from teachers: {said}"


def thresholds_text(provenance: Provenance) -> str:
    """State the rule of the thresholds, and which classes' were not tuned."""
    return provenance.threshold_rule + (f". Here: {', '.join(provenance.untuned)}" if provenance.untuned else "")


def untuned_text(provenance: Provenance) -> str:
    """Say how many classes have a threshold that follows no rule, since too few validation records have them; "" for none."""
    if not (n := len(provenance.untuned)):
        return ""
    classes = f"{n} of {len(provenance.class_names)} classes {'has' if n == 1 else 'have'}"
    return f"{classes} {UNTUNED:g} instead, with fewer than {LEAST_POSITIVES} validation records"


def interval_rule(provenance: Provenance) -> str:
    """Say how the intervals were made."""
    if (bootstrap := provenance.bootstrap) is None:
        return "none computed; `ecg-tune evaluate` computes them"
    kind = "patient-cluster bootstrap" if provenance.patients_known else "bootstrap of records, since patients are unknown"
    whose = "patients" if provenance.patients_known else "records"
    few = "" if bootstrap.n_resamples >= ENOUGH_RESAMPLES else f" (fewer than {ENOUGH_RESAMPLES}: too few to publish)"
    return (
        f"95 % percentile, {kind}, {bootstrap.n_resamples} resamples{few}, seed {bootstrap.seed}; "
        f"they reflect which {whose} happen to be in the test split, not the randomness of training{_too_narrow(provenance.n_positives)}"
    )


def _too_narrow(n_positives: Mapping[str, int]) -> str:
    """Name the classes with so few positive records that their intervals can't be believed, fewest first; a class with none has none."""
    few = [f"{name} {n}" for name, n in sorted(n_positives.items(), key=lambda item: item[1]) if 0 < n < LEAST_LABELS]
    if not few:
        return ""
    more = f" and {len(few) - MOST_NAMED} more" if len(few) > MOST_NAMED else ""
    return (
        f"; for classes with fewer than {LEAST_LABELS} positive test records ({', '.join(few[:MOST_NAMED])}{more}) "
        "they are too narrow to be believed"
    )


def banner_lines(provenance: Provenance) -> list[str]:
    """Write the warning above results of synthetic or limited data; no line for others."""
    lines = ["*** SYNTHETIC DATA: these numbers say nothing about real ECGs or patients. ***"] if provenance.synthetic else []
    lines += [f"*** LIMITED DATA: only {provenance.limited} were prepared, for a quick try. ***"] if provenance.limited else []
    return [*lines, ""] if lines else []


def figure_note(provenance: Provenance) -> str:
    """Write the note under every figure: split, records, patients."""
    mark = "SYNTHETIC data. " if provenance.synthetic else ""
    mark += f"Limited to {provenance.limited}. " if provenance.limited else ""
    where = provenance.split_scheme if provenance.external else f"Test split ({provenance.split_scheme})"
    return f"{mark}{where}: {provenance.records_text}."


def records_text(n_records: int, n_patients: int, *, patients_known: bool) -> str:
    """Say how many records there are, and of how many patients, as far as that is known."""
    return f"{n_records} records{f' of {n_patients} patients' if patients_known else ', patients unknown'}"


def rule_text(manifest: Mapping[str, Any]) -> str:
    """Write the manifest's label rule, its settings after its words."""
    rule, with_likelihood = manifest["label_rule"], has_likelihood(manifest)
    if not isinstance(rule, Mapping):
        return str(rule)
    settings = ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in rule.items()
        if key != "text" and (with_likelihood or key != "min_likelihood")
    )
    return "; ".join(filter(None, (str(rule.get("text", "")), settings)))


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(f"{name + ':':<20}{text}", WIDTH, subsequent_indent=" " * 20, break_long_words=False, break_on_hyphens=False)
