"""Studies of targets and whole texts, and of documents that begin alike, by configuration alone."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from cornerstone.documents.document import read_documents
from cornerstone.evaluations.evaluation import read_evaluation, read_evaluation_metadata
from tiny_study import N_SUBLAYERS, configure, make, prepare

pytestmark = pytest.mark.study

TEXTS = [" ".join(f"page {n} has {word} words" for word in range(3, 4 + 9 * (n % 3))) for n in range(50)]
TARGETS = [f"the number after {n} is {n + 1}" for n in range(20)]
FEW_SHOTS = """
task: fixed_shots
dataset_path: json
dataset_kwargs: {data_files: {train: shots.jsonl, test: asked.jsonl}}
output_type: multiple_choice
training_split: train
test_split: test
fewshot_split: train
fewshot_config: {sampler: first_n}
num_fewshot: 2
doc_to_text: "Is {{thing}} even?"
doc_to_target: label
doc_to_choice: ["no", "yes"]
metric_list: [{metric: acc}]
"""


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A clone with rows for wikitext, lambada_openai and a task of fixed examples. Not to be changed but in order."""
    folder = prepare(tmp_path_factory.mktemp("texts") / "study")
    write_rows(folder / "texts.jsonl", [{"page": text} for text in TEXTS])
    write_rows(folder / "targets.jsonl", [{"text": text} for text in TARGETS])
    return folder


WIKITEXT = {"wikitext": {"data": "texts.jsonl", "title": "WikiText"}}
LAMBADA = {"lambada_openai": {"data": "targets.jsonl"}}


def test_whole_texts_are_studied_by_one_line_of_the_configuration(study):
    configure(study, tasks=WIKITEXT, corrected=True)
    make(study, "all")
    values = pd.read_csv(study / "results/values/tiny/wikitext.csv")
    assert set(values["score"]) == {"bits_per_byte"} and set(values["unit"]) == {"bits per byte"}
    documents = read_documents(study / "results/documents/wikitext.parquet").documents
    table = read_evaluation(study / "results/evaluations/tiny/wikitext/ablation.parquet").table
    full = table[table["removed"] == ""].set_index("document")["loglikelihood"]
    rows = pd.read_csv(study / "results/tables/perplexities.csv")
    assert len(rows) == 3 * (1 + N_SUBLAYERS)
    bits = rows.query("metric == 'bits_per_byte' and label == 'full model'")["value"].item()
    assert bits == pytest.approx(-full.sum() / np.log(2) / sum(one.bytes for one in documents))
    report = re.sub("<[^>]+>", " ", (study / "results/report.html").read_text())
    assert "Perplexities" in report and "Colour is the value in bits per byte" in report
    assert "dotted: chance" not in report and "equally likely" not in report


@pytest.mark.slow
def test_targets_beside_texts_need_a_score_that_both_have(study):
    configure(study, tasks=WIKITEXT | LAMBADA)
    said = make(study, "all", succeeds=False)
    assert "score is paper, which means acc and bits_per_byte on the tasks of this study" in said
    configure(study, tasks=WIKITEXT | LAMBADA, score="logprob")
    make(study, "all")
    log = (study / "results/logs/evaluate/tiny/wikitext.log").read_text()
    assert "evaluated 0 pairs" in log or "reused 0" in log  # as the first study left it
    rows = pd.read_csv(study / "results/tables/perplexities.csv")
    values = pd.read_csv(study / "results/values/tiny/lambada_openai.csv")
    assert set(values["unit"]) == {"nats"}
    scores = pd.read_csv(study / "results/tables/scores.csv").set_index("task")
    perplexity = rows.query("metric == 'perplexity' and label == 'full model'")["value"].item()
    assert perplexity == pytest.approx(np.exp(-scores.loc["lambada_openai", "full"]))


def test_documents_that_begin_alike_share_their_examples_and_their_coalitions(study):
    (study / "tasks").mkdir()
    (study / "tasks" / "fixed_shots.yaml").write_text(yaml.safe_dump(yaml.safe_load(FEW_SHOTS)))
    rows = [{"thing": f"thing number {n}", "label": n % 2} for n in range(62)]
    write_rows(study / "shots.jsonl", rows[:2])
    write_rows(study / "asked.jsonl", rows[2:])
    settings = {"corrected": True, "documents_per_draw": 4, "score": "logprob"}
    configure(study, tasks={"fixed_shots": {"include_path": "tasks"}}, **settings)
    said = make(study, "estimate")
    assert "documents_per_draw 16" in said
    make(study, "all")
    log = (study / "results/logs/evaluate/tiny/fixed_shots.log").read_text()
    assert "shared prefixes of up to" in log
    metadata = read_evaluation_metadata(study / "results/evaluations/tiny/fixed_shots/kernel_pairs.parquet")
    assert [len(group) for group in metadata["documents"]["drawn_together"]] == [4] * 15
    engine = metadata["provenance"]["engine"]
    assert engine["evaluations"] == engine["least_evaluations"]
    rows = pd.read_csv(study / "results/tables/corrected.csv")
    assert rows["error"].notna().all()
