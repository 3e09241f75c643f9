"""The pinned packages: complete, free of what only one platform has, and the same wherever they are named."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
ONLY_WITH_CUDA = re.compile(r"nvidia-|cuda-|triton")  # torch pins these itself where its build needs them


def pins(name: str) -> dict[str, str]:
    """Version by package of a requirements file, without the files that it includes."""
    lines = (REPOSITORY / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and line[0] not in "#-")


def canonical(packages: dict[str, str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in packages.items()}


RUNTIME = canonical(pins("requirements.txt"))
DEVELOPMENT = canonical(pins("requirements-dev.txt"))


def test_pins_are_plain_versions_that_every_platform_has():
    for name, version in {**RUNTIME, **DEVELOPMENT}.items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), f"{name}=={version}"
        assert not ONLY_WITH_CUDA.match(name)


@pytest.mark.parametrize("pinned", [RUNTIME, {**RUNTIME, **DEVELOPMENT}], ids=["runtime", "development"])
def test_whatever_a_pinned_package_needs_is_pinned_too(pinned):
    for name in pinned:
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                needed_name = canonicalize_name(needed.name)
                assert needed_name in pinned or ONLY_WITH_CUDA.match(needed_name), f"{name} needs {line}"


def test_the_tests_run_on_the_pinned_versions():
    installed = {name: importlib.metadata.version(name).split("+")[0] for name in RUNTIME}
    assert installed == RUNTIME


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_each_rules_environment_has_the_same_versions(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    (listed,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    for line in listed:
        name, version = line.split("==")
        assert RUNTIME[canonicalize_name(name)] == version


def test_the_ranges_of_the_package_admit_the_pinned_versions():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    for line in [*project["dependencies"], *optional]:
        needed = Requirement(line)
        assert RUNTIME[canonicalize_name(needed.name)] in needed.specifier, line


def rules() -> list[tuple[str, str]]:
    """(script, environment) of every rule that has both."""
    text = "\n".join(path.read_text() for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")))
    found = []
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        script = re.search(r"\.\./scripts/(\w+)\.py", rule)
        environment = re.search(r"\.\./envs/(\w+)\.yaml", rule)
        if script:
            assert environment, f"{script[1]} names no environment"
            found.append((script[1], environment[1]))
    return found


def imported_by(path: Path) -> set[str]:
    """Top-level modules that a script imports, through the library, in its functions too."""
    found, todo = set(), [path]
    seen = set(todo)
    while todo:
        for name in module_names(todo.pop()):
            source = source_of(name)
            if source is None:
                found.add(name.split(".")[0])
            elif source not in seen:
                seen.add(source)
                todo.append(source)
    return found - set(sys.stdlib_module_names)


def module_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if ours(node.module))


def ours(module: str) -> bool:
    return module.split(".")[0] in ("cornerstone", "logged")


def source_of(module: str) -> Path | None:
    """The file of a module of ours, or of the module that has this name in it; None for others."""
    if not ours(module):
        return None
    if module.startswith("logged"):
        return REPOSITORY / "workflow" / "scripts" / "logged.py"
    path = REPOSITORY / "workflow" / Path(*module.split("."))
    candidates = [path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py")]
    return next((p for p in [*candidates, path.parent / "__init__.py"] if p.is_file()), None)


def installed_with(environment: str) -> set[str]:
    """The packages of an environment, those that its packages need included."""
    dependencies = yaml.safe_load((REPOSITORY / "envs" / f"{environment}.yaml").read_text())["dependencies"]
    (listed,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    todo = [canonicalize_name(line.split("==")[0]) for line in listed]
    found = set(todo)
    while todo:
        for line in importlib.metadata.requires(todo.pop()) or []:
            needed = Requirement(line)
            name = canonicalize_name(needed.name)
            if name not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                found.add(name)
                todo.append(name)
    return found


@pytest.mark.parametrize(("script", "environment"), rules(), ids=lambda name: name)
def test_each_rules_environment_has_what_its_script_imports(script, environment):
    packages = importlib.metadata.packages_distributions()
    installed = installed_with(environment)
    for module in imported_by(REPOSITORY / "workflow" / "scripts" / f"{script}.py"):
        assert {canonicalize_name(name) for name in packages[module]} & installed, f"{module} is missing"
