"""What README and docs say still holds: links resolve, paths exist, command lines parse, flags are real."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import itertools
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.main import get_command

from ecg_tune.cli.main import app
from ecg_tune.config import SearchSettings, TrainingConfig

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
GENERATED = {"docs/reference/commands.md", "docs/reference/settings.md"}
"""Pages that the site's build writes, see `docs/hooks/reference_pages.py`."""
ROOTS = "ecg_tune|search_spaces|trainables|analysis|tests|benchmarks|docs|deploy|examples"
SCRIPTS = ("benchmarks", "docs", "tests")
MADE_UP = {"x", "tcn"}
"""Names that stand for a reader's own file."""
ENTRY_POINTS = {"ecg_tune.families", "ecg_tune.callbacks"}
FOREIGN_FLAGS = {"--deploy-mode", "--node-ip-address", "--no-deps", "--no-build-isolation", "--upgrade"}
"""Flags of other programs that the docs name by themselves."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[str]:
    """Return the fenced blocks' content, lines that end in a backslash joined with the next."""
    found = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    return [block.replace("\\\n", " ") for block in found]


def code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_blocks(text))


def anchors(page: Path) -> set[str]:
    """Return the ids that a page's headings get: lower case, punctuation gone, a dash for each run of spaces."""
    headings = re.findall(r"^#+ +(.+?) *$", without_blocks(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    ids = [re.search(r"\{ *#([\w-]+) *\}$", heading) for heading in headings]
    return {
        given.group(1) if given else re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for given, heading in zip(ids, headings, strict=True)
    }


@pages
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        name = goal.relative_to(ROOT).as_posix()
        assert goal.exists() or name in GENERATED, f"{target}: {name} does not exist"
        if anchor and name not in GENERATED:
            assert anchor in anchors(goal), f"{target}: {name} has the headings {sorted(anchors(goal))}"


@pages
def test_pages_of_the_site_link_only_into_the_site(page):
    """Elsewhere a link would be dead in the built site, or in the README's rendering on a package index."""
    if (ROOT / "docs") not in page.parents:
        return
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:|#", target):
            assert (ROOT / "docs") in (page.parent / target.partition("#")[0]).resolve().parents, f"{target}: name the file as code instead"


def expanded(path: str) -> list[str]:
    """Return the paths that `a/{b,c}.py` stands for."""
    parts = [part.split(",") for part in re.split(r"[{}]", path)]
    even = [[",".join(part)] if number % 2 == 0 else part for number, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*even)]


def paths_in(text: str) -> list[str]:
    """Return every path of the repository that is named as code; `<family>` and `x` in a name stand for any."""
    named = [span for span in code_spans(text) if re.fullmatch(rf"(?:{ROOTS})/[\w./{{}},<>*-]*", span)]
    named += re.findall(rf"(?<![\w/.-])(?:{ROOTS})/[\w/.-]+\.(?:py|md|yaml|sh|js|css|html)\b", "\n".join(blocks(text)))
    return [path for span in named for path in expanded(span)]


@pages
def test_every_path_that_is_named_exists(page):
    if page.name == "CHANGELOG.md":
        return  # it tells of the past
    for path in paths_in(page.read_text(encoding="utf-8")):
        pattern = re.sub(r"<\w+>", "*", path)
        if Path(path).stem in MADE_UP:
            continue
        found = [match for folder in (ROOT, page.parent) for match in folder.glob(pattern.rstrip("/"))]
        assert path in GENERATED or found, f"{path} does not exist"


@pages
def test_every_dotted_name_that_is_named_is_a_module_or_stands_in_one(page):
    if page.name == "CHANGELOG.md":
        return
    for span in code_spans(page.read_text(encoding="utf-8")):
        if not re.fullmatch(r"(?:ecg_tune|search_spaces|trainables|analysis)(?:\.\w+)+", span) or span in ENTRY_POINTS:
            continue
        path, rest = ROOT, span.split(".")
        while rest and ((path / rest[0]).is_dir() or (path / f"{rest[0]}.py").is_file()):
            path /= rest.pop(0)
        source = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        assert len(rest) <= 1, f"{span}: {path.relative_to(ROOT)} has no {rest[0]}"
        assert not rest or re.search(rf"\b{rest[0]}\b", source.read_text(encoding="utf-8")), f"{span}: {source.name} has no {rest[0]}"


@pages
def test_every_python_example_imports_names_that_exist(page):
    text = page.read_text(encoding="utf-8")
    examples = re.findall(r"^ *```python\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    for node in (node for example in examples for node in ast.walk(ast.parse(example))):
        if isinstance(node, ast.ImportFrom) and node.module and re.match(ROOTS, node.module):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"from {node.module} import {alias.name}"


def find_command(words: list[str]) -> tuple[Any, Any, list[str]]:
    """Return the command that a line calls, its context, and the arguments after its name."""
    command = get_command(app)
    context = typer.Context(command, info_name="ecg-tune")
    while words and hasattr(command, "list_commands") and not words[0].startswith("-"):
        assert words[0] in command.list_commands(context), f"there is no command {words[0]!r}"
        command = command.get_command(context, words.pop(0))
        context = typer.Context(command, info_name="", parent=context)
    return command, context, words


def lines_of(text: str) -> list[list[str]]:
    """Return the `ecg-tune …` lines of the fenced blocks as words, without comments, prompts and `…`."""
    lines = [line.strip().removeprefix("$ ") for block in blocks(text) for line in block.splitlines()]
    calls = [call.strip() for line in lines for call in re.split(r";|&&", line) if re.match(r"(?:\.venv/bin/)?ecg-tune ", call.strip())]
    return [[word for word in shlex.split(call, comments=True) if word not in ("…", "[…]")][1:] for call in calls]


@pages
def test_every_command_line_parses(page):
    for words in lines_of(page.read_text(encoding="utf-8")):
        command, context, arguments = find_command(list(words))
        values, left, _ = command.make_parser(context).parse_args(list(arguments))
        assert not left, f"{words}: nothing takes {left}"
        for parameter in command.params:
            assert not parameter.required or parameter.name in values or "--help" in words or "--schema" in words, (
                f"{words}: {parameter.name} is missing"
            )
            if parameter.name in values:
                parameter.process_value(context, values[parameter.name])


def all_flags() -> set[str]:
    """Return every flag of every command."""
    root = get_command(app)
    waiting, flags = [root], {"--help"}
    while waiting:
        command = waiting.pop()
        context = typer.Context(command, info_name="")
        options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]  # old names are hidden
        flags |= {flag for option in options for flag in (*option.opts, *option.secondary_opts)}
        inner = [command.get_command(context, name) for name in getattr(command, "list_commands", lambda _: [])(context)]
        waiting += [command for command in inner if not command.hidden]
    return flags


@pytest.fixture(scope="module")
def known() -> SimpleNamespace:
    scripts = [path.read_text(encoding="utf-8") for folder in SCRIPTS for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    return SimpleNamespace(flags=all_flags(), scripts="\n".join(scripts))


@pages
def test_every_flag_and_command_that_a_sentence_names_is_real(page, known):
    if page.name == "CHANGELOG.md":
        return
    for span in code_spans(page.read_text(encoding="utf-8")):
        if span.startswith("ecg-tune "):
            find_command([word for word in span.split()[1:] if re.match(r"[a-z]", word)][:2])
        elif not span.startswith(("-", "ecg-tune")):
            continue
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", span):
            assert flag in known.flags | FOREIGN_FLAGS or f'"{flag}"' in known.scripts, f"`{span}`: no command takes {flag}"


@pytest.fixture(scope="module")
def reference() -> Any:
    """Load the module that writes the reference when the site is built."""
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "docs" / "hooks" / "reference_pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_commands_has_every_command_and_flag(reference, known):
    page = reference.commands_page()
    missing = [flag for flag in known.flags - {"--help"} if not any(f"{before}{flag}" in page for before in ("`", ", ", " / "))]
    assert missing == []


def test_the_reference_of_settings_has_every_setting_of_a_search_and_a_training(reference):
    page = reference.settings_page()
    names = [field.name for cls in (SearchSettings, TrainingConfig) for field in dataclasses.fields(cls) if field.name != "augment"]
    assert [name for name in names if f"| `{name}`" not in page] == []
