"""The driver is light: it plans a study where no library can be imported that only jobs need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odd_configurations import DEMO

LIBRARY = Path(__file__).parents[2] / "workflow"
HEAVY = ("matplotlib", "seaborn", "scipy", "torch", "transformers", "lm_eval", "datasets")
REFUSING = """
import sys


class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError("a driver needs no " + name)


sys.meta_path.insert(0, Refusing())
"""


@pytest.fixture
def run(tmp_path):
    """Runs Python, in which importing some packages fails; what it says, both streams together."""

    def run(*arguments: str, refused: tuple[str, ...]) -> str:
        # A module of this name is imported by each Python that starts.
        (tmp_path / "sitecustomize.py").write_text(REFUSING.replace("{refused}", repr(refused)))
        finished = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(LIBRARY)])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert finished.returncode == 0, finished.stdout
        return finished.stdout

    return run


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_refused_cannot_be_imported(run, name):
    program = f"try:\n    import {name}\nexcept ImportError as error:\n    print(error)"
    assert run("-c", program, refused=HEAVY) == f"a driver needs no {name}\n"


def test_the_demo_and_its_audit_are_planned_without_heavy_packages(clone, run, tmp_path):
    (tmp_path / "audited.yaml").write_text(DEMO + "\nexact: [demo_llama]\npair_distance: 3\n")
    said = run(
        *("-m", "snakemake", "-n", "all", "--configfile", str(tmp_path / "audited.yaml")), refused=HEAVY
    )
    for rule in ("evaluate", "estimate_values", "tables", "audit_estimators", "report"):
        assert f"\n{rule} " in said


@pytest.mark.parametrize(("question", "answer"), [("watch", "Jobs: "), ("stale", "Looked at: ")])
def test_a_study_is_watched_and_tidied_up_without_heavy_packages(clone, run, question, answer):
    assert f"\n{answer}" in run(
        "-m", "snakemake", question, "--configfile", "config/demo.yaml", refused=HEAVY
    )
