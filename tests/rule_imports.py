"""What each rule's script imports, found in its text: in its functions too, and through the library.

scripts_by_environment()["models"]          # ["download_model"]
imports_of(["download_model"])              # every import statement that such a job may execute
packages_of("models")                       # {"huggingface-hub": "2.4.0", ...}
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
LIBRARY = REPOSITORY / "workflow"
ONLY_WITH_CUDA = re.compile(r"nvidia-|cuda-|triton")
"""Packages that torch pins itself where its build needs them."""
NOT_IMPORTED = {"evaluate": {"pandas", "protobuf", "sentencepiece"}}
"""What no code of ours imports there: pyarrow takes pandas wherever it finds one, and it would find Snakemake's;
transformers takes the others for a model with no tokenizer but tokenizer.model."""
CALLED_BY = {"matplotlib": {"draw"}, "shapiq": {"audit_estimators"}}
"""The scripts that call what imports these packages in its functions: figures and audited estimators, which others list
as entries of a registry."""
CODE = ("script", "shell", "run", "notebook", "wrapper")
"""What a rule that runs code says it with."""


@dataclass(frozen=True)
class Rule:
    """A rule that runs code. script and environment are names without folder and ending, None where not said."""

    name: str
    runs: str
    script: str | None
    environment: str | None


@dataclass(frozen=True)
class Import:
    """One import statement, of our file `path` at `line`, as one could type it; `modules` it may be of ours."""

    path: Path
    line: int
    statement: str
    modules: tuple[str, ...]


def rules() -> list[Rule]:
    """Every rule of the workflow that runs code."""
    files = [LIBRARY / "Snakefile", *sorted((LIBRARY / "rules").glob("*.smk"))]
    found = []
    for text in files:
        blocks = re.split(r"^(?:rule|checkpoint) +(\w+):", text.read_text(), flags=re.MULTILINE)[1:]
        for name, block in zip(blocks[::2], blocks[1::2], strict=True):
            runs = re.search(rf"^    ({'|'.join(CODE)}):", block, re.MULTILINE)
            if runs:
                script = re.search(r"\.\./scripts/(\w+)\.py", block)
                environment = re.search(r"^    conda:\s+\"\.\./\.\./envs/(\w+)\.yaml\"", block, re.MULTILINE)
                found.append(Rule(name, runs[1], script and script[1], environment and environment[1]))
    return found


def pins(name: str) -> dict[str, str]:
    """Version by package of a requirements file, without the files that it includes."""
    lines = (REPOSITORY / name).read_text().splitlines()
    return dict(pin(line) for line in lines if line and line[0] not in "#-")


def pin(line: str) -> tuple[str, str]:
    """Package, as packaging writes its name, and version of a line such as `Jinja2==3.1.6`."""
    name, version = line.split("==")
    return canonicalize_name(name), version


def environments() -> list[str]:
    return [path.stem for path in sorted((REPOSITORY / "envs").glob("*.yaml"))]


def scripts_by_environment() -> dict[str, list[str]]:
    """The scripts that run in each environment of envs/."""
    scripts: dict[str, list[str]] = {name: [] for name in environments()}
    for rule in rules():
        scripts[rule.environment].append(rule.script)
    return scripts


def packages_of(environment: str) -> dict[str, str]:
    """Version by package of the pip list of an environment, names as packaging writes them."""
    dependencies = yaml.safe_load((REPOSITORY / "envs" / f"{environment}.yaml").read_text())["dependencies"]
    (listed,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return dict(map(pin, listed))


def with_what_they_need(packages: Iterable[str]) -> set[str]:
    """The packages and all that they need, by what those that are installed here say."""
    todo = [Requirement(name) for name in packages]
    found = set()
    while todo:
        wanted = todo.pop()
        found.add((canonicalize_name(wanted.name), frozenset(wanted.extras)))
        for needed in needs_of(wanted):
            if (canonicalize_name(needed.name), frozenset(needed.extras)) not in found:
                todo.append(needed)
    return {name for name, _ in found}


def needs_of(package: Requirement) -> list[Requirement]:
    """What an installed package needs on this platform, itself and for the extras that are wanted of it."""
    extras = {"", *package.extras}
    listed = [Requirement(line) for line in importlib.metadata.requires(package.name) or []]
    return [
        needed
        for needed in listed
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def imports_of(scripts: Iterable[str]) -> list[Import]:
    """Every import statement in the scripts and in whatever of ours they import, in functions too.

    Without those for type checkers alone, and without those of registered things that a script lists but never calls.
    """
    found = {}
    for script in scripts:
        for statement in _reached(script):
            packages = {module.split(".")[0] for module in statement.modules}
            if all(script in CALLED_BY.get(package, {script}) for package in packages):
                found[statement] = None
    return list(found)


@cache
def _reached(script: str) -> tuple[Import, ...]:
    """The statements of a script and of all modules of ours that it reaches."""
    todo = [SCRIPTS / f"{script}.py"]
    seen, found = set(todo), []
    while todo:
        path = todo.pop()
        of_file = statements(path)
        found += of_file
        modules = [*registered(path), *(module for statement in of_file for module in statement.modules)]
        for source in map(source_of, modules):
            if source is not None and source not in seen:
                seen.add(source)
                todo.append(source)
    return tuple(found)


def registered(path: Path) -> list[str]:
    """The modules that a registry made in this file imports by name: all of its package."""
    packages = re.findall(r"^\w+.* = Registry\(\"\w+\", \"([\w.]+)\"\)", path.read_text(), re.MULTILINE)
    folders = [(package, LIBRARY / Path(*package.split("."))) for package in packages]
    return [f"{package}.{file.stem}" for package, folder in folders for file in sorted(folder.glob("*.py"))]


@cache
def statements(path: Path) -> tuple[Import, ...]:
    """Every import statement of a file, without those for type checkers alone."""
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    found = []
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo.extend(node.orelse)
        else:
            todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            names = tuple(alias.name for alias in node.names)
            found.append(Import(path, node.lineno, ast.unparse(node), names))
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            found.append(Import(path, node.lineno, ast.unparse(node), (node.module, *inner)))
    return tuple(found)


def source_of(module: str) -> Path | None:
    """Our file of a module, or None: of others, and of a name in a module."""
    path = LIBRARY / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def modules_of(scripts: Iterable[str]) -> set[str]:
    """Top-level modules of others, the standard library's too, that the scripts import."""
    found = set()
    for statement in imports_of(scripts):
        found |= {module.split(".")[0] for module in statement.modules}
    return {name for name in found if source_of(name) is None}


@cache
def imported(environment: str) -> frozenset[str]:
    """Top-level modules that an environment's scripts import, without the standard library's."""
    return frozenset(modules_of(scripts_by_environment()[environment]) - set(sys.stdlib_module_names))


@cache
def providers() -> dict[str, set[str]]:
    """The packages that each top-level module may be of, among those installed here."""
    packages = importlib.metadata.packages_distributions()
    return {module: set(map(canonicalize_name, names)) for module, names in packages.items()}


def imported_packages(environment: str) -> set[str]:
    """The packages that an environment's scripts import."""
    return set().union(*(providers()[module] for module in imported(environment)))
