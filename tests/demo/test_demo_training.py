"""The demo models: what is shipped answers the tasks, and what trains them learns."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import torch

from cornerstone.demo.accuracy import accuracy, load
from cornerstone.demo.questions import TASKS, requests
from cornerstone.demo.training import (
    MODELS,
    PLANS,
    Plan,
    learning_rate,
    llama_config,
    new_model,
    pack,
    positions,
    save,
    train,
    train_tokenizer,
)
from cornerstone.demo.world import build_world, read_documents, tell

DEMO = Path(__file__).parents[2] / "resources" / "demo"
CHANCE = {
    "boolq": 0.5,
    "arc_easy": 0.25,
    "arc_challenge": 0.25,
    "piqa": 0.5,
    "winogrande": 0.5,
    "openbookqa": 0.25,
}
AIM = {"demo_llama": 0.80, "demo_mixtral": 0.75}
TINY = {
    "vocab_size": 600,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(tell(build_world(), 1500))


@pytest.fixture(scope="module")
def tokenizer(texts):
    return train_tokenizer(texts, vocabulary=TINY["vocab_size"])


@pytest.fixture(scope="module")
def rows(texts, tokenizer):
    return pack(texts, tokenizer, row_length=64)


@pytest.fixture(scope="module", params=sorted(MODELS))
def shipped(request):
    return request.param, *load(DEMO / "models" / request.param)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_few_steps_of_training_lower_the_loss(name, rows):
    plan = Plan(rows=8, row_length=64, epochs=60 * 8 / len(rows))
    losses = train(new_model(name, **TINY), rows, plan, report=lambda line: None)
    assert len(losses) == 60
    assert sum(losses[-5:]) / 5 < sum(losses[:5]) / 5 - 1.0


def test_training_is_the_same_each_time(rows):
    plan = Plan(rows=4, row_length=64, epochs=5 * 4 / len(rows))
    runs = [train(new_model("demo_llama", **TINY), rows, plan, report=lambda line: None) for _ in range(2)]
    assert runs[0] == runs[1]


def test_training_tells_step_loss_rate_and_time_left(rows):
    lines: list[str] = []
    train(
        new_model("demo_llama", **TINY),
        rows,
        Plan(rows=4, row_length=64, epochs=3 * 4 / len(rows)),
        lines.append,
    )
    assert re.fullmatch(r"step 3/3  loss \d\.\d{3}  [\d,]+ tokens/s  0\.0 min left", lines[-1])


def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_twentieth():
    plan = dataclasses.replace(PLANS["demo_llama"], warmup=0.1)
    rates = [learning_rate(plan, step, 100) for step in range(100)]
    assert max(rates) == rates[9] == plan.learning_rate
    assert rates[:10] == sorted(rates[:10])
    assert rates[-1] == pytest.approx(plan.learning_rate / 20, rel=0.05)


def test_packing_keeps_every_token_in_order_and_begins_each_text(texts, tokenizer, rows):
    stream = rows.flatten().tolist()
    assert stream[: len(tokenizer(texts[0])["input_ids"])] == tokenizer(texts[0])["input_ids"]
    assert stream.count(tokenizer.bos_token_id) in (len(texts), len(texts) - 1)


def test_a_saved_model_takes_the_place_of_the_old_one_whole(tmp_path, tokenizer):
    folder = tmp_path / "demo_llama"
    folder.mkdir()
    (folder / "old").touch()
    model = new_model("demo_llama", **TINY)
    save(model, tokenizer, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["demo_llama"]
    assert not (folder / "old").exists()
    again, _ = load(folder)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_shipped_models_have_the_promised_shape(shipped):
    name, model, _ = shipped
    assert isinstance(model, MODELS[name][0])
    assert 6 <= model.config.num_hidden_layers <= 8
    if name == "demo_mixtral":
        assert (model.config.num_local_experts, model.config.num_experts_per_tok) == (8, 2)


def test_shipped_models_are_under_16_mb_together():
    files = [path for path in (DEMO / "models").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors"}
    assert sum(path.stat().st_size for path in files) < 16e6


def test_shipped_tokenizers_begin_with_bos_and_give_back_the_text(shipped):
    _, _, tokenizer = shipped
    text = "Question: Where does the mirral live?\nAnswer: in the marsh — 沼"
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and tokenizer.bos_token == "<s>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_asked_prompts_are_short(shipped):
    """So that the demo is quick: no prompt is longer than 130 tokens with its longest choice."""
    _, _, tokenizer = shipped
    for task in TASKS:
        for question in read_documents(DEMO / "documents", task):
            pairs, _ = requests(question)
            assert max(len(tokenizer(a + b)["input_ids"]) for a, b in pairs) <= 130


@pytest.mark.parametrize("task", TASKS)
def test_shipped_models_answer_far_above_chance(task, shipped):
    name, model, tokenizer = shipped
    questions = read_documents(DEMO / "documents", task)[:60]
    right = accuracy(model, tokenizer, questions)
    assert right > (1 + CHANCE[task]) / 2 - 0.05
    assert right > AIM[name] - 0.1


def test_the_readme_has_the_accuracy_of_each_model_on_each_task():
    rows = re.findall(r"^\| (demo_\w+) \|(.+)\|$", (DEMO / "README.md").read_text(encoding="utf-8"), re.M)
    assert {name for name, _ in rows} == set(MODELS)
    for name, cells in rows:
        scores = [float(cell) for cell in cells.split("|")]
        assert len(scores) == len(TASKS) and min(scores) >= AIM[name]


def test_packed_texts_are_read_as_if_each_stood_alone():
    model = new_model("demo_llama", **TINY).eval()
    bos = model.config.bos_token_id
    first, second = torch.tensor([[bos, 7, 8, 9]]), torch.tensor([[bos, 21, 22]])
    packed = torch.cat([first, second], dim=1)
    places = positions(packed, bos)
    assert places.tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    with torch.inference_mode():
        together = model(input_ids=packed, position_ids=places, use_cache=False).logits
        alone = model(input_ids=second, use_cache=False).logits
    torch.testing.assert_close(together[:, 4:], alone, atol=1e-5, rtol=0)


def test_configurations_name_the_special_tokens(tokenizer):
    assert llama_config().bos_token_id == tokenizer.bos_token_id
    assert llama_config().eos_token_id == tokenizer.eos_token_id
