"""Prompts, log-likelihoods and answers under a chat template are those of lm-eval's own evaluation.

lm-eval runs whole: its tasks, its HFLM with apply_chat_template, on a tiny random model with tokenizers of known
families. The tasks have what decides messages and delimiters: a description, the beginning of an answer (gen_prefix)
with and without a space at its end, a context for each choice, a target, an answer that is generated.
"""

import functools
from itertools import product
from pathlib import Path

import lm_eval
import numpy as np
import pytest
import transformers
import yaml
from lm_eval.tasks import TaskManager

from chat_templates import TEMPLATES, THINKING
from cornerstone.documents.document import GENERATED
from cornerstone.documents.tasks import build_documents
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.generate import generate
from cornerstone.loading.chat import written_out
from cornerstone.loading.encoding import Encoder, encode_documents
from cornerstone.loading.load import language_model
from cornerstone.models.chat_template import chosen_template
from families import random_network
from hub import vocabularies
from hub.vocabularies import write_qwen_tokenizer
from lm_eval_harness import harness, sublayer_modules, zeroed
from seldom import only_some

DEMO = Path(__file__).parents[2] / "resources" / "demo" / "documents"
MAX_LENGTH = 2048
COALITIONS = [(), (0, 3)]
COUNT = 3
SYSTEM = "Be brief.\nThink twice. "
CHOICES = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{passage}}\nQuestion: {{question}}?\nAnswer:",
    "doc_to_target": "label",
    "doc_to_choice": ["no", "yes"],
}
TASKS = {
    "choices": CHOICES,
    "described": CHOICES | {"description": "Answer each question.\n\n", "target_delimiter": "\n"},
    "begun": CHOICES | {"gen_prefix": "The answer is", "doc_to_text": "{{passage}} {{question}}?"},
    "begun_with_space": CHOICES | {"gen_prefix": "The answer is: "},
    "contexts": {
        "output_type": "multiple_choice",
        "doc_to_text": "label",
        "doc_to_choice": "{{[passage, passage + ' ' + question]}}",
        "doc_to_target": "{{question}}",
    },
    "target": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{passage}}",
        "doc_to_target": " {{question}}",
    },
    "text": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{passage}}",
        "metric_list": [{"metric": "word_perplexity"}],
    },
    "generated": {
        "output_type": "generate_until",
        "doc_to_text": "{{passage}}\nQuestion: {{question}}?\nAnswer:",
        "doc_to_target": "{{'yes' if label else 'no'}}",
        "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 6, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
}
TASKS["generated_begun"] = TASKS["generated"] | {"gen_prefix": "So"}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A folder of lm-eval tasks with their data; the examples are others than what is asked."""
    folder = tmp_path_factory.mktemp("tasks")
    rows = (DEMO / "boolq.jsonl").read_text().splitlines()
    (folder / "test.jsonl").write_text("\n".join(rows[:COUNT]))
    (folder / "train.jsonl").write_text("\n".join(rows[COUNT:20]))
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    common = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "fewshot_split": "train",
    }
    for name, definition in TASKS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **common, **definition}))
    return folder


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """A folder of each kind of tokenizer."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind, _ in TEMPLATES.values()}
    for kind, folder in folders.items():
        getattr(vocabularies, f"write_{kind}_tokenizer")(folder)
    return folders


@functools.cache
def network_of(size):
    return random_network("LlamaConfig", {"vocab_size": size, "max_position_embeddings": MAX_LENGTH})


def setting_of(template, tokenizers):
    """lm-eval's model and ours, of one tiny network; the tokenizer of ours has no template of its own."""
    kind, template = TEMPLATES[template]
    theirs, own = (transformers.AutoTokenizer.from_pretrained(tokenizers[kind]) for _ in range(2))
    theirs.chat_template, own.chat_template = template, None
    network = network_of(len(own))
    encoder = Encoder(own, MAX_LENGTH, chat_template=template)
    return harness(network, theirs, batch_size=1, max_length=MAX_LENGTH), language_model(
        network, encoder, "tiny"
    )


def samples_of(lm, folder, tasks, way):
    """What lm-eval logs of each document of the tasks, by task."""
    shots, multiturn, system = way
    samples = lm_eval.simple_evaluate(
        lm,
        tasks=list(tasks),
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        num_fewshot=shots,
        system_instruction=system,
        apply_chat_template=True,
        fewshot_as_multiturn=multiturn,
        bootstrap_iters=0,
        log_samples=True,
    )["samples"]
    return {task: sorted(samples[task], key=lambda sample: sample["doc_id"]) for task in tasks}


@functools.cache
def documents_of(folder, task, way):
    shots, multiturn, system = way
    is_generated = TASKS[task]["output_type"] == GENERATED
    arguments = {"include_path": folder, "shots": shots, "generate": is_generated}
    return build_documents(task, **arguments, multiturn=multiturn, system_instruction=system).documents


