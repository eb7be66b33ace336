"""The synthetic PTB-XL: layout, determinism, stratification, and a difficulty that is neither trivial nor hopeless."""

from __future__ import annotations

import ast
import csv
import hashlib
from collections import Counter

import numpy as np
import pytest
import wfdb
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecg_tune.config import CLASS_NAMES, LEAD_NAMES
from ecg_tune.data.synthetic.cohort import AGE_OVER_89, N_FOLDS, assign_folds, draw_cohort, draw_label_sets
from ecg_tune.data.synthetic.generator import synthesize
from ecg_tune.errors import DataError
from ecg_tune.metrics import per_class_auc

N_RECORDS = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthetic") / "ptbxl"
    synthesize(out, n_records=N_RECORDS, seed=0)
    return out


@pytest.fixture(scope="module")
def rows(folder):
    with (folder / "ptbxl_database.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _signal_uv(folder, row):
    return np.fromfile(folder / f"{row['filename_lr']}.dat", dtype="<i2").reshape(1000, 12)


def _labels(folder, rows):
    """Return (n_records, 5) from the two tables, as a reader of PTB-XL takes them."""
    with (folder / "scp_statements.csv").open(newline="") as file:
        superclass = {row[""]: row["diagnostic_class"] for row in csv.DictReader(file) if row["diagnostic"] == "1.0"}
    found = [{superclass.get(code) for code in ast.literal_eval(row["scp_codes"])} for row in rows]
    return np.array([[name in classes for name in CLASS_NAMES] for classes in found], dtype=np.uint8)


@pytest.mark.slow
def test_files_read_by_wfdb_are_bit_identical_with_right_headers(folder, rows):
    for row in rows[::60]:
        record = wfdb.rdrecord(str(folder / row["filename_lr"]), physical=False)
        signal = _signal_uv(folder, row)
        np.testing.assert_array_equal(record.d_signal, signal)
        assert (record.fs, record.sig_len, tuple(record.sig_name)) == (100, 1000, LEAD_NAMES)
        assert record.fmt == ["16"] * 12
        assert record.adc_gain == [1000.0] * 12
        assert record.baseline == [0] * 12
        assert record.init_value == signal[0].tolist()
        assert record.checksum == (signal.astype(int).sum(axis=0) % 65536).tolist()
        assert record.calc_checksum(expanded=False) == record.checksum


def test_header_has_the_published_form(folder, ptbxl):
    path = "records100/00000/00001_lr.hea"
    ours, published = ((root / path).read_text().split("\n") for root in (folder, ptbxl))
    assert ours[0] == published[0]
    for mine, theirs in zip(ours[1:], published[1:], strict=True):
        fields, model = mine.split(" "), theirs.split(" ")
        assert fields[:5] + fields[7:] == model[:5] + model[7:]


def test_tables_have_the_published_columns(folder, ptbxl):
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        ours, published = ((root / name).read_text(encoding="utf-8").split("\n")[0].strip() for root in (folder, ptbxl))
        assert ours == published


def test_database_has_28_columns_and_no_row_lacks_what_a_reader_needs(rows):
    assert len(rows[0]) == 28
    for row in rows:
        assert all(row[name] for name in ("ecg_id", "patient_id", "age", "sex", "device", "recording_date", "scp_codes", "strat_fold"))
        assert row["patient_id"].endswith(".0")
        assert row["filename_hr"] == row["filename_lr"].replace("records100", "records500").replace("_lr", "_hr")


def test_likelihoods_are_those_ptbxl_uses(rows):
    likelihoods = Counter(value for row in rows for value in ast.literal_eval(row["scp_codes"]).values())
    assert set(likelihoods) == {0.0, 15.0, 35.0, 50.0, 80.0, 100.0}


def test_every_listed_sum_is_right_and_every_file_is_listed(folder):
    listed = dict(reversed(line.split(" ")) for line in (folder / "SHA256SUMS.txt").read_text().splitlines())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == files - {"SHA256SUMS.txt"}
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())


def test_folder_says_what_it_is_and_lists_its_records(folder, rows):
    assert (folder / "SYNTHETIC.txt").read_text().startswith("SYNTHETIC: ")
    assert (folder / "RECORDS").read_text().splitlines() == [row["filename_lr"] for row in rows]


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthesize(tmp_path / name, n_records=12, seed=seed)
    sums = {name: (tmp_path / name / "SHA256SUMS.txt").read_bytes() for name in "abc"}
    assert sums["a"] == sums["b"]
    assert sums["a"] != sums["c"]


