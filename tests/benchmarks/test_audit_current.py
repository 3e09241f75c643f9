"""The audit of the current shapiq: an environment of its own, and the same tables as the audit's."""

import json
import os
import shutil
import subprocess
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit_current
from cornerstone.shapley.coalitions import absence, exact
from cornerstone.shapley.estimators import OWN, SHARED
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.games import Game
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.audit_summary import WORK

REPOSITORY = Path(__file__).parents[2]
NEEDED = "The current shapiq needs Python 3.12 or newer, and none of"
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
    "-c "*) exit {status} ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") echo "installs $*" ;;
esac
"""


def make(folder, newer):
    command = ["make", "current-environment", f"NEWER={newer}", f"CURRENT={folder / 'current'}"]
    # This make is nobody's child: one that runs the tests would have it say where it is.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=alone)


def python(path, status):
    """A Python that is new enough, with the status 0, or too old, with 1."""
    path.write_text(FAKE_PYTHON.format(status=status))
    path.chmod(0o755)
    return path


def test_without_a_newer_python_one_line_says_so_and_nothing_is_made(tmp_path):
    old = python(tmp_path / "python3.11", 1)
    done = make(tmp_path, f"{old} python3.999")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert line.startswith(f"{NEEDED} {old} python3.999 runs here: install one, or name it: make NEWER=")
    assert not (tmp_path / "current").exists()


def test_the_first_python_that_is_new_enough_makes_the_environment_once(tmp_path):
    old, new = python(tmp_path / "python3.11", 1), python(tmp_path / "python3.13", 0)
    done = make(tmp_path, f"python3.999 {old} {new}")
    assert done.returncode == 0, done.stderr
    assert f"Making the environment {tmp_path / 'current'} with {new}" in done.stdout
    assert "installs -m pip install" in done.stdout and "requirements-current.txt" in done.stdout
    assert make(tmp_path, f"{old}").stdout == ""
    kept = tmp_path / "current" / "requirements-current.txt"
    assert kept.read_text() == (REPOSITORY / "requirements-current.txt").read_text()
    kept.write_text("shapiq")
    assert "installs" in make(tmp_path, f"{old}").stdout


def test_the_environment_has_the_current_shapiq_and_nothing_that_git_would_keep():
    listed = (REPOSITORY / "requirements-current.txt").read_text().splitlines()
    packages = [line for line in listed if not line.startswith("#")]
    assert any(line.startswith("shapiq") and "==" not in line for line in packages)
    assert not any(line.startswith(("torch", "transformers", "lm")) for line in packages)
    assert ".venv-current/" in (REPOSITORY / ".gitignore").read_text().splitlines()
    assert shutil.which("make")


def test_without_exact_tables_a_line_says_what_makes_them(tmp_path):
    with pytest.raises(CornerstoneError, match="has no evaluations of all coalitions: type snakemake"):
        audit_current._exact_tables(tmp_path)


def a_game(n=7, documents=6):
    rng = np.random.default_rng(0)
    keep = np.append([0.2, 0.4], rng.uniform(0.7, 1.0, n - 2)) * rng.uniform(0.8, 1.0, (documents, n))
    absent = np.arange(2**n)[:, None] >> np.arange(n) & 1
    by_document = np.prod(np.where(absent[:, None] == 1, keep, 1.0), axis=2)
    scores = by_document.mean(axis=1)
    places = (absence(exact(n), n) @ (1 << np.arange(n))).astype(int)
    return Game(scores, exact_estimator(n).weights @ scores[places], documents=by_document)


@pytest.mark.study
@pytest.mark.slow
def test_what_shapiq_offers_gets_the_audits_tables_in_both_designs(monkeypatch, capsys):
    named = audit_current.Named("one", "boolq", "acc", a_game())
    monkeypatch.setattr(audit_current, "_exact_tables", lambda results: [Path("exact.parquet")])
    monkeypatch.setattr(audit_current, "games_of", lambda path, results: [named])
    slow = "SVARMIQ"
    seconds = {True: 9.0, False: 0.1}
    monkeypatch.setattr(audit_current, "_seconds", lambda one, game: seconds[one.title.startswith(slow)])
    monkeypatch.setattr("sys.argv", ["audit_current.py", "--seeds", "2", "--cores", "1"])
    audit_current.main()
    said = capsys.readouterr().out
    result = json.loads(said.splitlines()[-1])
    rows = {(row["estimator"].split(",")[0], row["coalitions"], row["same"]) for row in result["rows"]}
    assert {("KernelSHAP", SHARED, "work"), ("KernelSHAP", OWN, "work")} < rows
    assert {row for row in rows if row[0] == slow} == {(slow, SHARED, "number")}
    names = {name for name, *_ in rows}
    assert not names & result["left_out"].keys()
    for name, why in result["left_out"].items():
        assert f"left out: {name}: {why}" in said
    assert f"{slow}: shared coalitions alone" in said
    assert "| Budget | Estimator | Coalitions | Number | Work |" in said


@dataclass(frozen=True)
class Titled:
    title: str


class AtOnce:
    """A pool that runs what it is given where it is given."""

    def submit(self, work, *given):
        done = Future()
        try:
            done.set_result(work(*given))
        except ValueError as error:
            done.set_exception(error)
        return done


def test_an_approximator_that_fails_on_a_game_is_left_out_with_the_reason(monkeypatch, capsys):
    good, bad = (audit_current.Arm(Titled(title), OWN, WORK) for title in ("a", "b"))

    def rows(game, arm, seeds):
        if arm == bad and game == "second":
            raise ValueError("a mismatch\nof sizes")
        return pd.DataFrame({"estimator": [arm.estimator.title], "game": [game]})

    monkeypatch.setattr(audit_current, "_rows", rows)
    found = audit_current._audited(AtOnce(), ["first", "second"], [good, bad], 1)
    assert found["estimator"].tolist() == ["a", "a"]
    assert capsys.readouterr().out == f"left out: b, {OWN} coalitions: ValueError: a mismatch of sizes\n"