def assert_prompts_are_the_same(encoder, documents, samples):
    for document, sample in zip(documents, samples, strict=True):
        asked = written_out(document, encoder.tokenizer, encoder.chat_template).requests
        arguments = [tuple(each) for each in sample["arguments"]]
        if document.generation is not None:
            assert [request.context for request in asked] == [context for context, _ in arguments]
        elif document.is_text:
            assert [(request.continuation,) for request in asked] == arguments
        else:
            assert [(request.context, request.continuation) for request in asked] == arguments


def assert_tokens_are_the_same(lm, encoded, samples):
    for document, sample in zip(encoded, samples, strict=True):
        arguments = [] if document.is_text else sample["arguments"]  # windows: see test_texts_against_lm_eval
        for request, asked in zip(document.requests, arguments, strict=False):
            if document.generation is not None:
                ids, _ = lm.tok_batch_encode([asked[0]], left_truncate_len=MAX_LENGTH - 6)
                assert list(request.tokens) == ids[0].tolist()
            else:
                context, continuation = lm._encode_pair(*asked)
                assert list(request.tokens) == (context + continuation)[:-1]
                assert list(request.targets) == continuation


WAYS = {
    f"{shots} shots, {form}, {'a' if system else 'no'} system message": (shots, multiturn, system)
    for shots, (multiturn, form), system in product(
        (0, 2), ((True, "turns"), (False, "one message")), (None, SYSTEM)
    )
}
EACH_TIME = ("0 shots, one message, no system message", "2 shots, turns, a system message")


def without_computing(lm):
    """The same tokenizer and template, and no numbers."""
    lm.loglikelihood = lambda requests, **_: [(0.0, False)] * len(requests)
    lm.loglikelihood_rolling = lambda requests, **_: [0.0] * len(requests)
    lm.generate_until = lambda requests, **_: [""] * len(requests)
    return lm


@pytest.mark.parametrize("way", only_some(WAYS, EACH_TIME))
@pytest.mark.parametrize("template", TEMPLATES)
def test_prompts_and_tokens_are_lm_evals(tasks, tokenizers, template, way):
    lm, model = setting_of(template, tokenizers)
    samples = samples_of(without_computing(lm), tasks, TASKS, WAYS[way])
    for task in TASKS:
        documents = documents_of(tasks, task, WAYS[way])
        assert_prompts_are_the_same(model.encoder, documents, samples[task])
        assert_tokens_are_the_same(lm, encode_documents(model.encoder, documents), samples[task])


def test_what_a_template_is_given_makes_lm_evals_prompts(tasks, tokenizers, tmp_path):
    write_qwen_tokenizer(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(THINKING)
    theirs, own = (transformers.AutoTokenizer.from_pretrained(tmp_path) for _ in range(2))
    lm = without_computing(harness(network_of(len(own)), theirs, batch_size=1, max_length=MAX_LENGTH))
    lm.chat_template_args = given = {"enable_thinking": False}  # as HFLM keeps its argument of this name
    samples = samples_of(lm, tasks, TASKS, (2, True, SYSTEM))
    encoder = Encoder(own, MAX_LENGTH, chat_template=chosen_template(tmp_path, name=True, given=given))
    for task in TASKS:
        assert_prompts_are_the_same(encoder, documents_of(tasks, task, (2, True, SYSTEM)), samples[task])
    assert samples["choices"][0]["arguments"][0][0].endswith("<think>\n\n</think>\n\n")


@pytest.mark.study
@pytest.mark.parametrize("template", ["BOS, stripped", "no system, alternating"])
def test_log_likelihoods_and_answers_are_lm_evals(tasks, tokenizers, template):
    lm, model = setting_of(template, tokenizers)
    modules = sublayer_modules(model.network, "model.layers", ("self_attn",), "mlp")
    way = (2, True, SYSTEM)
    encoded = {task: encode_documents(model.encoder, documents_of(tasks, task, way)) for task in TASKS}
    found = {task: numbers_of(model, documents) for task, documents in encoded.items()}
    for place, removed in enumerate(COALITIONS):
        with zeroed(modules, removed):
            samples = samples_of(lm, tasks, TASKS, way)
        for task, numbers in found.items():
            for own, sample in zip(numbers, samples[task], strict=True):
                assert_is_near(own[place], sample["resps"])


def numbers_of(model, encoded):
    """Log-likelihoods [document][coalition][choice], or texts [document][coalition]."""
    if encoded[0].generation is not None:
        return generate(model, encoded, COALITIONS).texts
    return evaluate(model, encoded, COALITIONS).loglikelihoods


def assert_is_near(own, responses):
    """responses: as lm-eval logs them, a list a request."""
    if isinstance(own, str):
        assert own == responses[0][0]
        return
    theirs = [one[0] if isinstance(one, tuple | list) else one for (one,) in responses]
    np.testing.assert_allclose(own, theirs, atol=1e-4, rtol=2e-6)