def test_no_patient_crosses_folds_and_some_have_several_records(rows):
    folds: dict[str, set[str]] = {}
    for row in rows:
        folds.setdefault(row["patient_id"], set()).add(row["strat_fold"])
    assert all(len(found) == 1 for found in folds.values())
    assert 0.8 * len(rows) < len(folds) < len(rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_records", [60, 61, 75, 100, 150])
def test_sixty_records_put_every_class_on_both_sides_of_every_split(n_records, seed):
    members = draw_cohort(n_records, np.random.default_rng(seed))
    for folds in (range(1, 8), range(1, 9), (9,), (10,)):
        inside = [member for member in members if member.fold in folds]
        for name in CLASS_NAMES:
            assert 0 < sum(name in member.classes for member in inside) < len(inside)


@pytest.mark.parametrize("n_records", [200, 333, 600])
def test_last_three_folds_hold_every_class_and_its_absence(n_records):
    sets = draw_label_sets(n_records)
    folds = assign_folds(sets)
    assert np.ptp(np.bincount(folds, minlength=N_FOLDS + 1)[1:]) <= 1
    for fold in (8, 9, 10):
        inside = [labels for labels, own in zip(sets, folds, strict=True) if own == fold]
        for name in CLASS_NAMES:
            assert 0 < sum(name in labels for labels in inside) < len(inside)


def test_folds_have_the_same_label_mix(folder, rows):
    labels = _labels(folder, rows)
    folds = np.array([int(row["strat_fold"]) for row in rows])
    counts = np.array([labels[folds == fold].sum(axis=0) for fold in range(1, N_FOLDS + 1)])
    assert (np.ptp(counts, axis=0) <= 4).all()


def test_odd_rows_are_there_and_no_record_is_damaged(folder, rows):
    signals = np.stack([_signal_uv(folder, row) for row in rows])
    assert np.abs(signals.astype(int)).max() < 10_000
    assert 1 <= (np.ptp(signals, axis=1) == 0).any(axis=1).sum() <= 0.05 * len(rows)
    assert 1 <= (_labels(folder, rows).sum(axis=1) == 0).sum() <= 0.05 * len(rows)
    assert 1 <= sum(float(row["age"]) == AGE_OVER_89 for row in rows) <= 0.08 * len(rows)
    for name in ("baseline_drift", "static_noise", "burst_noise"):
        assert any(row[name] for row in rows)


def test_returned_counts_are_those_of_the_tables(tmp_path):
    reported: list[tuple[int, int]] = []
    counts = synthesize(tmp_path / "few", n_records=20, seed=1, progress=lambda done, total: reported.append((done, total)))
    with (tmp_path / "few" / "ptbxl_database.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = _labels(tmp_path / "few", rows)
    assert reported == [(k, 20) for k in range(1, 21)]
    assert counts["records"] == len(rows) == 20
    assert counts["patients"] == len({row["patient_id"] for row in rows})
    assert counts["without_superclass"] == int((labels.sum(axis=1) == 0).sum())
    assert [counts[name] for name in CLASS_NAMES] == labels.sum(axis=0).tolist()


def _median_beat(signal_uv):
    """Return the median beat of leads I, II, V2 round the steepest points, (225,) millivolts."""
    signal = signal_uv[:, [0, 1, 7]] / 1000
    signal = signal - np.median(signal, axis=0)
    steep = np.convolve(np.abs(np.diff(signal, axis=0)).sum(axis=1), np.ones(5), "same")
    limit = 0.5 * np.percentile(steep, 99)
    peaks = []
    while len(peaks) < 30 and steep.max() > limit:
        peaks.append(int(steep.argmax()))
        steep[max(0, peaks[-1] - 25) : peaks[-1] + 25] = 0
    beats = [signal[peak - 30 : peak + 45] for peak in peaks if 30 <= peak <= 955]
    return np.median(beats, axis=0).T.ravel()


def test_simple_classifier_finds_it_neither_trivial_nor_hopeless(folder, rows):
    features = np.stack([_median_beat(_signal_uv(folder, row)) for row in rows])
    labels = _labels(folder, rows)
    train = np.array([int(row["strat_fold"]) <= 7 for row in rows])
    models = [make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500)).fit(features[train], y) for y in labels[train].T]
    scores = np.stack([model.predict_proba(features[~train])[:, 1] for model in models], axis=1)
    aucs = per_class_auc(labels[~train], scores)
    assert 0.72 < aucs.mean() < 0.95
    assert (aucs > 0.65).all()


def test_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty: name a new folder"):
        synthesize(tmp_path, n_records=20)
    with pytest.raises(DataError, match="is a file: name a new folder"):
        synthesize(tmp_path / "thesis.txt", n_records=20)


def test_numbers_out_of_range_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"must be 10\.\.99000 .*but got 3"):
        synthesize(tmp_path / "x", n_records=3)
    with pytest.raises(DataError, match=r"seed must be 0 or more, but got -1"):
        synthesize(tmp_path / "x", seed=-1)
