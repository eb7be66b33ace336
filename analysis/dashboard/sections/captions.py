"""Title of every section and the sentence how to read it."""

from __future__ import annotations

CAPTIONS = {
    "history": (
        "History",
        "A point is a trial: filled when trained to its end, open when not (then at its best epoch). "
        "The stepped line is the best so far; a dotted line is what a family's default config reached.",
    ),
    "curves": (
        "Learning curves",
        "One line a trial, the metric after every epoch; dotted verticals are the rungs at which early stopping compares a family's "
        "trials. All families share the vertical scale.",
    ),
    "rungs": (
        "Rung survival",
        "A bar counts the trials that stood at a rung, its parts what became of them there; a trial that its own patience ended stands at "
        "the later rungs too, with its best value.",
    ),
    "comparison": (
        "Families",
        "How good a family's best complete trial was after so much had been spent on the family, stopped and failed trials counted; "
        "left of the dotted line every family had the same budget.",
    ),
    "importances": (
        "Importances",
        "Which parameters decided whether a trial came among the best tenth (PED-ANOVA over complete trials); shares sum to 100 %. "
        "They say what mattered in this search space, not which value is best: see the slices.",
    ),
    "parallel": (
        "Parallel coordinates",
        "A line is a complete trial, from grey (worst) over blue and violet to orange (best); drag along an axis to keep "
        "only the trials that pass there, click the axis to let go.",
    ),
    "slices": (
        "Slices",
        "The metric on validation records against one parameter at a time: filled points are complete trials, open grey ones were "
        "stopped or failed and show their best epoch. A cloud that rises to one side says where to search next.",
    ),
    "contour": (
        "Contour",
        "The metric over the family's two most important parameters, smoothed between its complete trials (the points), from grey "
        "(worst) to orange (best); empty where no trial is near. A ridge that leans says that the two must be chosen together.",
    ),
    "rank": (
        "Rank",
        "A point is a complete trial at its values of two parameters, coloured by its place among the family's trials: one far "
        "outlier can't wash the colours out. Orange points that gather in a corner show where the good region is.",
    ),
    "timeline": (
        "Timeline",
        "One lane a worker, one bar a trial from start to end; a hatched gap is time in which a worker had nothing to do.",
    ),
    "failures": (
        "Failures",
        "Failed trials by reason; a reason that gathers in one family or at one kind of setting is worth a look before searching on.",
    ),
    "pareto": (
        "Pareto front",
        "A point is a complete trial; a large filled one is on the front: no other trial is at least as good in every objective and "
        "better in one. Take one from the front, by what a little more of the metric is worth to you.",
    ),
    "edf": (
        "Distribution",
        "The share of a family's complete trials that reached at most a value (empirical distribution function): a curve further right is "
        "a better family or space, a steep one is a family that hardly depends on its settings.",
    ),
    "best": (
        "Best trials",
        "The best complete trials on validation records, with the AUC of every class at the best epoch. The buttons copy a config as YAML "
        "for --enqueue, and the command that retrains. The highest of many is flattered by chance: retrain before believing it.",
    ),
    "classes": (
        "Classes",
        "The AUC of every class on validation records, at the best epoch of each family's best trial. A class in which all families are "
        "low is hard in these data; no interval is shown, for a search keeps no predictions: the report of ecg-tune evaluate has them.",
    ),
}
