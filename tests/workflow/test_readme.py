"""Every command in the README runs, in a copy of what git tracks.

make targets are resolved here by `make --dry-run`; the two that newcomers type run for real, from a fresh clone, in
test_fresh_clone.py (slow).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub import DATA_SETS, PAPER_MODELS, Hub, client_environment, make_content

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Each line of the shell blocks, without its comment."""
    lines = (line.split(" #")[0].strip() for block in blocks("bash") for line in block.splitlines())
    return [line for line in lines if line]


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
    study = next(block for block in blocks("yaml") if block.startswith("# study.yaml"))
    (folder / "study.yaml").write_text(study)
    return folder


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
        timeout=400,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_targets_exist(command, clone):
    assert shell(command.replace("make ", "make --dry-run ", 1), clone)


def test_each_dry_run_plans_jobs(clone):
    dry_runs = [command for command in commands() if "--dry-run" in command]
    assert dry_runs
    for command in dry_runs:
        assert re.search(r"^total +\d+$", shell(command, clone), re.MULTILINE), command


@pytest.mark.study
def test_a_study_of_ones_own_ends_in_its_report(clone):
    command = next(command for command in commands() if "study.yaml" in command)
    shell(command, clone)
    assert (clone / "results" / "mine" / "report.html").is_file()
    assert (clone / "results" / "mine" / "figures" / "pie_mine.pdf").is_file()


@pytest.mark.slow
def test_a_model_and_tasks_of_the_hub_and_a_task_of_ones_own_need_only_the_configuration(clone, tmp_path):
    for name in ("pythia.yaml", "my_tasks/riddles.yaml"):
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).write_text(next(block for block in blocks("yaml") if block.startswith(f"# {name}")))
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
    command = next(command for command in commands() if "estimate" in command)
    content = make_content(tmp_path / "hub", models=PAPER_MODELS, data_sets=DATA_SETS)
    with Hub(content) as hub:
        said = shell(command, clone, **client_environment(hub.url, tmp_path / "home"))
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
    (example,) = blocks("python")
    (clone / "example.py").write_text(example)
    said = shell(f"PYTHONPATH=workflow {sys.executable} example.py", clone)
    assert re.search(r"log-likelihood of .*: -\d+\.\d\d, without Attn 0: -\d+\.\d\d", said)


def test_no_command_is_left_out():
    known = ("make ", "snakemake ")
    assert all(command.startswith(known) for command in commands())
    tested = ("--dry-run", "study.yaml", "pythia.yaml", "estimate")
    ran = [c for c in commands() if c.startswith("make ") or any(part in c for part in tested)]
    assert ran == commands()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / target).exists(), target
