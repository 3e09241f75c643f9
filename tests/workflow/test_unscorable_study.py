"""Documents that one of two models cannot score: refused before it is evaluated, or left out of it alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.figures import figures_of
from tiny_study import N_DOCUMENTS, N_SUBLAYERS, STUDY, configure, make, make_model, planned, prepare

MODELS = {**STUDY["models"], "narrow": {"folder": "models/narrow", "title": "Narrow"}}
TASKS = {"boolq": {"data": "boolq.jsonl"}, "piqa": {"data": "piqa.jsonl"}}
CSV = ("values", "ablation", "joint", "agreement", "interactions", "audit", "audit_positions")
LONGEST = 96
"""Tokens that the model `narrow` takes."""
WIPED = "жж"
"""What its tokenizer makes nothing of."""


def make_narrow_model(folder: Path) -> None:
    """The tiny model with a shorter maximum, and a tokenizer that wipes away what is not ASCII."""
    make_model(folder)
    for name, change in {
        "config.json": {"max_position_embeddings": LONGEST},
        "tokenizer.json": {
            "normalizer": {"type": "Replace", "pattern": {"Regex": r" ?[^\x00-\x7f]+"}, "content": ""}
        },
    }.items():
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | change))


def change_row(path: Path, number: int, **fields) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[number] |= fields
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A study of two models, of which nothing was run. Not to be changed."""
    folder = prepare(tmp_path_factory.mktemp("unscorable") / "study")
    make_narrow_model(folder / "models" / "narrow")
    change_row(folder / "piqa.jsonl", 3, sol2="y" * LONGEST)
    change_row(folder / "piqa.jsonl", 11, sol1=WIPED)
    configure(folder, models=MODELS, exact=list(MODELS))
    return folder


def wipe_winogrande(folder: Path) -> None:
    """Every document of the task has a choice after which nothing is left to score."""
    for number in range(N_DOCUMENTS):
        change_row(folder / "winogrande.jsonl", number, sentence=f"Anything _ {WIPED}")


def test_what_is_of_one_model_plans_no_job_of_another(prepared):
    figures = figures_of(list(MODELS), exact=list(MODELS), with_pairs=list(MODELS))
    targets = [f"results/figures/{stem}.pdf" for stem, (_, model) in figures.items() if model == "tiny"]
    assert len(targets) == 8
    targets += [f"results/{folder}/tiny/boolq.csv" for folder in CSV]
    targets += [
        f"results/evaluations/tiny/piqa/{design}.parquet" for design in ("ablation", "windows", "exact")
    ]
    targets += ["results/models/tiny.json", "results/unscorable/tiny.json"]
    said = make(prepared, *targets, "--dry-run")
    assert "tiny" in said and "narrow" not in said
    together = planned(prepared, *targets)
    once = ("find_unscorable", "accept_documents", "download_model")
    assert [together[rule] for rule in once] == [1, 1, 1]
    assert (together["evaluate"], together["evaluate_exact"]) == (2, 2) and "tables" not in together
    assert "narrow" in make(prepared, "results/figures/pie_all.pdf", "--dry-run")


def test_one_task_of_a_model_waits_for_all_its_documents_but_evaluates_only_itself(prepared):
    jobs = planned(prepared, "results/evaluations/tiny/boolq/ablation.parquet")
    assert jobs == {
        **{"download_model": 1, "build_documents": 2, "find_unscorable": 1, "accept_documents": 1},
        **{"evaluate": 1, "total": 6},
    }


