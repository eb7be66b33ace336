"""The import rule and the bans of docs/how-it-works/architecture.md, read from the source."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ecg_tune", "search_spaces", "trainables", "analysis")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

LOWEST = ("errors", "scratch", "storage", "file_sizes", "folder_kinds", "output_file", "config", "metrics", "timing")
BASE = {f"ecg_tune.{name}" for name in LOWEST}
ALLOWED = {
    "ecg_tune.errors": set(),
    "ecg_tune.timing": set(),
    "ecg_tune.scratch": set(),
    "ecg_tune.storage": {"ecg_tune.errors", "ecg_tune.scratch"},
    "ecg_tune.file_sizes": {"ecg_tune.errors"},
    "ecg_tune.output_file": {"ecg_tune.errors"},
    "ecg_tune.config": {"ecg_tune.errors"},
    "ecg_tune.metrics": {"ecg_tune.errors", "ecg_tune.config"},
    "ecg_tune.transforms": BASE,
    "ecg_tune.models": BASE | {"ecg_tune.transforms"},
    "ecg_tune.data": BASE | {"ecg_tune.transforms"},
    "ecg_tune.training": BASE | {"ecg_tune.transforms", "ecg_tune.models", "ecg_tune.data"},
    "ecg_tune.export": BASE | {"ecg_tune.transforms", "ecg_tune.models", "ecg_tune.data", "ecg_tune.training"},
    "ecg_tune.study": BASE,
    "ecg_tune.cluster": BASE | {"ecg_tune.data"},
    "ecg_tune.search": BASE | {"ecg_tune.data", "ecg_tune.models", "ecg_tune.training", "ecg_tune.study", "ecg_tune.cluster"},
}
"""Which parts of ecg_tune each part may import, besides itself. Models and data don't know each other."""

ROOF = ("ecg_tune.api", "ecg_tune.cli")
"""What wires everything: functions, and commands that call them. The lower one knows nothing of the commands, nobody else of either."""

ONLY_IN = {
    "ray": ("ecg_tune/search/", "ecg_tune/cluster/", "trainables/", "ecg_tune/api/", "ecg_tune/cli/"),
    "optuna": ("ecg_tune/study/", "ecg_tune/search/", "search_spaces/", "analysis/", "ecg_tune/cli/"),
    "pyts": ("ecg_tune/data/exchange/writer.py",),
    "wfdb": ("ecg_tune/data/ptbxl/records.py", "ecg_tune/data/recordings/wfdb_format.py"),
    "pyedflib": ("ecg_tune/data/recordings/edf_format.py",),
    "plotly": ("analysis/",),
    "matplotlib": ("analysis/",),
    "pandas": ("ecg_tune/data/", "ecg_tune/study/trial_table.py", "analysis/"),
    "onnx": ("ecg_tune/export/",),
    "onnxruntime": ("ecg_tune/export/",),
    "pydantic": (),
    "torchvision": (),
}


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    return ".".join(module.split(".")[:2]) if module.startswith("ecg_tune.") else module.split(".")[0]


