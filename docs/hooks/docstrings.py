"""Docstrings as the site's build reads them: `Example:` is the section that Griffe calls `Examples:`, so that it is shown as code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Renames the section in every docstring. The docstrings themselves stay as they are."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Take one object that was read from the source (called by Griffe)."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
