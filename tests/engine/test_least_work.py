"""The engine computes each thing once and hands it over once, with nothing installed that it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

import cornerstone.engine.evaluate
from cornerstone.engine.evaluate import evaluate
from engine_cases import DESIGNS, DOCUMENTS, WINDOWS, Kept, least_plain_tokens, least_states, least_tokens
from token_documents import encoded

pytestmark = pytest.mark.usefixtures("checked_once")


@pytest.mark.parametrize("design", DESIGNS)
def test_tree_rows_take_the_least_possible_evaluations(llama, design):
    counts = evaluate(llama, DOCUMENTS, DESIGNS[design]).counts
    assert counts["rows"] == "tree"
    assert counts["row_tokens"] == least_tokens(DOCUMENTS)
    assert counts["evaluations"] == least_tokens(DOCUMENTS) * least_states(DESIGNS[design])
    assert counts["least_evaluations"] == counts["evaluations"]


@pytest.mark.parametrize("design", DESIGNS)
def test_plain_rows_take_the_least_possible_evaluations_of_such_rows(llama, design):
    counts = evaluate(llama, DOCUMENTS, DESIGNS[design], rows="plain").counts
    assert counts["rows"] == "plain"
    assert counts["evaluations"] == least_plain_tokens(DOCUMENTS) * least_states(DESIGNS[design])


@pytest.mark.parametrize("design", ["windows", "exact", "random"])
def test_the_models_own_matrices_see_no_more_than_is_counted(monkeypatch, llama, design):
    """Counted where the model multiplies, by nothing of the engine's."""
    seen = 0

    def count(module, inputs):
        nonlocal seen
        seen += inputs[0].shape[:-1].numel()

    def check_then_count(*arguments):
        nonlocal seen
        kind = choose_rows(*arguments)
        seen = 0
        return kind

    choose_rows = cornerstone.engine.evaluate.choose_rows
    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", check_then_count)
    layers = llama.network.model.layers
    hooks = [
        matrix.register_forward_pre_hook(count)
        for layer in layers
        for matrix in (layer.self_attn.q_proj, layer.mlp.gate_proj)
    ]
    try:
        counts = evaluate(llama, DOCUMENTS, DESIGNS[design]).counts
    finally:
        for hook in hooks:
            hook.remove()
    least = least_tokens(DOCUMENTS) * least_states(DESIGNS[design])
    assert seen == counts["padded_evaluations"]
    print(f"{design}: padding adds {seen / least - 1:.1%}")
    # Few and short documents share a batch at any padding; real ones: tests/engine/test_against_lm_eval.py.
    assert least <= seen < 1.5 * least


def test_documents_of_one_length_need_no_padding(llama):
    documents = encoded([[([n + 3] * 10, [5, 6]), ([n + 3] * 10, [7, 8])] for n in range(9)])
    counts = evaluate(llama, documents, WINDOWS).counts
    assert counts["padded_evaluations"] == counts["evaluations"]


def test_only_scored_positions_become_logits_each_once(llama):
    positions = sum(
        len({r.tokens[: len(r.tokens) - back] for r in d.requests for back in range(len(r.targets))})
        for d in DOCUMENTS
    )
    assert evaluate(llama, DOCUMENTS, WINDOWS).counts["logits"] == positions * len(WINDOWS)


@pytest.mark.parametrize("settings", [{}, {"memory_bytes": 60_000}, {"rows": "plain", "batch_tokens": 150}])
def test_every_coalition_of_every_document_is_handed_over_once(llama, expected, settings):
    kept = Kept()
    evaluate(llama, DOCUMENTS, WINDOWS, on_block=kept, **settings)
    kept.assert_complete(expected)


def test_less_time_between_blocks_makes_smaller_blocks(llama):
    blocks = {}
    for seconds in (1e-6, 1e6):
        blocks[seconds] = []
        evaluate(llama, DOCUMENTS, WINDOWS, seconds_between_blocks=seconds, on_block=blocks[seconds].append)
    assert len(blocks[1e-6]) > 3 * len(blocks[1e6])


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("settings", [{}, {"memory_bytes": 60_000}])
def test_progress_never_falls_and_ends_at_the_total(llama, design, settings):
    calls = []
    evaluate(llama, DOCUMENTS, DESIGNS[design], on_progress=lambda *call: calls.append(call), **settings)
    total = least_tokens(DOCUMENTS) * least_states(DESIGNS[design])
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert {total for _, total in calls} <= {total}
    assert not calls or calls[-1] == (total, total)
    assert calls or not total


ALONE = """
import sys

# What other steps need: importing any of it fails.
for name in ("lm_eval", "datasets", "snakemake", "pandas", "pyarrow", "jsonschema", "matplotlib"):
    sys.modules[name] = None

import transformers
from cornerstone.shapley.coalitions import ablation
from cornerstone.documents.document import Document, Request
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest, Encoder, encode_documents
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.load import language_model, load_model

config = transformers.LlamaConfig(
    vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2,
)
model = language_model(transformers.AutoModelForCausalLM.from_config(config), Encoder(None, 64), "tiny")
requests = (EncodedRequest((3, 4, 5), (6,)), EncodedRequest((3, 4, 7), (7, 8)))
result = evaluate(model, [EncodedDocument(0, requests, (0,), (1, 1), "")], ablation(4))
print(result.loglikelihoods[0].shape)
"""


def test_the_engine_needs_only_torch_and_transformers():
    workflow = Path(__file__).parents[2] / "workflow"
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={"PYTHONPATH": str(workflow), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(5, 2)\n"