@pytest.mark.slow
def test_a_study_refuses_then_skips_and_never_evaluates_again_what_it_has(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "study", symlinks=True)
    results = folder / "results"
    tasks = {"piqa": TASKS["piqa"], "winogrande": {"data": "winogrande.jsonl"}}
    change_row(folder / "winogrande.jsonl", 5, sentence=f"The sun shines and _ {WIPED}")
    configure(folder, models=MODELS, tasks=tasks)
    both = [f"results/values/{model}/piqa.csv" for model in MODELS]
    said = make(folder, *both, "--keep-going", succeeds=False)
    (line,) = {line for line in said.splitlines() if line.startswith("Cornerstone: ")}
    assert line.startswith(
        "Cornerstone: narrow cannot score 2 of 20 documents of piqa and 1 of 20 documents of "
    )
    for each in (
        f"piqa document 3, choice 1: the continuation has {LONGEST + 1} tokens, but the model takes at most {LONGEST}",
        "piqa document 11, choice 0: the continuation ' жж' has no tokens of its own",
        "winogrande document 5, choice 0: the continuation ' жж' has no tokens of its own",
        "winogrande document 5, choice 1: ",
        "results/unscorable/narrow/*.json",
    ):
        assert each in line
    assert "Traceback" not in said
    assert not (results / "evaluations" / "narrow").exists()
    assert (folder / both[0]).exists()  # the other model went on

    configure(folder, models=MODELS, tasks=tasks, unscorable="skip")
    before = {path: path.stat().st_mtime_ns for path in (results / "evaluations" / "tiny").rglob("*.parquet")}
    assert len(before) == 2 * 2  # of two designs, with a part each
    make(folder, "results/tables/scores.csv")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    counts = {"piqa": 18, "winogrande": 19}
    for task, count in counts.items():
        for name in ("values", "ablation", "joint", "agreement", "interactions"):
            assert set(pd.read_csv(results / name / "narrow" / f"{task}.csv")["documents"]) == {count}
            assert set(pd.read_csv(results / name / "tiny" / f"{task}.csv")["documents"]) == {20}
    scores = pd.read_csv(results / "tables" / "scores.csv")
    assert scores.set_index(["model", "task"])["documents"].to_dict() == {
        (model, task): count for model in MODELS for task, count in counts.items()
    }
    about = read_evaluation_metadata(results / "evaluations" / "narrow" / "piqa" / "windows.parquet")
    assert about["documents"]["left_out"] == [3, 11]
    assert planned(folder, "results/tables/scores.csv") == {}
    assert re.search(r"Narrow +done +done", make(folder, "overview"))

    configure(folder, models=MODELS, tasks=TASKS, max_removed=3, unscorable="skip")
    jobs = planned(folder, "results/tables/scores.csv")
    # One finding a model for both tasks; the new task's evaluations, and larger windows of the others.
    assert (jobs["find_unscorable"], jobs["evaluate"]) == (2, 2 * len(TASKS))

    configure(folder, models=MODELS, tasks=tasks, unscorable="refuse")
    said = make(folder, "results/tables/scores.csv", succeeds=False)
    assert (
        "narrow cannot score" in said and "set aside results/evaluations/narrow/piqa/windows.parquet" in said
    )
    assert not list((results / "evaluations" / "tiny").rglob("*.rejected"))
    configure(folder, models=MODELS, tasks=tasks, unscorable="skip")
    windows = results / "evaluations" / "narrow" / "piqa" / "windows.parquet"
    make(folder, str(windows.relative_to(folder)))
    provenance = read_evaluation_metadata(windows)["provenance"]
    assert (provenance["evaluated_pairs"], provenance["reused_pairs"]) == (0, 18 * (N_SUBLAYERS - 1))


@pytest.mark.slow
def test_a_task_of_which_a_model_can_score_nothing_is_refused_under_skip_too(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "study", symlinks=True)
    wipe_winogrande(folder)
    tasks = {"boolq": TASKS["boolq"], "winogrande": {"data": "winogrande.jsonl"}}
    configure(folder, models={"narrow": MODELS["narrow"]}, tasks=tasks, unscorable="skip")
    said = make(folder, "results/evaluations/narrow/boolq/ablation.parquet", succeeds=False)
    assert "Cornerstone: narrow cannot score 20 of 20 documents of winogrande: " in said
    assert "leave out a task of which nothing can be scored" in said
    assert not (folder / "results" / "evaluations").exists()
