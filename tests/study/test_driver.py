"""What the driver does before it plans jobs: checks, questions, the lock of another run, results that are none."""

import base64
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from configurations import a_study, message_of, typed
from cornerstone.evaluations.evaluation import Evaluation
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.study import driver
from cornerstone.study.job_states import LOCKS, recorded_outputs
from cornerstone.study.resolve import resolve
from cornerstone.system.errors import CornerstoneError
from written_evaluations import write_evaluation

FAR = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "max_removed": 2}
STUDY = resolve(FAR)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lock():
    """As another run of Snakemake does."""
    LOCKS.mkdir(parents=True)
    (LOCKS / "0.output.lock").touch()


# The study


def test_the_driver_checks_targets_and_local_models_and_its_jobs_do_not():
    wrong = ["results/figures/pie_nobody.pdf"]
    with pytest.raises(CornerstoneError, match=r"cannot make results/figures/pie_nobody\.pdf: unknown model"):
        driver.configured_study(FAR, wrong, is_driver=True)
    assert driver.configured_study(FAR, wrong, is_driver=False) == STUDY
    with pytest.raises(CornerstoneError, match=r"models\.mine: model folder models/mine does not exist"):
        driver.configured_study(a_study(), ["all"], is_driver=True)
    driver.configured_study(a_study(), ["all"], is_driver=False)


def test_the_demo_models_may_be_missing_where_they_are_made():
    driver.configured_study(a_study(), ["train_demo_models"], is_driver=True)


def test_a_place_that_is_a_file_is_refused_by_the_driver(here):
    (here / "results").touch()
    with pytest.raises(CornerstoneError, match="results is results, but results is a file"):
        driver.configured_study(FAR, ["all"], is_driver=True)


def test_a_group_needs_lm_eval_beside_snakemake(monkeypatch):
    monkeypatch.setitem(sys.modules, "cornerstone.documents.task_index", None)
    said = message_of(resolve, a_study(tasks={"mmlu": {"group": "mmlu"}}), driver.expand_group)
    assert "the task group mmlu can only be looked up where lm-eval is installed" in said
    assert "pip install lm_eval datasets" in said


# What the command line asks for


@pytest.mark.parametrize(
    ("arguments", "is_dry"),
    [
        (["-n", "all"], True),
        (["-np"], True),
        (["--dry-run"], True),
        (["--dryrun"], True),
        (["-nc1", "all"], True),
        (["-nj4"], True),
        (["-sSnakefile", "all"], False),
        (["all", "--nolock"], False),
        (["results/n"], False),
        ([], False),
    ],
)
def test_a_dry_run_is_known_by_its_options(arguments, is_dry):
    assert typed(*arguments).is_dry_run == is_dry


@pytest.fixture
def answered(monkeypatch):
    """The questions that are answered, instead of the answers."""
    questions = []
    monkeypatch.setattr(driver, "answer", lambda question, study, files: questions.append((question, files)))
    return questions


@pytest.mark.parametrize("question", sorted(driver.QUESTIONS))
def test_a_question_is_answered_in_place_of_a_run(answered, question):
    assert driver.answer_question(STUDY, typed(question, "--configfile", "mine.yaml"), ["mine.yaml"])
    assert answered == [(question, ["mine.yaml"])]


@pytest.mark.parametrize(
    "arguments",
    [["all"], ["overview", "all"], ["overview", "estimate"], ["overview", "-n"], ["overview", "report"], []],
)
def test_what_is_no_single_question_is_left_to_snakemake(answered, arguments):
    assert not driver.answer_question(STUDY, typed(*arguments))
    assert answered == []


def test_a_question_that_lacks_packages_is_left_to_its_rule_unless_another_run_works_here(monkeypatch):
    def answer(question, study, files):
        raise ImportError("No module named 'lm_eval'")

    monkeypatch.setattr(driver, "answer", answer)
    assert not driver.answer_question(STUDY, typed("estimate"))
    lock()
    assert not driver.answer_question(STUDY, typed("estimate", "--nolock"))
    assert (
        message_of(driver.answer_question, STUDY, typed("estimate"))
        == "add --nolock: another Snakemake works in this folder (No module named 'lm_eval')"
    )


def test_the_overview_is_printed(capsys):
    driver.answer("overview", STUDY)
    assert "mine" in capsys.readouterr().out


def test_the_precision_of_nothing_is_refused_in_one_line():
    assert "no model has all evaluations of a task yet" in message_of(driver.answer, "precision", STUDY)


# Another run


