"""The pinned packages: complete, free of what only one platform has, and the same wherever they are named."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rule_imports import (
    NOT_IMPORTED,
    ONLY_WITH_CUDA,
    REPOSITORY,
    SCRIPTS,
    environments,
    imported,
    imported_packages,
    packages_of,
    pins,
    providers,
    rules,
    with_what_they_need,
)

RUNTIME = pins("requirements.txt")
DEVELOPMENT = pins("requirements-dev.txt")
PINNED = {"runtime": RUNTIME, "development": {**RUNTIME, **DEVELOPMENT}}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LEFT_OUT = {
    "models": {"torch", "transformers", "numpy", "pandas"},
    "documents": {"torch", "transformers"},
    "evaluate": {"datasets", "lm-eval", "matplotlib"},
    "analysis": {"torch", "transformers", "datasets", "lm-eval", "huggingface-hub"},
    "audit": {"torch", "transformers", "datasets", "lm-eval", "huggingface-hub"},
    "demo": {"datasets", "lm-eval", "pandas", "matplotlib"},
}


def admits(line: str, version: str) -> bool:
    return version in Requirement(line).specifier


def test_pins_are_plain_versions_that_every_platform_has():
    for name, version in {**RUNTIME, **DEVELOPMENT}.items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), f"{name}=={version}"
        assert not ONLY_WITH_CUDA.match(name)


@pytest.mark.parametrize("pinned", PINNED.values(), ids=PINNED)
def test_whatever_a_pinned_package_needs_is_pinned_too(pinned):
    missing = {name for name in with_what_they_need(pinned) - pinned.keys() if not ONLY_WITH_CUDA.match(name)}
    assert missing == set()


def test_the_tests_run_on_the_pinned_versions():
    installed = {name: importlib.metadata.version(name).split("+")[0] for name in RUNTIME}
    assert installed == RUNTIME


def test_every_rule_that_runs_code_runs_a_script_in_an_environment_of_its_own_need():
    for rule in rules():
        assert rule.runs == "script", f"{rule.name} runs code by `{rule.runs}`"
        assert (SCRIPTS / f"{rule.script}.py").is_file(), rule
        assert rule.environment in environments(), rule
    assert {rule.environment for rule in rules()} == set(environments())
    assert {rule.script for rule in rules()} == {path.stem for path in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("name", environments())
def test_each_rules_environment_has_the_same_versions(name):
    assert packages_of(name).items() <= RUNTIME.items()


@pytest.mark.parametrize("name", environments())
def test_each_rules_environment_pins_what_its_packages_need(name):
    pinned = packages_of(name)
    assert {need for need in with_what_they_need(pinned) if not ONLY_WITH_CUDA.match(need)} == pinned.keys()


@pytest.mark.parametrize("name", environments())
def test_each_rules_environment_has_what_its_scripts_import(name):
    assert {
        module for module in imported(name) if not providers()[module] & packages_of(name).keys()
    } == set()


@pytest.mark.parametrize("name", environments())
def test_each_rules_environment_has_no_more_than_its_scripts_need(name):
    wanted = imported_packages(name) | NOT_IMPORTED.get(name, set())
    assert packages_of(name).keys() - with_what_they_need(wanted) == set()


@pytest.mark.parametrize("name", environments())
def test_each_rules_environment_leaves_out_what_is_heavy_elsewhere(name):
    assert packages_of(name).keys() & LEFT_OUT[name] == set()


def test_all_environments_are_of_one_python_that_the_package_admits():
    pythons = set()
    for name in environments():
        content = yaml.safe_load((REPOSITORY / "envs" / f"{name}.yaml").read_text())
        pythons.add(next(entry for entry in content["dependencies"] if str(entry).startswith("python")))
    (python,) = pythons
    version = python.removeprefix("python=")
    assert admits(f"python{PROJECT['requires-python']}", version)
    assert f"(Python {version}, " in (REPOSITORY / "requirements.txt").read_text()


def test_the_ranges_of_the_package_admit_the_pinned_versions():
    optional = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for line in [*PROJECT["dependencies"], *optional]:
        name = canonicalize_name(Requirement(line).name)
        assert admits(line, {**RUNTIME, **DEVELOPMENT}[name]), line


@pytest.mark.parametrize("name", environments())
def test_what_a_step_imports_comes_with_the_package_and_one_of_its_extras(name):
    lacks = {}
    for extra, lines in {"": [], **PROJECT["optional-dependencies"]}.items():
        installed = with_what_they_need([*PROJECT["dependencies"], *lines])
        lacks[extra] = {module for module in imported(name) if not providers()[module] & installed}
    assert set() in lacks.values(), lacks
