"""The estimate: what it counts from headers alone is what the engine counts on the loaded model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cornerstone.documents.task_size import TaskSize, expected_size
from cornerstone.loading.load import load_model
from cornerstone.models.facts import ModelFacts, facts_from_folder, facts_of
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.study.estimate import Answers, Tokens, _estimate, _tokens, estimate_need
from cornerstone.study.resolve import resolve
from cornerstone.system.errors import CornerstoneError
from flops import head_flops, sublayer_flops
from hub import Hub, client_environment, make_content
from hub.models import make_model
from odd_configurations import DEMO

ROOT = Path(__file__).parents[2]
FAMILIES = {
    "meta-llama/Meta-Llama-3-8B": 64,
    "mistralai/Mixtral-8x7B-v0.1": 64,
    "Qwen/Qwen3-8B": 6,
    "EleutherAI/pythia-160m": 6,
}
ASK = """
import json, sys
from dataclasses import asdict
from cornerstone.models.hub_facts import facts_from_hub
print(json.dumps(asdict(facts_from_hub(sys.argv[1], "main"))))
"""


@pytest.mark.parametrize("model_id", FAMILIES)
def test_headers_tell_the_operations_that_the_loaded_model_does(tmp_path, model_id):
    folder = make_model(tmp_path, model_id)
    facts = facts_from_folder(folder)
    model = load_model(folder)
    assert facts.sublayers == len(model.sublayers) == FAMILIES[model_id]
    assert 2 * facts.active_numbers == pytest.approx(sum(sublayer_flops(model)), rel=1e-3)
    assert facts.width * facts.vocabulary == model.network.get_output_embeddings().weight.numel()
    assert 2 * facts.width * facts.vocabulary == head_flops(model)
    assert facts.numbers >= sum(p.numel() for p in model.network.parameters())
    in_blocks = sum(p.numel() for block in model.blocks for p in block.module.parameters())
    assert facts.block_bytes * len(model.blocks) == pytest.approx(
        facts.disk_bytes * in_blocks / facts.numbers
    )


@pytest.mark.parametrize("model_id", ["meta-llama/Meta-Llama-3-8B", "EleutherAI/pythia-160m"])
def test_the_hub_tells_what_the_folder_tells_and_no_weights_are_fetched(tmp_path, model_id):
    root = make_content(tmp_path / "hub", models=[model_id])
    with Hub(root) as hub:
        finished = subprocess.run(
            [sys.executable, "-c", ASK, model_id],
            env=client_environment(hub.url, tmp_path / "home", PYTHONPATH=str(ROOT / "workflow")),
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        weights = hub.asked("*.safetensors", "GET")
    assert all(request.range for request in weights)  # headers: the beginnings of the files
    facts = ModelFacts(**json.loads(finished.stdout))
    local = facts_from_folder(root / "models" / model_id)
    assert (facts.sublayers, facts.vocabulary, facts.numbers, facts.active_numbers) == (
        local.sublayers,
        local.vocabulary,
        local.numbers,
        local.active_numbers,
    )
    assert facts.missing_bytes == facts.disk_bytes == local.disk_bytes


def test_what_config_json_leaves_to_the_family_is_told_by_the_embedding(tmp_path):
    folder = make_model(tmp_path, "EleutherAI/pythia-160m")
    config, facts = json.loads((folder / "config.json").read_text()), facts_from_folder(folder)
    config["breadth"] = config.pop("hidden_size")
    del config["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config))
    assert facts_from_folder(folder) == facts
    with pytest.raises(CornerstoneError, match="no width of the hidden states"):
        facts_of(config, {"layers.0.attention.weight": (4, 4)}, 1, 0)


def test_operations_are_the_least_work_of_both_designs_and_the_heads_logits():
    facts = ModelFacts(
        labels=("Attn 0", "FFN 0", "Attn 1", "FFN 1"),
        width=8,
        vocabulary=30,
        numbers=500,
        active_numbers=400.0,
        disk_bytes=1,
        missing_bytes=1,
        block_bytes=0.2,
    )
    tokens = Tokens(10.0, 3.0) + Tokens(5.0, 1.0)
    need = estimate_need(facts, "bfloat16", [(ablation(4), tokens), (windows(4, 2), tokens)])
    least = least_evaluations(ablation(4), 4) + least_evaluations(windows(4, 2), 4)
    assert need.operations == least * 2 * 100 * 15 + (5 + 3) * 2 * 8 * 30 * 4  # each coalition's own logits
    assert (need.coalitions, need.weight_bytes, need.state_bytes) == (5 + 3, 1000, 5 * 8 * 2)
    assert need.hours(need.operations / 3600 / 1e12) == pytest.approx(1.0)


def test_of_local_documents_the_scored_tokens_are_counted():
    data = ROOT / "resources" / "demo" / "documents" / "piqa.jsonl"
    rows = [json.loads(line) for line in data.read_text().splitlines()][:20]
    size = expected_size("piqa", data=data, limit=20)
    assert size.choices == sum(len(f" {row['sol1']} {row['sol2']}") for row in rows) / 20
    assert size.characters > size.choices
    assert _tokens(30, size, together=1) == Tokens(30 * size.characters / 4, 30 * size.choices / 4)
    assert _tokens(30, TaskSize(20, 400.0)) == Tokens(3000, 1500)  # where nobody has counted


def test_a_study_without_a_known_task_needs_no_operations():
    facts = ModelFacts(("Attn 0", "FFN 0", "Attn 1", "FFN 1"), 8, 30, 500, 400.0, 1, 1, 0.0)
    assert estimate_need(facts, "float32", [(ablation(4), Tokens(0, 0))]).operations == 0


def test_cheap_measures_are_one_pass_without_logits_in_which_nothing_is_shared(monkeypatch):
    monkeypatch.chdir(ROOT)
    raw = yaml.safe_load(DEMO)
    size = TaskSize(20, 400.0, 100.0, shared=200.0, sharing=20.0)
    needs = []
    for asked in (False, True):
        study = resolve({**raw, "cheap_measures": asked})
        estimate = _estimate(study, study.models[0], {name: size for name in study.task_names}, [])
        needs.append(estimate.need)
    tokens = len(raw["tasks"]) * 20 * 400 / 4
    assert needs[1].operations - needs[0].operations == pytest.approx(
        2 * estimate.facts.active_numbers * tokens
    )
    assert needs[1].coalitions - needs[0].coalitions == 1


def test_what_documents_share_is_counted_once_for_those_that_go_together():
    size = TaskSize(60, 700.0, 20.0, shared=600.0, sharing=60.0)
    assert _tokens(60, size).in_rows == pytest.approx((60 * 100 + 600) / 4)
    assert _tokens(60, size, together=1).in_rows == 60 * 700 / 4
    assert _tokens(60, size, together=4).in_rows == pytest.approx((60 * 100 + 15 * 600) / 4)


def test_answers_are_counted_by_design_with_the_tokens_of_prompts_and_at_most_their_own(monkeypatch):
    monkeypatch.chdir(ROOT)
    raw = yaml.safe_load(DEMO) | {"estimator": "windows", "corrected": False, "exact": [], "documents": None}
    raw["tasks"] = {"gsm8k": {"generate": True}, "boolq": {}}
    study = resolve(raw)
    sizes = {"gsm8k": TaskSize(20, 400.0, 0.0, answer=256), "boolq": TaskSize(50, 800.0, 40.0)}
    found = _estimate(study, study.models[0], sizes, [])
    given = _estimate(study, study.models[0], {"boolq": sizes["boolq"]}, [])
    assert found.need.operations == given.need.operations and not given.answers
    ablation_of = found.answers["ablation"]
    assert ablation_of == Answers(13 * 20, 13 * 20 * 100, 13 * 20 * 256, read=0.5)
    assert found.answers.keys() == {"ablation", "windows"}
    operations = 2 * found.facts.active_numbers * 13 * 20 * (100 / 2 + 256)
    assert ablation_of.hours(found.facts, 1.0) == pytest.approx(operations / 1e12 / 3600)


def test_the_limit_of_answers_is_the_tasks(tmp_path):
    data = tmp_path / "sums.jsonl"
    data.write_text('{"question": "1 + 1?", "answer": "#### 2"}\n')
    size = expected_size("gsm8k", data=data, shots=0)
    assert (size.documents, size.choices, size.answer) == (1, 0, 256)
