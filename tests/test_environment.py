"""The pinned packages: complete, free of what only one platform has, and the same wherever they are named."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
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
