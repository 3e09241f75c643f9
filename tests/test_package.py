"""The library as a package: its version stands once, and all of its files are installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import cornerstone
from installed import REPOSITORY, install

LIBRARY = REPOSITORY / "workflow" / "cornerstone"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def files_in(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


def test_every_file_that_is_no_python_is_named_as_data():
    named = {
        path.relative_to(LIBRARY).as_posix()
        for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in LIBRARY.joinpath(*package.split(".")[1:]).glob(pattern)
    }
    assert named == {name for name in files_in(LIBRARY) if not name.endswith(".py")}
    assert {"py.typed", "report/report.css", "study/config.schema.yaml"} < named


def test_the_schema_in_the_library_is_the_workflows():
    assert (LIBRARY / "study" / "config.schema.yaml").samefile(
        REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
    )


def test_its_version_is_the_citations():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == cornerstone.__version__
    assert PROJECT["project"]["dynamic"] == ["version"]


CHECK_A_CONFIGURATION = """
from cornerstone.report.page import *
from cornerstone.study.resolve import resolve
print(resolve({"models": {"mine": {"hub": "a/b"}}}).task_names)
"""


@pytest.mark.study
def test_what_is_installed_is_the_whole_library(tmp_path):
    folder = install(tmp_path)
    assert files_in(folder / "cornerstone") == files_in(LIBRARY)
    done = subprocess.run(
        [sys.executable, "-c", CHECK_A_CONFIGURATION],
        cwd=tmp_path,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert "'openbookqa'" in done.stdout, done.stderr