def type_checking(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes under `if TYPE_CHECKING:`, which are never run."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and isinstance(n.test, ast.Name) and n.test.id == "TYPE_CHECKING"]
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


@cache
def imports(path: Path) -> list[str]:
    """Return the modules a file imports, those inside functions included."""
    tree = tree_of(path)
    skipped, found = type_checking(tree), []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_lies_below_it(path):
    mine, file = part_of(name_of(path)), path.relative_to(ROOT).as_posix()
    for module in imports(path):
        top, target = module.split(".")[0], part_of(module)
        if top in ONLY_IN:
            assert file.startswith(ONLY_IN[top] or ("nowhere",)), f"{file} imports {top}"
        if top not in PACKAGES or target == mine:
            continue
        if mine == "ecg_tune.cli" or file == "ecg_tune/__main__.py" or (mine == "ecg_tune.api" and target != "ecg_tune.cli"):
            continue  # the roof wires everything
        assert target not in ROOF, f"{file} imports the roof"
        if mine.startswith("ecg_tune"):
            assert target in ALLOWED[mine], f"{file} imports {module}"
        else:
            assert top == "ecg_tune", f"{file} imports {module}: the shelves don't know each other"


def imports_inside_functions(tree: ast.Module) -> list[ast.stmt]:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [node for function in functions for node in ast.walk(function) if isinstance(node, (ast.Import, ast.ImportFrom))]


SEPARATE = {
    "analysis.dashboard": ("analysis.evaluation", "analysis.retraining"),
    "analysis.evaluation": ("analysis.dashboard",),
}
"""Products of `analysis`, and those of which they import nothing."""


@pytest.mark.parametrize("product", SEPARATE)
def test_dashboard_and_evaluation_import_nothing_of_each_other(product):
    for path in ROOT.joinpath(*product.split(".")).rglob("*.py"):
        for module in imports(path):
            assert not module.startswith(SEPARATE[product]), f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_an_import_inside_a_function_has_its_reason_beside_it(path):
    inside = imports_inside_functions(tree_of(path))
    tokens = tokenize.generate_tokens(io.StringIO(text_of(path) if inside else "").readline)
    comments = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    for node in inside:
        assert {node.lineno - 1, node.lineno} & comments, f"{path.relative_to(ROOT)}:{node.lineno}: why is this import not at the top?"


def test_there_is_no_import_cycle():
    modules = {name_of(path): path for path in SOURCES}
    graph = {
        name: {module if module in modules else module.rpartition(".")[0] for module in imports(path)} & set(modules)
        for name, path in modules.items()
    }
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != 1, f"cycle: {' -> '.join((*trail, name))}"
        if name in state:
            return
        state[name] = 1
        for other in graph[name] - {name}:
            visit(other, (*trail, name))
        state[name] = 2

    for name in modules:
        visit(name, ())


def test_only_the_evaluation_and_the_export_open_the_test_split():
    callers = {path.relative_to(ROOT).as_posix() for path in SOURCES if "open_test(" in text_of(path)}
    evaluation = {"analysis/evaluation/evaluate.py", "analysis/evaluation/external.py"}
    assert callers - {"ecg_tune/data/prepared/dataset.py"} <= evaluation | {"ecg_tune/data/exchange/writer.py"}


def test_retraining_knows_nothing_of_the_evaluation():
    for path in (ROOT / "analysis" / "retraining").rglob("*.py"):
        assert not any(module.startswith("analysis.evaluation") for module in imports(path)), path.name


def test_weights_are_only_loaded_as_weights():
    for path in SOURCES:
        for call in (n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Call)):
            if ast.unparse(call.func) == "torch.load":
                assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords), path


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_fits_on_a_few_screens(path):
    assert len(text_of(path).splitlines()) <= 300


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_function_has_at_most_40_lines_without_its_docstring(path):
    for function in (n for n in ast.walk(tree_of(path)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))):
        docstring = function.body[0] if ast.get_docstring(function) is not None else None
        in_docstring = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
        assert function.end_lineno - function.lineno + 1 - in_docstring <= 40, f"{function.name}, line {function.lineno}"


LIGHT = {
    "light": {
        "ecg_tune": ("torch", "ray", "optuna", "wfdb", "numpy", "pandas"),
        "ecg_tune.cli.main": ("torch", "ray", "optuna", "pandas", "plotly", "matplotlib", "numpy"),
        "analysis": ("torch", "ray", "optuna", "pandas", "plotly", "matplotlib", "sklearn", "scipy"),
        "ecg_tune.data.prepared.dataset": ("wfdb", "pandas", "torch", "scipy"),
        "analysis.dashboard.dashboard": ("torch", "ray", "matplotlib"),
        **dict.fromkeys([f"ecg_tune.cli.{command}" for command in ("status", "pull", "dashboard")], ("torch", "ray", "matplotlib")),
    },
    "worker": {
        "ecg_tune.training.fit": ("wfdb", "pandas", "ray", "optuna", "scipy", "sklearn"),
        "analysis.retraining.training_jobs": ("ray", "plotly", "matplotlib", "sklearn"),
        "ecg_tune.export.formats": ("ray", "wfdb", "onnx", "onnxruntime"),
        "search_spaces": ("ray", "wfdb", "pyts"),
        "trainables": ("pyts", "sklearn", "wfdb", "plotly", "matplotlib"),
    },
    "driver": {"ecg_tune.search.runner": ("torch", "scipy", "sklearn", "cmaes", "plotly", "matplotlib")},
}
"""What a module must not load, neither itself nor those above it in its group, which one process imports one after the other."""


