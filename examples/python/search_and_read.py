"""Search from Python, then read the study: python search_and_read.py DATA STUDY. Started again, it resumes."""

import sys
from pathlib import Path

import ecg_tune
from ecg_tune.cli.main import run


def main(data: str, folder: str, trials: str = "4", max_epochs: str = "3") -> None:
    """Search two families, and print the best trials with their parameters."""
    flags = ["--families", "cnn1d,rnn", "--profile", "small", "--trials", trials, "--max-epochs", max_epochs]
    if run(["search", folder, "--data", data, *flags]) != 0:  # what `ecg-tune search` does, in this process
        raise SystemExit("the search did not end: its last lines say why")
    with ecg_tune.open_study(Path(folder)) as study:
        for trial in study.best(3):
            value = f"{trial.value:.4f} on validation after {trial.epochs} epochs"
            print(f"trial {trial.number} ({trial.family}): {value}, {dict(trial.params)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
