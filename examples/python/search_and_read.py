"""Search from Python, then read the study: python search_and_read.py DATA STUDY. Started again, it resumes."""

import sys

import ecg_tune


class Shout(ecg_tune.Callback):
    """Says each new best value."""

    best = 0.0

    def on_epoch(self, trial, epoch, value):
        """Compare the epoch's value with the best so far."""
        if value > self.best:
            self.best = value
            print(f"trial {trial.number} is the best so far: {value:.4f} in epoch {epoch}")


def main(data: str, folder: str, trials: str = "4", max_epochs: str = "3") -> None:
    """Search two families, and print the best trials with their parameters."""
    asked = {"families": "cnn1d,rnn", "profile": "small", "trials": int(trials), "max_epochs": int(max_epochs)}
    if not ecg_tune.search(folder, data, callbacks=[Shout()], **asked).done:
        raise SystemExit("interrupted: start it again, and it resumes")
    with ecg_tune.open_study(folder) as study:
        for trial in study.best_trials(3):
            value = f"{trial.value:.4f} on validation after {trial.epochs} epochs"
            print(f"trial {trial.number} ({trial.family}): {value}, {dict(trial.params)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
