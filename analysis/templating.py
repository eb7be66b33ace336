"""Fill jinja2 templates: the one way in which `analysis` writes HTML and Markdown.

A package keeps its templates in its folder `templates/`; what pages of several packages share is in `analysis/templates/`. Every value
that a template inserts is escaped, unless it is `Markup`, i.e. the output of another template. So a name out of a study or a table never
becomes an element of the page. Markdown is filled by `render_text`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["Markup", "render", "render_text"]


def render(package: str, template: str, /, **values: Any) -> Markup:
    """Fill a template with values and return the HTML, which another template may insert as it is.

    Args:
        package: The package that keeps the template, e.g. "analysis.dashboard".
        template: Its file in the package's folder `templates`, e.g. "page.html".
        **values: What the template names. Text is escaped; `Markup` is inserted unchanged.

    Raises:
        jinja2.UndefinedError: The template names a value that is not given.
        jinja2.TemplateNotFound: There is no such file.
    """
    return Markup(_environment(package, autoescape=True).get_template(template).render(values))


def render_text(package: str, template: str, /, **values: Any) -> str:
    """Fill a template of a Markdown or plain-text file.

    Nothing is escaped: the file is read as text, so HTML's `&amp;` would stand in it as such. Never insert the result into a page.

    Args:
        package, template, **values: As for `render`.

    Raises:
        jinja2.UndefinedError: The template names a value that is not given.
        jinja2.TemplateNotFound: There is no such file.
    """
    return _environment(package, autoescape=False).get_template(template).render(values)


@cache
def _environment(package: str, *, autoescape: bool) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates"), PackageLoader("analysis", "templates")]),
        autoescape=autoescape,
        keep_trailing_newline=not autoescape,  # a text file ends with a line's end; a piece of a page must add no space to it
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
