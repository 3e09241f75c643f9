"""A study of a demo model whose answers are generated, to its report; and what is generated and scored again."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import transformers
import yaml

from lm_eval_harness import sublayer_modules, zeroed
from tiny_study import REPOSITORY, clone, configure, make, planned

pytestmark = pytest.mark.study

DEMO = REPOSITORY / "resources" / "demo"
N_DOCUMENTS = 12
TASK = {
    "task": "answers",
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{passage}}\nQuestion: {{question}}?\nAnswer:",
    "doc_to_target": "{{'yes' if label else 'no'}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6, "do_sample": False},
    "filter_list": [
        {"name": "whole", "filter": [{"function": "take_first"}]},
        {
            "name": "first-word",
            "filter": [{"function": "regex", "regex_pattern": "(\\w+)"}, {"function": "take_first"}],
        },
    ],
    "metric_list": [
        {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}
    ],
    "metadata": {"version": 1.0},
}
STUDY = {
    "models": {"demo": {"folder": str(DEMO / "models" / "demo_llama"), "title": "Demo"}},
    "documents": N_DOCUMENTS,
    "max_removed": 2,
}


def tasks(**changes):
    data = str(DEMO / "documents" / "boolq.jsonl")
    return {
        "answers": {"data": data, "include_path": "my_tasks", "generate": True, **changes},
        "boolq": {"data": data},
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Run to its report, with a task of given answers beside it. Not to be changed but in order."""
    folder = clone(tmp_path_factory.mktemp("generation") / "study")
    (folder / "my_tasks").mkdir()
    (folder / "my_tasks" / "answers.yaml").write_text(yaml.safe_dump(TASK))
    configure(folder, **STUDY, tasks=tasks())
    make(folder, "all")
    return folder


def read(study, folder, design="ablation"):
    return pq.read_table(study / "results" / folder / "demo" / "answers" / f"{design}.parquet").to_pandas()


def test_texts_are_those_of_plain_transformers_under_hooks(study):
    texts = read(study, "generations").set_index(["removed", "document"])["answer"]
    assert len(texts) == 13 * N_DOCUMENTS and texts.nunique() > 20
    network = transformers.AutoModelForCausalLM.from_pretrained(DEMO / "models" / "demo_llama").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO / "models" / "demo_llama")
    modules = sublayer_modules(network, "model.layers", ("self_attn",), "mlp")
    rows = [json.loads(line) for line in (DEMO / "documents" / "boolq.jsonl").open()]
    for removed in ("", "0", "7"):
        for document in range(0, N_DOCUMENTS, 3):
            prompt = f"{rows[document]['passage']}\nQuestion: {rows[document]['question']}?\nAnswer:"
            ids = torch.tensor([tokenizer(prompt)["input_ids"]])
            with zeroed(modules, [int(removed)] if removed else []):
                made = network.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=6,
                    do_sample=False,
                    pad_token_id=0,
                )
            plain = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
            assert texts[removed, document] == plain.split("\n")[0]


def test_scores_are_of_the_metric_that_the_task_reports_first(study):
    texts, scored = read(study, "generations"), read(study, "evaluations")
    rows = [json.loads(line) for line in (DEMO / "documents" / "boolq.jsonl").open()]
    gold = ["yes" if row["label"] else "no" for row in rows]
    wanted = [
        float(answer.lower() == gold[document])
        for answer, document in zip(texts["answer"], texts["document"], strict=True)
    ]
    assert scored["loglikelihood"].tolist() == wanted


def test_the_tables_have_both_tasks_and_the_report_says_how_answers_are_scored(study):
    values = pd.read_csv(study / "results" / "values" / "demo" / "answers.csv")
    assert len(values) == 12 and values["value"].notna().all()
    side_by_side = pd.read_csv(study / "results" / "tables" / "scores_side_by_side.csv")
    assert side_by_side[side_by_side["task"] == "answers"]["score"].tolist() == ["generated"]
    assert "generated" in (study / "results" / "report.html").read_text()


def test_nothing_is_left_to_do_and_overview_says_so(study):
    assert planned(study, "all") == {}
    assert make(study, "overview").splitlines()[-1].split() == ["Demo", "done", "done"]


def test_another_metric_scores_the_same_texts_and_generates_nothing(study):
    before = read(study, "evaluations")["loglikelihood"].sum()
    configure(study, **STUDY, tasks=tasks(metric="exact_match,first-word"))
    jobs = planned(study, "all")
    assert "generate" not in jobs and jobs["score_answers"] == 1
    make(study, "results/evaluations/demo/answers/ablation.parquet")
    assert read(study, "evaluations")["loglikelihood"].sum() > before


def test_more_documents_generate_only_those(study):
    configure(study, **STUDY | {"documents": N_DOCUMENTS + 2}, tasks=tasks())
    make(study, "results/generations/demo/answers/ablation.parquet")
    log = (study / "results" / "logs" / "generate" / "demo" / "answers.log").read_text()
    assert f"evaluated {2 * 13} pairs, reused {N_DOCUMENTS * 13}" in log
