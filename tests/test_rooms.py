"""The rooms of the library: a package imports only from those before it, and only the libraries that are its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOT = REPOSITORY / "workflow"
LIBRARY = ROOT / "cornerstone"
LONGEST_FILE = 400

LIBRARIES = {
    "system": {"huggingface_hub", "tqdm"},
    "statistics": {"numpy"},
    "shapley": {"numpy", "scipy", "shapiq"},
    "documents": {"datasets", "huggingface_hub", "jinja2", "lm_eval", "numpy", "pyarrow"},
    "models": {"filelock", "huggingface_hub", "jinja2", "numpy", "tqdm"},
    "measures": set(),
    "loading": {"jinja2", "torch", "transformers"},
    "engine": {"numpy", "torch", "transformers"},
    "evaluations": {"numpy", "pyarrow"},
    "scores": {"numpy"},
    "values": {"numpy", "pandas"},
    "claims": {"numpy", "pandas"},
    "tables": {"numpy", "pandas"},
    "drawing": {"matplotlib", "numpy", "pandas", "seaborn"},
    "figures": {"matplotlib", "numpy", "pandas", "seaborn"},
    "report": {"jinja2", "pandas"},
    "study": {"huggingface_hub", "jsonschema", "pandas", "rich", "yaml"},
}
"""The packages, each importing only from those above it, and the libraries of others that each may import."""
DEMO = "demo"
"""Stands aside: it may import any package, and none imports it."""
DEMO_LIBRARIES = {"tokenizers", "torch", "transformers"}
HANDED_IN = {"loading", "engine"}
"""What needs torch. A script builds the engine and hands it to the packages below, which run without torch."""
READS_CSV = {"claims", "tables", "drawing", "figures"}
"""They are drawn anew from tables, and never read evaluations."""
IN_ONE_MODULE = {"scipy": "shapley.gaussian_process", "shapiq": "shapley.estimators.shapiq"}
"""Heavy libraries that few steps need: importing another module of their package must not import them."""


def may_import(package: str) -> set[str]:
    """The packages of ours that a module of this one may import, its own among them."""
    order = list(LIBRARIES)
    if package == DEMO:
        return {*order, DEMO}
    rooms = set(order[: order.index(package) + 1])
    if order.index(package) > order.index("engine"):
        rooms -= HANDED_IN
    return rooms - {"evaluations"} if package in READS_CSV else rooms


@cache
def modules() -> dict[str, Path]:
    """Every module of the library by its name, such as cornerstone.system.errors; packages are modules too."""
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def packages() -> dict[str, list[str]]:
    """The modules of each package; the library's own __init__.py is in none."""
    found: dict[str, list[str]] = {}
    for name in modules():
        if "." in name:
            found.setdefault(name.split(".")[1], []).append(name)
    return found


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imports(module: str, for_type_checkers: bool = True) -> Iterator[str]:
    """The name of each module that this one imports, within functions too."""
    todo: list[ast.AST] = [parsed(module)]
    while todo:
        node = todo.pop()
        if not for_type_checkers and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo.extend(node.orelse)
            continue
        todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write imports from `cornerstone.` on"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(modules())
            yield from inner or {node.module}


@cache
def our_imports(module: str) -> set[str]:
    """The modules of ours that this one imports, for type checkers too; without the library's version."""
    return {name for name in imports(module) if name.startswith("cornerstone.")}


@cache
def others(module: str) -> set[str]:
    """The libraries of others that a module imports when it runs."""
    names = {name.split(".")[0] for name in imports(module, for_type_checkers=False)}
    return names - {"cornerstone"} - set(sys.stdlib_module_names)


def source_files() -> list[Path]:
    """Every file of Python and of Snakemake that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.smk", "*Snakefile"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.splitlines() if (path := REPOSITORY / name).is_file()]


def test_every_module_is_in_a_known_package():
    assert set(packages()) == {*LIBRARIES, DEMO}


@pytest.mark.parametrize("package", packages())
def test_a_package_imports_only_from_those_before_it(package):
    rooms = may_import(package)
    found = {
        f"{module} imports {name}"
        for module in packages()[package]
        for name in our_imports(module)
        if name.split(".")[1] not in rooms
    }
    assert not found


@pytest.mark.parametrize("package", packages())
def test_a_package_imports_only_its_own_libraries_of_others(package):
    allowed = DEMO_LIBRARIES if package == DEMO else LIBRARIES[package]
    found = {
        f"{module} imports {name}" for module in packages()[package] for name in others(module) - allowed
    }
    assert not found


@pytest.mark.parametrize("library", IN_ONE_MODULE)
def test_a_heavy_library_is_imported_by_one_module(library):
    importing = [name for name in modules() if library in others(name)]
    assert importing == [f"cornerstone.{IN_ONE_MODULE[library]}"]


def test_no_modules_import_each_other_in_a_circle():
    try:
        TopologicalSorter({name: our_imports(name) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_every_module_that_is_imported_exists():
    missing = {name for module in modules() for name in our_imports(module)} - set(modules())
    assert not missing


def test_one_class_is_a_study():
    classes = [
        node.name
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in classes if name.endswith(("Study", "StudyConfig"))] == ["StudyConfig"]


def test_no_file_is_too_long_to_be_read_in_one_go():
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files()
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}
