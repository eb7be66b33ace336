"""What the site's build adds to the pages in `docs/`: the reference of commands and settings, written from the code."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reference_pages import commands_page, settings_page  # mkdocs loads a hook with its own folder on the path

PAGES = {"reference/commands.md": commands_page, "reference/settings.md": settings_page}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages (called by mkdocs)."""
    for path, write in PAGES.items():
        files.append(File.generated(config, path, content=write()))
    return files