@pytest.mark.parametrize("group", LIGHT)
@pytest.mark.slow
def test_heavy_libraries_stay_unloaded(group):
    code = "import importlib, json, sys; loaded = {}\n"
    for module, banned in LIGHT[group].items():
        code += f"importlib.import_module({module!r}); loaded[{module!r}] = [n for n in {banned!r} if n in sys.modules]\n"
    done = subprocess.run([sys.executable, "-c", f"{code}print(json.dumps(loaded))"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {module: [] for module in LIGHT[group]}


BANNED_NAMES = frozenset(
    (
        *("again", "another", "given", "here", "known", "made", "mine", "new", "old", "other", "others", "ours", "same", "there"),
        *("common", "helper", "helpers", "misc", "rest", "stuff", "things", "tools", "util", "utils"),
        *("book", "cut", "folder", "keeper", "parcel", "part", "parts", "place", "row", "rows", "silence", "snapshots", "spread", "tally"),
        *("ask", "asking", "copying", "drawn", "making", "told", "twin", "watching"),
    )
)
"""No name of a module: pronouns and their like, rooms for everything, and words that the field does not use for these things."""
PARTICIPLES = {"prepared"}
"""The one allowed: "prepared data" is the name of the thing."""


def test_a_module_is_named_by_a_noun_of_the_field():
    names = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert names & BANNED_NAMES == set()
    assert {name for name in names if name.endswith("ed") and "_" not in name} <= PARTICIPLES


PLAIN = (
    "ecg_tune/cluster",
    "ecg_tune/data",
    "ecg_tune/training",
    "ecg_tune/transforms",
    "ecg_tune/errors.py",
    "ecg_tune/metrics.py",
    "ecg_tune/storage.py",
)
"""Where no docstring begins with a riddle like "Return what …"."""


def test_a_docstring_is_no_riddle():
    paths = [path for path in SOURCES if path.relative_to(ROOT).as_posix().startswith(PLAIN)]
    documented = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
    nodes = [node for path in paths for node in ast.walk(tree_of(path)) if isinstance(node, documented)]
    riddles = re.compile(r"(Return|Say|Give|Tell) (what|where|which|how|all that)\b")
    assert [text for node in nodes if riddles.match(text := ast.get_docstring(node) or "")] == []


def normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def required(lines: list[str]) -> set[str]:
    """Return the normalised names of distributions in lines like `ray[default,tune]==2.60.0  # why`."""
    return {normalised(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines if line.strip() and not line.startswith("#")}


def imported_distributions(paths: list[Path]) -> set[str]:
    """Return the normalised names of the distributions that files import, those inside functions included."""
    owners = packages_distributions()
    modules = {module.split(".")[0] for path in paths for module in imports(path)} - set(sys.stdlib_module_names)
    return {normalised(owner) for module in modules if module not in PACKAGES for owner in owners.get(module, [module])[:1]}


@pytest.mark.slow
def test_what_is_imported_is_declared_and_what_is_pinned_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = required((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    ranges = required([*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)])
    imported = imported_distributions(SOURCES)
    assert imported - pinned == set(), "imported, but not in requirements.txt"
    assert imported - ranges == set(), "imported, but not in pyproject.toml"
    assert pinned - imported == set(), "pinned, but not imported"
