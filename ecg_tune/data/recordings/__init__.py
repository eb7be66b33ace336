"""One's own recordings: read from WFDB, CSV, NPY and EDF files, and turned into what a model takes."""
