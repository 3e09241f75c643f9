"""Cornerstone as a module of another workflow, from a folder and from a repository: docs/module.md, as it stands there.

The second workflow takes the demo's settings, reduced to two models, two tasks and a few documents.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from installed import install
from pages import commands
from tiny_study import CLONED, REPOSITORY, jobs_in, run

PAGE_PATH = REPOSITORY / "docs" / "module.md"
PAGE = PAGE_PATH.read_text(encoding="utf-8")
PLANS = [command for command in commands([PAGE_PATH]) if command.startswith("snakemake ")]
DEMO = yaml.safe_load((REPOSITORY / "config" / "demo.yaml").read_text(encoding="utf-8"))
N_DOCUMENTS = 6
STAY_LOCAL = {
    "all",
    "download_model",
    "build_documents",
    "accept_documents",
    "estimate",
    "overview",
    "watch",
    "precision",
}
TRIGGERS = ("--rerun-triggers", "mtime", "params", "input", "software-env")
"""As the page says that a profile has to."""


def block(language: str, first: str) -> str:
    """The page's block of a language that has these words in its first line."""
    found = re.findall(rf"^```{language}\n({first}.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (text,) = found
    return text


def settings(**changes) -> dict:
    """The demo's, reduced, for a workflow that works elsewhere: its files are named from the root on."""
    models = {
        name: {**keys, "folder": str(REPOSITORY / keys["folder"])}
        for name, keys in zip(("mine", "neighbour"), DEMO["models"].values(), strict=True)
    }
    tasks = {
        name: {**DEMO["tasks"][name], "data": str(REPOSITORY / DEMO["tasks"][name]["data"])}
        for name in ("boolq", "piqa")
    }
    fewer = {"corrected": False, "documents": N_DOCUMENTS, "max_removed": 2, "results": "results/cornerstone"}
    return {**DEMO, "models": models, "tasks": tasks, **fewer, **changes}


def second_workflow(folder: Path, more: str = "", statement: str = "", **changes) -> Path:
    """The page's workflow in a folder of its own. more: what follows it; statement: what its module has besides."""
    folder.mkdir(exist_ok=True)
    text = block("python", "# Snakefile")
    own = str(REPOSITORY / "workflow" / "Snakefile")
    text = text.replace("/path/to/cornerstone/workflow/Snakefile", own)
    text = text.replace('        config["cornerstone"]\n', f'        config["cornerstone"]\n{statement}')
    assert own in text and statement in text
    (folder / "Snakefile").write_text(text + more)
    (folder / "config.yaml").write_text(yaml.safe_dump({"cornerstone": settings(**changes)}))
    return folder


def from_repository(folder: Path, repository: Path, **changes) -> Path:
    """The same, with a module from a git repository."""
    second_workflow(folder, **changes)
    path = folder / "Snakefile"
    own = f'"{REPOSITORY / "workflow" / "Snakefile"}"'
    handed_out = f'gitfile("{repository}", path="workflow/Snakefile", ref="main")'
    path.write_text(path.read_text().replace(own, handed_out))
    assert handed_out in path.read_text()
    return folder


def snakemake(folder: Path, *arguments: str, **keywords) -> str:
    """What `snakemake ARGUMENTS` says there with one core and no profile; see `run`."""
    return run(folder, "--cores", "1", *arguments, timeout=1200, **keywords)


def ours(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("Cornerstone: ")]


TELL_LOCAL_RULES = 'print("local:", *workflow._localrules, file=__import__("sys").stderr)\n'
ANOTHER_PRIORITY = """
use rule evaluate from cornerstone as cornerstone_evaluate with:
    priority: 1
"""
ONE_RULE = """
use rule overview from cornerstone as progress
"""
OF_THE_SAME_NAME = """
rule estimate:
    output:
        "results/figures/mine.pdf",
    shell:
        "touch {output}"
"""


def test_the_first_rule_stays_the_target_and_rules_that_are_local_stay_so(tmp_path):
    said = snakemake(second_workflow(tmp_path / "second", TELL_LOCAL_RULES), "--dry-run")
    jobs = jobs_in(said)
    assert (jobs["all"], jobs["most_important"], jobs["cornerstone_tables"]) == (1, 1, 1)
    assert "cornerstone_all" not in jobs and "cornerstone_report" not in jobs
    (local,) = re.findall("^local: (.*)$", said, re.MULTILINE)
    assert set(local.split()) == {f"cornerstone_{rule}" for rule in STAY_LOCAL}


def test_a_figure_of_one_model_needs_no_job_of_another(tmp_path):
    folder = second_workflow(tmp_path / "second", shards={"mine": 2})
    said = snakemake(folder, "--dry-run", "results/cornerstone/figures/pie_mine.pdf")
    assert "neighbour" not in said
    assert jobs_in(said) == {
        "cornerstone_download_model": 1,
        "cornerstone_build_documents": 2,
        "cornerstone_find_unscorable": 1,
        "cornerstone_accept_documents": 1,
        "cornerstone_evaluate_shard": 4,
        "cornerstone_join_shards": 2,
        "cornerstone_estimate_values": 2,
        "cornerstone_draw": 1,
        "total": 14,
    }


def test_targets_of_the_other_workflow_are_its_own(tmp_path):
    """Even one called as a question of ours, that makes what might be a figure of a study of ours."""
    folder = second_workflow(tmp_path / "second", OF_THE_SAME_NAME)
    said = snakemake(folder, "--dry-run", "estimate", "results/figures/mine.pdf")
    assert jobs_in(said) == {"estimate": 1, "total": 1} and not ours(said)
    said = snakemake(folder, "--dry-run", "results/figures/pie_nobody.pdf", succeeds=False)
    assert "MissingRuleException" in said and not ours(said)


def test_a_question_is_answered_by_the_name_of_its_rule(tmp_path):
    folder = second_workflow(tmp_path / "second")
    said = snakemake(folder, "cornerstone_overview")
    assert "Demo Llama" in said and "Building DAG" not in said
    said = snakemake(folder, "cornerstone_overview", "results/most_important.txt", "--dry-run")
    assert {"cornerstone_overview", "most_important"} < jobs_in(said).keys()


@pytest.mark.study
@pytest.mark.parametrize("command", PLANS)
def test_each_command_of_the_page_plans_jobs(command, tmp_path):
    said = snakemake(second_workflow(tmp_path / "second"), *command.split()[1:], "--dry-run")
    assert jobs_in(said)["total"] >= 1


@pytest.mark.study
def test_a_rule_that_is_taken_alone_is_a_question_only_if_it_is_one(tmp_path):
    folder = second_workflow(tmp_path / "second")
    text = (folder / "Snakefile").read_text().split("use rule")[0]
    (folder / "Snakefile").write_text(text + ONE_RULE)
    said = snakemake(folder, "progress")
    assert "Demo Llama" in said and "Building DAG" not in said
    (folder / "Snakefile").write_text(text + ONE_RULE.replace("overview", "tables"))
    said = snakemake(folder, "progress", "--dry-run", succeeds=False)
    assert "MissingInputException" in said and not ours(said)


@pytest.mark.study
def test_the_root_snakefile_is_the_same_module(tmp_path):
    folder = second_workflow(tmp_path / "second")
    said = snakemake(folder, "--dry-run")
    path = folder / "Snakefile"
    path.write_text(path.read_text().replace("/workflow/Snakefile", "/Snakefile"))
    assert jobs_in(snakemake(folder, "--dry-run")) == jobs_in(said)


def test_its_profile_is_cornerstones_with_the_names_of_renamed_rules():
    said = yaml.safe_load(block("yaml", "# What a job") + block("yaml", "retries"))
    slurm = yaml.safe_load((REPOSITORY / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8"))
    renamed = {f"cornerstone_{rule}": resources for rule, resources in slurm["set-resources"].items()}
    assert said["set-resources"] == renamed
    assert said["default-resources"] == slurm["default-resources"] and said["retries"] == slurm["retries"]
    assert ("--rerun-triggers", *said["rerun-triggers"]) == TRIGGERS
    default = (REPOSITORY / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8")
    assert f"rerun-triggers: [{', '.join(TRIGGERS[1:])}]" in default
    catalog = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert catalog["usage"]["mandatory-flags"]["flags"] == " ".join(TRIGGERS)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ('    prefix:\n        "elsewhere"\n', "elsewhere/results/cornerstone/tables"),
        ('    replace_prefix:\n        {"results/": "elsewhere/"}\n', "elsewhere/cornerstone/tables"),
        ('    pathvars:\n        results="elsewhere",\n', "elsewhere/tables"),
    ],
    ids=["prefix", "replace_prefix", "pathvars"],
)
def test_results_that_would_be_moved_besides_the_configuration_are_refused(tmp_path, statement, place):
    folder = second_workflow(tmp_path / "second", statement=statement)
    (line,) = ours(snakemake(folder, "--dry-run", succeeds=False))
    assert (
        f"rules would write to {place}, and the configuration says results/cornerstone/tables: leave" in line
    )


def test_a_mistake_in_its_configuration_is_one_line(tmp_path):
    (line,) = ours(
        snakemake(second_workflow(tmp_path / "second", max_removed=0), "--dry-run", succeeds=False)
    )
    assert line == "Cornerstone: config: max_removed is 0: give 1 or more"


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A git repository with the workflow as it stands here."""
    folder = tmp_path_factory.mktemp("repository") / "cornerstone"
    folder.mkdir()
    for name in CLONED:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() and not source.is_symlink() else shutil.copy2
        copy(
            source,
            folder / name,
            **({"symlinks": True} if copy is shutil.copytree else {"follow_symlinks": False}),
        )
    author = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*author, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_a_module_from_a_repository_needs_the_library_and_says_so_in_one_line(repository, tmp_path):
    folder = from_repository(tmp_path / "second", repository)
    said = snakemake(folder, "--dry-run", succeeds=False)
    assert (
        said.strip()
        .splitlines()[-1]
        .startswith("Cornerstone: cornerstone cannot be imported where Snakemake")
    )
    assert "Traceback" not in said
    of_another = tmp_path / "library"
    shutil.copytree(REPOSITORY / "workflow" / "cornerstone", of_another / "cornerstone")
    (of_another / "cornerstone" / "__init__.py").write_text('__version__ = "0.0.1"\n')
    (line,) = ours(snakemake(folder, "--dry-run", succeeds=False, PYTHONPATH=str(of_another)))
    assert "the workflow is of version" in line and "of 0.0.1" in line


@pytest.mark.study
def test_with_the_library_a_module_from_a_repository_plans_the_same(repository, tmp_path):
    folder = from_repository(tmp_path / "second", repository)
    said = snakemake(folder, "--dry-run", *TRIGGERS, PYTHONPATH=str(REPOSITORY / "workflow"))
    assert jobs_in(said) == jobs_in(snakemake(second_workflow(tmp_path / "other"), "--dry-run"))


@pytest.mark.study
def test_a_second_workflow_runs_the_demo(tmp_path):
    """Elsewhere, with Snakemake's own reasons to run a job again; then nothing is left to be done.

    Its rule of evaluations is changed, and still has to wait until the documents are accepted.
    """
    folder = second_workflow(
        tmp_path / "second", ANOTHER_PRIORITY, models={"mine": settings()["models"]["mine"]}
    )
    snakemake(folder)
    results = folder / "results" / "cornerstone"
    assert (results / "figures" / "pie_mine.pdf").stat().st_size > 1000
    assert not (results / "report.html").exists()  # which nothing asks for
    assert "mine" in (folder / "results" / "most_important.txt").read_text()
    assert {path.name for path in folder.iterdir()} == {".snakemake", "Snakefile", "config.yaml", "results"}
    assert "Nothing to be done" in snakemake(folder)
    assert re.search(rf"Demo Llama +BoolQ .* {N_DOCUMENTS} of ", snakemake(folder, "cornerstone_precision"))


@pytest.mark.study
@pytest.mark.slow
def test_scripts_from_a_repository_run_with_an_installed_library_and_then_nothing_is_left(
    repository, tmp_path
):
    folder = from_repository(tmp_path / "second", repository)
    target = "results/cornerstone/figures/pie_mine.pdf"
    with_library = {"PYTHONPATH": str(install(tmp_path))}
    snakemake(folder, target, *TRIGGERS, **with_library)
    assert (folder / target).stat().st_size > 1000
    assert "Nothing to be done" in snakemake(folder, target, *TRIGGERS, **with_library)
