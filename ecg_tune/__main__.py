"""`python -m ecg_tune` is `ecg-tune`."""

from ecg_tune.cli.main import main

if __name__ == "__main__":
    main()
