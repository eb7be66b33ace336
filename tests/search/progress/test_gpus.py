"""Reading the GPUs' use, with a stand-in for nvidia-smi."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ecg_tune.search.progress.gpus import GpuMeter, parse


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch) -> Path:
    """Return the program that answers instead of nvidia-smi."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '83, 12207, 81920'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


def settle() -> None:
    """Wait for the readings that were begun."""
    for thread in threading.enumerate():
        if thread.daemon and "_read" in thread.name:
            thread.join()


def test_a_gpus_line_is_percent_and_mebibytes():
    (first, second) = parse("83, 12207, 81920\n0, 4, 24576\n")
    assert (first.busy, first.used_gb, first.total_gb) == pytest.approx((0.83, 12.8, 85.9), abs=0.01)
    assert second.busy == 0.0


@pytest.mark.parametrize("answer", ["", "[N/A], [N/A], 81920\n", "NVIDIA-SMI has failed because it couldn't communicate with the driver\n"])
def test_what_is_no_gpu_that_tells_its_use_is_left_out(answer):
    assert parse(answer) == ()


def test_the_meter_answers_at_once_and_knows_more_later(nvidia_smi):
    meter = GpuMeter()
    assert meter() == ()
    settle()
    assert [gpu.busy for gpu in meter()] == [0.83]


def test_it_is_asked_now_and_then_only(nvidia_smi):
    meter = GpuMeter()
    meter()
    settle()
    nvidia_smi.unlink()
    assert [gpu.busy for gpu in meter()] == [0.83]


def test_without_nvidia_smi_there_is_nothing_to_show(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    meter = GpuMeter()
    assert meter() == ()
    settle()
    assert meter() == ()
