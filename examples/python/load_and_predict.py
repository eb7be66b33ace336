"""Load a trained model and predict recordings: python load_and_predict.py STUDY/models/CNN1D_best.pth RECORD…"""

import sys

import ecg_tune


def main(model_file: str, *records: str) -> None:
    """Print each class' probability, and a star where it reaches the threshold that validation chose."""
    model = ecg_tune.load_model(model_file)
    kind = "SYNTHETIC" if model.synthetic else "real"
    print(f"takes leads {', '.join(model.leads)} at {model.sampling_rate_hz} Hz; {kind} training data")
    for record in records:
        recordings = ecg_tune.read_recordings(record)  # any rate, any order of leads; what does not fit is refused
        for recording, probabilities in zip(recordings, ecg_tune.predict(model, recordings), strict=True):
            found = zip(model.class_names, probabilities, model.thresholds["f1"], strict=True)
            print(recording.name, *(f"{name} {p:.3f}{'*' if p >= threshold else ''}" for name, p, threshold in found))


if __name__ == "__main__":
    main(*sys.argv[1:])