def test_a_lock_is_explained_where_jobs_would_run(capsys):
    driver.explain_lock(typed("all"))
    assert capsys.readouterr().err == ""
    lock()
    for arguments in (["all", "-n"], ["--unlock"], ["--summary"]):
        driver.explain_lock(typed(*arguments))
    assert capsys.readouterr().err == ""
    driver.explain_lock(typed("all"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Cornerstone: another Snakemake works in this folder")
    assert "snakemake --unlock" in line


# Results that are none

BAD = ("models/mine.json", "documents/piqa.parquet", "evaluations/mine/piqa/windows.parquet")


@pytest.fixture
def bad_results(here):
    """A manifest, documents and an evaluation that are none of theirs."""
    paths = [here / "results" / name for name in BAD]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text("nothing of ours")
    return paths


def rejected():
    return sorted(path.name for path in Path("results").rglob("*.rejected"))


def test_bad_results_are_set_aside_so_that_they_are_made_again(bad_results):
    driver.set_aside_bad_results(STUDY, typed("all"))
    assert rejected() == ["mine.json.rejected", "piqa.parquet.rejected", "windows.parquet.rejected"]
    assert not any(path.exists() for path in bad_results)


def test_a_damaged_list_of_what_is_left_out_is_set_aside(here):
    path = here / "results" / "unscorable" / "mine" / "piqa.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    driver.set_aside_bad_results(STUDY, typed("all"))
    assert rejected() == ["piqa.json.rejected"]


def test_a_dry_run_says_what_it_would_set_aside(bad_results, capsys):
    driver.set_aside_bad_results(STUDY, typed("all", "-n"))
    said = capsys.readouterr().err
    assert all(f"would set aside results/{name}: " in said for name in BAD)
    assert rejected() == []


def test_nothing_is_set_aside_by_one_that_only_looks_or_beside_another_run(bad_results, capsys):
    for looking in (["--lint"], ["--lt"], ["--list-changes", "params"], ["--dag=mermaid-js", "all"], ["-S"]):
        driver.set_aside_bad_results(STUDY, typed(*looking))
    lock()
    driver.set_aside_bad_results(STUDY, typed("all"))
    assert rejected() == []
    assert capsys.readouterr().err == ""


def test_what_snakemake_made_here_is_told_from_what_came_from_elsewhere(here):
    for name in ("results/a.parquet", f"results/{'deep/' * 60}b.parquet"):
        coded = base64.urlsafe_b64encode(name.encode()).decode()
        parts = [coded[start : start + 200] for start in range(0, len(coded), 200)]
        path = Path(".snakemake", "metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert recorded_outputs() == {"results/a.parquet", f"results/{'deep/' * 60}b.parquet"}


def test_evaluations_from_elsewhere_are_held_against_what_is_configured(here):
    told = driver._settings(STUDY, "mine", "zero")
    assert told == {"dtype": STUDY.model("mine").dtype, "engine_version": ENGINE_VERSION, "removal": None}
    assert driver._settings(STUDY, "mine", "mean")["removal"] == {"name": "mean"}  # there are no means yet


def test_a_key_that_stands_twice_is_refused_with_its_lines(here):
    Path("study.yaml").write_text(
        "models: &all\n  mine: {hub: a/b}\ntasks:\n  piqa: {shots: 5}\n  boolq: {}\n  piqa: {shots: 0}\nmore: *all\n"
    )
    read = partial(driver.configured_study, FAR, [], ["study.yaml"], is_driver=True)
    assert message_of(read) == "config: study.yaml: 'piqa' stands twice, in lines 4 and 6: leave one out"
    Path("study.yaml").write_text("tasks: {piqa: {}, piqa: {shots: 5}}\n")
    assert message_of(read) == "config: study.yaml: 'piqa' stands twice, in lines 1 and 1: leave one out"
    Path("study.yaml").write_text(
        "base: &base {shots: 5}\ntasks:\n  piqa: {<<: *base, shots: 0}\n  boolq: *base\n"
    )
    assert read() == STUDY
    for text in (
        "a: &a {x: 1}\nb: &b {y: 1}\nc:\n  <<: *a\n  <<: *b\n1: x\n'1': y\n",
        '{\n\t"a": 1\n}\n',
        "",
    ):
        Path("study.yaml").write_text(text)
        assert read() == STUDY


def test_an_evaluation_of_another_dtype_is_set_aside_unless_snakemake_knows_of_it(here):
    path = STUDY.evaluation_path("mine", "piqa", "windows")
    table = pd.DataFrame(
        {"removed": ["0,1"], "document": [0], "choice": [0], "loglikelihood": [-1.0], "greedy": [True]}
    )
    identity = {"dtype": "float64", "engine_version": ENGINE_VERSION}
    evaluation = Evaluation("mine", "piqa", "windows", ("Attn 0", "FFN 0"), table, {}, identity)
    path.parent.mkdir(parents=True)
    write_evaluation(evaluation, path)
    record = Path(".snakemake", "metadata", base64.urlsafe_b64encode(str(path).encode()).decode())
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    driver.set_aside_bad_results(STUDY, typed("all"))
    assert path.exists(), "it is made again because its parameters changed, and never lost"
    record.unlink()
    driver.set_aside_bad_results(STUDY, typed("all"))
    assert not path.exists() and rejected() == ["windows.parquet.rejected"]


def test_values_of_options_are_no_targets(here):
    line = typed("--report", f"{STUDY.results}/figures.zip", "all")
    assert line.targets == ("all",) and line.is_looking
