"""The README's first two commands as a newcomer types them: in a fresh clone, with no environment (slow)."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

import tour

REPOSITORY = Path(__file__).parents[2]
NEWCOMERS = ("PATH", "HOME", "LANG", "TMPDIR")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "cornerstone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    make("environment", folder)
    return folder


def make(target: str, folder: Path) -> tuple[str, float]:
    """What `make TARGET` says and how many seconds it takes, in a newcomer's environment."""
    plain = {name: value for name, value in os.environ.items() if name in NEWCOMERS}
    plain["PATH"] = os.pathsep.join(p for p in plain["PATH"].split(os.pathsep) if "venv" not in p)
    started = time.monotonic()
    done = subprocess.run(
        ["make", target],
        cwd=folder,
        env=plain,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout, time.monotonic() - started


def test_make_demo_names_what_it_made_and_does_nothing_the_second_time(clone):
    first, seconds = make("demo", clone)
    print(f"make demo, after the installation: {seconds:.0f} s")
    for name in (
        "figures/pie_all.pdf",
        "figures/ablation_demo_mixtral.pdf",
        "tables/values.csv",
        "report.html",
    ):
        assert f"results/demo/{name}" in first
        assert (clone / "results" / "demo" / name).is_file()
    second, seconds = make("demo", clone)
    print(f"make demo again: {seconds:.1f} s")
    assert "Nothing to be done" in second
    assert "results/demo/report.html" in second


def test_the_tour_reads_the_demos_results(clone, monkeypatch):
    tour.check(tour.executed(clone / "results" / "demo", monkeypatch))


def test_make_test_passes(clone):
    said, seconds = make("test", clone)
    print(f"make test: {seconds:.0f} s")
    assert " passed" in said and " failed" not in said
