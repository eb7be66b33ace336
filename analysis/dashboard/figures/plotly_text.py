"""Text for plotly, which reads a small part of HTML in titles, ticks, legends and hover texts.

What is inside a figure never becomes an element of the page. Yet a name such as "a<b>" would change how plotly shows it, so every name
goes through `escape`, and `hover` is the only place that writes plotly's own markup.
"""

from __future__ import annotations

import html


def escape(value: object) -> str:
    """Write a value so that plotly shows it as it is, e.g. "a<b" as "a&lt;b"."""
    return html.escape(str(value), quote=False)


def escape_template(value: object) -> str:
    """Write a value so that plotly shows it as it is inside a hover template, where plotly also fills in ``%{…}``."""
    return escape(value).replace("%", "&#37;")


def unescape(text: str) -> str:
    """Undo `escape`: give the plain text that a reader sees."""
    return html.unescape(text)


def hover(*lines: str) -> str:
    """Join the lines of a hover template; plotly adds no box with the trace's name beside it.

    Args:
        *lines: Templates; names in them are escaped by `escape_template`.
    """
    return "<br>".join(lines) + "<extra></extra>"


def trial_hover(about: str, *lines: str) -> str:
    """Make a hover template whose first line names the trial, e.g. "trial 7 · rnn · complete".

    Args:
        about: Plain text that is true of every point of the trace.
        *lines: Templates of the lines below it.
    """
    return hover("trial %{customdata[0]}" + (f" · {escape_template(about)}" if about else ""), *lines)
