"""A study of a base model and a chat model, of one network: what is built, evaluated, and evaluated again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import transformers

from cornerstone.documents.document import read_documents
from tiny_study import N_DOCUMENTS, clone, configure, make, make_model, planned, write_documents

pytestmark = pytest.mark.study

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)
BASE = {"folder": "models/tiny"}
CHAT = {"folder": "models/chat", "apply_chat_template": True}
TASKS = {"boolq": {"data": "boolq.jsonl"}}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """First the base model alone, then a chat model beside it. Not to be changed but in order."""
    folder = clone(tmp_path_factory.mktemp("chat") / "study")
    make_model(folder / "models" / "tiny")
    shutil.copytree(folder / "models" / "tiny", folder / "models" / "chat")
    (folder / "models" / "chat" / "chat_template.jinja").write_text(TEMPLATE)
    write_documents(folder)
    configure(folder, models={"base": BASE}, tasks=TASKS)
    make(folder, *evaluations("base"))
    return folder


def evaluations(*models):
    return [f"results/evaluations/{model}/boolq/ablation.parquet" for model in models]


def log_of(folder, model):
    return (folder / "results" / "logs" / "evaluate" / model / "boolq.log").read_text()


def numbers(folder, model):
    table = pq.read_table(folder / evaluations(model)[0]).to_pandas()
    return table[table["removed"] == ""].set_index(["document", "choice"])["loglikelihood"]


def plain(folder, prompt, answer):
    """The log-likelihood of an answer by plain transformers. A token is a byte, and none is added."""
    path = folder / "models" / "tiny"
    network = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    context, targets = (tokenizer(text)["input_ids"] for text in (prompt, answer))
    tokens = (context + targets)[-257:]
    with torch.inference_mode():
        scores = network(torch.tensor([tokens[:-1]])).logits[0].log_softmax(-1)
    return sum(float(row[token]) for row, token in zip(scores[-len(targets) :], targets, strict=True))


def test_a_chat_model_beside_it_evaluates_nothing_of_the_base_model_again(study):
    before = numbers(study, "base")
    assert "messages" not in pq.read_schema(study / "results" / "documents" / "boolq.parquet").names
    configure(study, models={"base": BASE, "chat": CHAT}, tasks=TASKS)
    make(study, *evaluations("base", "chat"))
    assert "messages" in pq.read_schema(study / "results" / "documents" / "boolq.parquet").names
    assert "evaluated 0 pairs" in log_of(study, "base") and "evaluated 0 pairs" not in log_of(study, "chat")
    assert numbers(study, "base").equals(before)


def test_numbers_are_those_of_plain_transformers_on_each_models_own_prompt(study):
    row = json.loads((study / "boolq.jsonl").read_text().splitlines()[0])
    prompt = f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:"
    for model, text, answers in (
        ("base", prompt, (" no", " yes")),
        ("chat", f"<user>{prompt}<answer>", ("no", "yes")),
    ):
        for choice, answer in enumerate(answers):
            assert numbers(study, model)[0, choice] == pytest.approx(plain(study, text, answer), abs=1e-4)


def test_nothing_is_left_to_do_and_overview_says_so(study):
    assert planned(study, *evaluations("base", "chat")) == {}
    rows = [line.split() for line in make(study, "overview").splitlines()[-2:]]
    assert rows == [["base", "done"], ["chat", "done"]]


def test_an_edited_template_is_evaluated_again_and_plans_that_models_evaluations_alone(study):
    (study / "models" / "chat" / "chat_template.jinja").write_text(TEMPLATE.replace("<answer>", "<a>"))
    jobs = planned(study, *evaluations("base", "chat"))
    assert jobs["download_model"] == jobs["evaluate"] == 1 and "build_documents" not in jobs
    assert make(study, "overview").splitlines()[-1].split() == ["chat", "0", "%"]
    said = make(study, "--dry-run", *evaluations("base", "chat"))
    assert "Evaluate chat on boolq" in said and "Evaluate base on boolq" not in said
    make(study, *evaluations("base", "chat"))
    assert "reused 0, " in log_of(study, "chat")


def test_another_form_of_the_messages_makes_other_documents_and_nothing_of_the_base_model(study):
    configure(
        study,
        models={"base": BASE, "chat": CHAT},
        tasks={"boolq": TASKS["boolq"] | {"fewshot_as_multiturn": False}},
    )
    assert planned(study, *evaluations("base"))["build_documents"] == 1
    make(study, *evaluations("base", "chat"))
    assert "evaluated 0 pairs" in log_of(study, "base")
    assert "evaluated 0 pairs" in log_of(study, "chat")  # without examples the messages are the same


def test_what_was_evaluated_before_is_used_where_the_template_is_taken_back(study):
    (study / "models" / "chat" / "chat_template.jinja").write_text(TEMPLATE)
    make(study, *evaluations("chat"))
    assert "evaluated 0 pairs" in log_of(study, "chat")


def test_what_a_template_is_given_is_read_and_evaluated_again_and_taken_back_it_is_used(study):
    template = TEMPLATE.replace("<answer>", "<{{ style | default('answer') }}>")
    (study / "models" / "chat" / "chat_template.jinja").write_text(template)
    configure(study, models={"chat": CHAT | {"chat_template_args": {"style": "a"}}}, tasks=TASKS)
    make(study, *evaluations("chat"))
    row = json.loads((study / "boolq.jsonl").read_text().splitlines()[0])
    prompt = f"<user>{row['passage']}\nQuestion: {row['question']}?\nAnswer:<a>"
    assert numbers(study, "chat")[0, 1] == pytest.approx(plain(study, prompt, "yes"), abs=1e-4)
    (study / "models" / "chat" / "chat_template.jinja").write_text(TEMPLATE)
    configure(study, models={"chat": CHAT}, tasks=TASKS)
    make(study, *evaluations("chat"))
    assert "evaluated 0 pairs" in log_of(study, "chat")


def test_a_model_without_a_template_is_refused_by_a_dry_run(study):
    configure(study, models={"base": BASE}, apply_chat_template=True, tasks=TASKS)
    said = make(study, "--dry-run", *evaluations("base"), succeeds=False)
    assert (
        "models.base: the tokenizer in models/tiny has no chat template, and apply_chat_template is True"
        in said
    )
    assert len(read_documents(study / "results" / "documents" / "boolq.parquet").documents) == N_DOCUMENTS
