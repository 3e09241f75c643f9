"""Every command in a fenced block of the README and of docs/ runs, in a copy of what git tracks.

make targets are resolved here by `make --dry-run`; the two that newcomers type run for real, from a fresh clone, in
test_fresh_clone.py (slow). The study of docs/extending.md runs in test_extending.py (slow).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forked_snakemake import forked_snakemake
from hub import DATA_SETS, PAPER_MODELS, Hub, client_environment, make_content
from pages import PAGES, REPOSITORY, blocks, commands, results_on_page

MOST_LINES = 200
"""Of the README."""
QUESTIONS = ("snakemake estimate", "snakemake overview", "snakemake precision")
OF_MODULE = commands([REPOSITORY / "docs" / "module.md"])
"""test_module.py tries them, in a workflow that has such a module."""
STUDIES = ("study.yaml", "pythia.yaml", "mine.yaml")


def kind_of(command: str) -> str:
    """By which of the tests below a command is tried; "" where by none."""
    if command.startswith("make "):
        return "make"
    if command.startswith("python benchmarks/"):
        return "benchmark"
    if command in QUESTIONS:
        return "question"
    if command.startswith("snakemake ") and "--dry-run" in command:
        return "dry run"
    if command in OF_MODULE:
        return "module"
    return "study" if command.endswith(STUDIES) else ""


def of_kind(kind: str) -> list[str]:
    return [command for command in commands() if kind_of(command) == kind]


def file_of(name: str) -> str:
    """The text of the YAML file that a page shows under its name: "# study.yaml" is its first line."""
    return next(block for block in blocks("yaml") if block.startswith(f"# {name}\n"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of the working tree's files that git tracks or would track."""
    folder = tmp_path_factory.mktemp("readme") / "cornerstone"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        source, target = REPOSITORY / name, folder / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    (folder / "study.yaml").write_text(file_of("study.yaml"))
    return folder


def snakemake(command: str, folder: Path, **environment: str) -> str:
    """What a command of Snakemake without anything else in the line says; it must succeed."""
    program, *arguments = shlex.split(command)
    assert program == "snakemake"
    environment = {**os.environ, **environment, "OMP_NUM_THREADS": "1"}
    code, said = forked_snakemake(arguments, folder, environment, timeout=1200)
    assert code == 0, f"{command}\n{said}"
    return said


def shell(command: str, folder: Path, **environment: str) -> str:
    """What a command says, in the environment that runs the tests; it must succeed."""
    activated = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, **environment, "PATH": activated, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("command", commands())
def test_every_command_is_tried(command):
    assert kind_of(command), f"no test tries: {command}"


@pytest.mark.parametrize("command", of_kind("make"))
def test_make_targets_exist(command, clone):
    assert shell(command.replace("make ", "make --dry-run ", 1), clone)


@pytest.mark.parametrize("command", of_kind("dry run"))
def test_each_dry_run_plans_jobs(command, clone):
    assert re.search(r"^total +\d+$", snakemake(command, clone), re.MULTILINE)


@pytest.mark.parametrize("command", of_kind("benchmark"))
def test_each_benchmark_has_its_options(command, clone):
    said = shell(f"{command} --help", clone)
    for option in re.findall(r"--[\w-]+", command):
        assert option in said


def test_the_overview_names_every_model_before_anything_is_there(clone):
    said = snakemake("snakemake overview", clone)
    for title in ("Llama3 8B", "Llama3 70B", "Mixtral 8x7B"):
        assert title in said


@pytest.mark.study
def test_a_study_of_ones_own_ends_in_its_report(clone):
    command = next(command for command in commands() if "study.yaml" in command)
    shell(command, clone)
    assert (clone / "results" / "mine" / "report.html").is_file()
    assert (clone / "results" / "mine" / "figures" / "pie_mine.pdf").is_file()
    assert "How many documents are enough" in shell("snakemake precision --configfile study.yaml", clone)


@pytest.mark.study
def test_every_file_of_a_study_is_on_the_page_of_results(clone):
    results = clone / "results" / "mine"
    files = [path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()]
    places = results_on_page()
    assert "report.html" in files  # of the study of the test before
    assert not [file for file in files if not any(place.fullmatch(file) for place in places)]


@pytest.mark.slow
def test_a_model_and_tasks_of_the_hub_and_a_task_of_ones_own_need_only_the_configuration(clone, tmp_path):
    for name in ("pythia.yaml", "my_tasks/riddles.yaml"):
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).write_text(file_of(name))
    riddles = [
        {"question": f"What is {n} and one?", "choices": [str(n), str(n + 1)], "answer": 1} for n in range(9)
    ]
    (clone / "my_tasks" / "riddles.jsonl").write_text(
        "".join(json.dumps(riddle) + "\n" for riddle in riddles)
    )
    command = next(command for command in commands() if "pythia.yaml" in command)
    content = make_content(
        tmp_path / "hub", models=["EleutherAI/pythia-160m"], data_sets=["Rowan/hellaswag", "cais/mmlu"]
    )
    with Hub(content) as hub:
        shell(f"{command} --config documents=6", clone, **client_environment(hub.url, tmp_path / "home"))
    for task in ("hellaswag", "mmlu_anatomy", "riddles"):
        assert (clone / "results" / "pythia" / "values" / "pythia" / f"{task}.csv").is_file()


def test_the_estimate_names_every_model_and_task_before_anything_is_downloaded(clone, tmp_path):
    content = make_content(tmp_path / "hub", models=PAPER_MODELS, data_sets=DATA_SETS)
    with Hub(content) as hub:
        said = snakemake("snakemake estimate", clone, **client_environment(hub.url, tmp_path / "home"))
        assert all(request.range for request in hub.asked("*.safetensors", "GET"))
        assert not hub.asked("*.parquet", "GET")
    for title in (
        "Llama3 8B",
        "Llama3 70B",
        "Mixtral 8x7B",
        "BoolQ",
        "ARC-E",
        "ARC-C",
        "PIQA",
        "WinoGrande",
        "OBQA",
        "stream through it block by block",
    ):
        assert title in said, said


def test_the_python_example_prints_log_likelihoods(clone):
    (example,) = blocks("python", [REPOSITORY / "docs" / "engine.md"])
    (clone / "example.py").write_text(example)
    said = shell(f"PYTHONPATH=workflow {sys.executable} example.py", clone)
    assert re.search(r"log-likelihood of .*: -\d+\.\d\d, without Attn 0: -\d+\.\d\d", said)


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_make_target_is_on_a_page_and_every_target_of_a_page_in_the_makefile():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    named = {
        target
        for page in PAGES
        for target in re.findall(r"\bmake ((?:test|bench|audit|demo|lint|pages)[\w-]*)", page.read_text())
    }
    assert named == {target for target in targets if not target.endswith("environment")}
