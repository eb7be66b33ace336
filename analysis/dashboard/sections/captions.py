"""Title of every section and the sentence how to read it."""

from __future__ import annotations

CAPTIONS = {
    "history": (
        "History",
        "A point is a trial: filled at its value when it is complete, open at its best epoch when not. "
        "The stepped line is the best value so far; a dotted line is the value of a family's default config.",
    ),
    "studies": (
        "Best value so far",
        "A line is a study: the best value of its complete trials so far, against all epochs or hours that it had used by then, those of "
        "stopped and failed trials included. Left of the dotted line every study had the same budget.",
    ),
    "study-facts": (
        "Facts",
        "A study of other data has other validation records: compare best values only where the fingerprints are the same.",
    ),
    "curves": (
        "Learning curves",
        "One line a trial, the metric after every epoch; dotted verticals are the rungs at which early stopping compares a family's "
        "trials. All families share the vertical scale.",
    ),
    "rungs": (
        "Rung survival",
        "A bar counts the trials that reached a rung; its colours show what happened to them there. A trial that its own patience ended "
        "counts at the later rungs too, with its best value.",
    ),
    "forecasts": (
        "Forecasts",
        "A line is a trial that waits at a rung: its best value so far, then its forecast at the last epoch with one standard deviation to "
        "each side. A free worker resumes the trial with the largest expected improvement over the dotted line for each epoch left.",
    ),
    "comparison": (
        "Families",
        "The best value of a family against the budget it used, its stopped and failed trials included. "
        "Left of the dotted line every family had the same budget.",
    ),
    "importances": (
        "Importances",
        "Which parameters decided whether a trial is among the best tenth (PED-ANOVA); shares sum to 100 %. They show what mattered "
        "in this search space, not which value is best: see the slices. They rest on complete trials, and on the forecasts of those "
        "that wait or were pruned for one.",
    ),
    "parallel": (
        "Parallel coordinates",
        "A line is a complete trial, or one with a forecast, from grey (worst) over blue and violet to orange (best). Drag along an axis "
        "to keep only the trials that pass there, click the axis to show all again.",
    ),
    "slices": (
        "Slices",
        "The metric on validation records against one parameter at a time: filled points are complete trials, open grey ones "
        "failed, were stopped, or still wait or run; they show their best epoch. Points that rise to one side show where to search next.",
    ),
    "contour": (
        "Contour",
        "The metric over the family's two most important parameters, smoothed between its trials (the points, complete or with a "
        "forecast), from grey (worst) to orange (best); empty where no trial is near. A slanted ridge means that the two must be "
        "chosen together.",
    ),
    "rank": (
        "Rank",
        "A point is a trial, complete or with a forecast, at its values of two parameters, coloured by its rank among them, so that one "
        "outlier can't wash out the colours. Orange points close together show where the good region is.",
    ),
    "timeline": (
        "Timeline",
        "One lane a worker, one bar a trial from start to end; in a hatched gap the worker had nothing to do.",
    ),
    "time": (
        "Time",
        "On what the trials of a family spent their time, from the moment when a worker was free for them. Most of it should be forward, "
        "backward and, for images, images: the rest is what could be saved. Start is long where trials have few epochs.",
    ),
    "failures": (
        "Failures",
        "Failed trials by reason. If a reason is frequent in one family or with one setting, look at it before you search further.",
    ),
    "pareto": (
        "Pareto front",
        "A point is a complete trial; a large filled one is on the front: no other trial is at least as good in every objective and "
        "better in one. Choose from the front by what a little more of the metric is worth to you.",
    ),
    "edf": (
        "Distribution",
        "The share of a family's trials, complete or with a forecast, that reach at most a value (empirical distribution function). A "
        "curve further to the right means a better family or search space; a steep one means that the family hardly depends on its "
        "settings.",
    ),
    "race": (
        "Race over seeds",
        "The best trials of the search, trained again with new seeds, or on folds of the train split: the better half gets more of them, "
        "twice, and the highest mean wins. The interval is that of the mean (Student's t). Search − race shows by how much the "
        "search's value flattered.",
    ),
    "best": (
        "Best trials",
        "The best complete trials on validation records, with the AUC of every class at the best epoch. The buttons copy a config as YAML "
        "for --enqueue, or the command that retrains. The highest of many values is partly luck: retrain before you believe it.",
    ),
    "classes": (
        "Classes",
        "The AUC of every class on validation records, at the best epoch of each family's best trial. A class in which all families are "
        "low is hard in these data. No interval is shown because a search keeps no predictions: the report of ecg-tune evaluate has them.",
    ),
}
