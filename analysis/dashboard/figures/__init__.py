"""One file a figure: `x_data` computes plain values, `x_figure` draws them.

What stands for a trial carries its number, so that the page can mark a trial wherever it is drawn: in every trace that shows trials,
``customdata[i][0]`` is the number of the trial that point ``i`` belongs to (every point of a line that is one trial has it), or null for a
point that is no trial (a gap between two lines). A trace that stands for no trial, e.g. a band or a count, has no ``customdata``.
"""
