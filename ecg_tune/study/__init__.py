"""Studies: what a search leaves, and everything that reads or continues it. `Study` and `Trial` are where to begin."""

from ecg_tune.study.study import Study as Study
from ecg_tune.study.trial import Trial as Trial
