"""Answers generated side by side, each without sublayers of its own, are lm-eval's of one request at a time.

lm-eval generates on the model with hooks on modules that were chosen by hand (hand_table). Where two texts part, the
two most likely tokens at that place have to be nearly even, by the model's own forward.
"""

import functools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lm_eval.api.instance import Instance

from cornerstone.documents.document import Document, Generation, Request
from cornerstone.engine.answers import WAYS, answers_of
from cornerstone.engine.calibration import mean_contributions, texts_of
from cornerstone.engine.generate import generate
from cornerstone.engine.removed_rows import RemovedRows
from cornerstone.loading.encoding import Encoder, encode_documents
from cornerstone.loading.load import language_model, load_model
from cornerstone.shapley.coalitions import ForEach
from cornerstone.system.errors import CornerstoneError
from engine_cases import random_documents
from hand_table import players_of, removed
from lm_eval_harness import harness, sublayer_modules, word_tokenizer, zeroed
from plain_means import mean_kept, outlets_of, plain_means
from tiny_families import tiny_network
from token_documents import MAX_LENGTH

RESOURCES = Path(__file__).parents[2] / "resources" / "demo"
LIMIT = 12
UNTIL = ("w7", "w3 w4", "w88")
"""Stop words: of one token, in the midst of other words ("w70"), and of two tokens."""
EVEN = 1e-4


def documents(count=10, limit=LIMIT, until=UNTIL, options="{}"):
    """Prompts of 1 to 26 words."""
    random = torch.Generator().manual_seed(5)
    sizes = [1, 2, 26, *torch.randint(3, 25, (count - 3,), generator=random).tolist()]
    texts = [
        " ".join(f"w{token}" for token in torch.randint(3, 97, (size,), generator=random).tolist())
        for size in sizes
    ]
    generation = Generation(until, limit, options)
    return [
        Document(number, (Request(text, ""),), (0,), (0,), generation=generation, row="{}")
        for number, text in enumerate(texts)
    ]


def test_a_prompt_has_a_token_a_word():
    for one in encode_documents(as_model(network_of("llama"), "llama").encoder, documents()):
        words = [int(word[1:]) for word in documents()[one.index].requests[0].context.split()]
        assert list(one.requests[0].tokens) == words


def alike(count=7, beginning=10, **changes):
    """The same after the same words, without the longest: it would be cut."""
    words = " ".join(f"w{20 + number}" for number in range(beginning))
    asked = [one for one in documents(count + 1, **changes) if one.index != 2]
    return [replace(one, requests=(Request(f"{words} {one.requests[0].context}", ""),)) for one in asked]


def as_model(network, name):
    return language_model(network, Encoder(word_tokenizer(), MAX_LENGTH), name)


def coalitions_of(count):
    """None, single ones, a block, a window, all."""
    return [(), (0,), (count - 1,), (2, 3), tuple(range(1, count - 1)), tuple(range(count))]


def texts_of_lm_eval(network, players, asked, coalition):
    lm = harness(network, word_tokenizer(), batch_size=1, max_length=MAX_LENGTH)
    with removed(players, coalition):
        return lm.generate_until([requested(document) for document in asked], disable_tqdm=True)


def requested(document):
    """As lm-eval has a request."""
    settings = {
        "until": list(document.generation.until),
        "max_gen_toks": document.generation.most_tokens,
        "do_sample": False,
        **json.loads(document.generation.options),
    }
    return Instance("generate_until", {}, (document.requests[0].context, settings), 0)


def gap(network, players, coalition, document, text):
    """Nats between the two most likely tokens after a prompt and the beginning of an answer."""
    tokens = word_tokenizer().encode(f"{document.requests[0].context} {text}".strip())
    with removed(players, coalition), torch.inference_mode():
        logits = network(input_ids=torch.tensor([tokens]), use_cache=False).logits[0, -1]
    first, second = logits.topk(2).values.tolist()
    return first - second


def beginning(one, other):
    """The words that two texts begin with alike."""
    words = []
    for left, right in zip(one.split(), other.split(), strict=False):
        if left != right:
            break
        words.append(left)
    return " ".join(words)


def compare(name, network, asked, rows=None):
    """The texts that part where two tokens are not nearly even; how many part elsewhere; and the result."""
    players = players_of(network, name)
    coalitions = coalitions_of(len(players))
    result = generate(
        as_model(network, name), encode_documents(as_model(network, name).encoder, asked), coalitions
    )
    wrong, even = [], 0
    for number, coalition in enumerate(coalitions):
        for document, wanted, found in zip(
            asked, texts_of_lm_eval(network, players, asked, coalition), result.texts, strict=True
        ):
            if found[number] == wanted:
                continue
            alike = beginning(found[number], wanted)
            if gap(network, players, coalition, document, alike) < EVEN:
                even += 1
            else:
                wrong.append((coalition, document.index, wanted, found[number]))
    return wrong, even, result


@functools.cache
def network_of(name):
    return tiny_network(name)


WAYS_OF = {
    "llama": "side by side, equal states once",
    "mixtral": "side by side, equal states once",
    "gemma2": "side by side, equal states once",
    "gpt_oss": "side by side, equal states once",
    "bloom": "side by side, equal states once",
    "opt": "side by side, equal states once",
    "falcon_h1": "side by side to the end",
    "minimax": "prompts of one length side by side",
    "phi4_multimodal": "prompts of one length side by side, equal states once",
}
"""A structure of each kind, with the way that its answers are its own in."""


@pytest.mark.parametrize("name", ["llama", "gpt_oss", "bloom", "opt", "phi4_multimodal"])
def test_what_all_prompts_begin_with_is_read_once(name, monkeypatch):
    monkeypatch.setattr("cornerstone.engine.generation_check.SHORTEST_BEGINNING", 8)
    wrong, even, result = compare(name, network_of(name), alike())
    assert not wrong
    assert even <= 1
    if name in ("llama", "opt", "bloom"):
        assert str(result.counts["way"]).endswith("the first 10 tokens of all prompts too")


@pytest.mark.parametrize("name", WAYS_OF)
def test_answers_are_those_of_lm_eval(name):
    wrong, even, result = compare(name, network_of(name), documents(count=7))
    assert not wrong
    assert even <= 1
    assert result.counts["answers"] == len(result.coalitions) * 7
    assert result.counts["way"] == WAYS_OF[name]
    assert len({text for texts in result.texts for text in texts}) > 5  # else the claim would be empty


@pytest.mark.parametrize("shortest", [8, 1000])
def test_prompts_are_read_in_the_least_work(monkeypatch, shortest):
    """A sublayer runs once for each set of sublayers that a document is without before it, where one needs it; on what
    all documents begin with, once for all."""
    monkeypatch.setattr("cornerstone.engine.generation_check.SHORTEST_BEGINNING", shortest)
    network = network_of("llama")
    model = as_model(network, "llama")
    encoded = encode_documents(model.encoder, alike(count=4, limit=1))
    count = len(model.sublayers)
    coalitions = [(), *((n,) for n in range(count)), (0, 1), (1, 2), (2, 3, 4), tuple(range(count))]
    result = generate(model, encoded, coalitions)
    least = {
        (sublayer, tuple(n for n in removed if n < sublayer))
        for removed in coalitions
        for sublayer in range(count)
        if sublayer not in removed
    }
    prompts = [document.requests[0].tokens for document in encoded]
    beginning = 10 if shortest == 8 else 0
    own = max(map(len, prompts)) - beginning
    assert result.counts["batches"] == 1
    assert result.counts["sublayer_tokens"] == len(least) * (beginning + own * len(encoded))


def test_a_feed_forward_network_runs_for_the_rows_that_have_it():
    network = network_of("llama")
    model = as_model(network, "llama")
    encoded = encode_documents(model.encoder, documents(count=3, limit=2, until=()))
    ran = []
    module = network.model.layers[1].mlp.down_proj
    hook = module.register_forward_hook(lambda _, given, __: ran.append(tuple(given[0].shape[:2])))
    longest = max(len(document.requests[0].tokens) for document in encoded)
    try:
        generate(model, encoded, [(), (2,), (3,), (1, 3)])
        assert ran[-2:] == [(6, longest), (6, 1)]  # of twelve rows those of two coalitions
        before = len(ran)
        generate(model, encoded, [(3,), (1, 3)])
        assert (6, longest) not in ran[before:]  # but the check's, nothing
    finally:
        hook.remove()


def test_rows_that_have_ended_leave_the_batch_and_the_others_go_on():
    network = network_of("llama")
    asked = documents(count=30, until=("w7", "w1", "w2"), limit=14)
    wrong, _, result = compare("llama", network, asked)
    assert not wrong
    assert result.counts["way"] == "side by side, equal states once"
    ended = [answer.ended for answers in result.answers for answer in answers]
    assert 0.2 < sum(ended) / len(ended) < 0.95
    assert result.counts["limited"] == ended.count(False)
    assert result.counts["tokens"] == sum(len(a.tokens) for answers in result.answers for a in answers)


def test_each_document_may_have_coalitions_of_its_own():
    network = network_of("llama")
    model, asked = as_model(network, "llama"), documents(count=5)
    own = [[(), (1,)], [(0, 2)], [], [(1,), (3, 4), (5,)], [()]]
    result = generate(model, encode_documents(model.encoder, asked), ForEach(own))
    whole = generate(model, encode_documents(model.encoder, asked), sorted({c for each in own for c in each}))
    assert list(map(len, result.texts)) == list(map(len, own))
    for place, coalitions in enumerate(own):
        wanted = dict(zip(whole.coalitions, whole.texts[place], strict=True))
        assert result.texts[place] == [wanted[coalition] for coalition in coalitions]


def test_after_memory_ran_out_smaller_batches_say_the_same(monkeypatch):
    network = network_of("llama")
    model = as_model(network, "llama")
    encoded = encode_documents(model.encoder, documents(count=6))
    wanted = generate(model, encoded, [(), (2,)])
    tried = []

    def little_memory(*arguments):
        rows = arguments[2]
        tried.append(len(rows))
        if len(rows) > 2:
            raise MemoryError
        return answers_of(*arguments)

    monkeypatch.setattr("cornerstone.engine.generate.answers_of", little_memory)
    blocks = []
    found = generate(model, encoded, [(), (2,)], on_block=blocks.append)
    assert found.texts == wanted.texts
    assert tried[:4] == [12, 6, 3, 1]
    assert sum(len(block.documents) for block in blocks) == 12


def test_settings_that_count_tokens_keep_prompts_of_different_lengths_apart():
    network = tiny_network("llama")
    network.generation_config.repetition_penalty = 1.7
    wrong, _, result = compare("llama", network, documents(count=6))
    assert not wrong
    assert result.counts["way"] == "prompts of one length side by side, equal states once"


@pytest.mark.parametrize("options", ['{"no_repeat_ngram_size": 2}', '{"repetition_penalty": 1.5}'])
def test_a_tasks_own_settings_count_as_in_lm_eval(options):
    wrong, _, result = compare("llama", tiny_network("llama"), documents(count=6, options=options))
    plain = compare("llama", tiny_network("llama"), documents(count=6))[2]
    assert not wrong and result.texts != plain.texts


def test_the_models_own_limit_counts_as_in_lm_eval():
    network = tiny_network("llama")
    network.generation_config.max_new_tokens = 3
    wrong, _, result = compare("llama", network, documents(count=4))
    assert not wrong
    assert max(len(answer.tokens) for answers in result.answers for answer in answers) == 3


def test_a_mean_stays_in_every_forward():
    """Against plain decoding without keys and values, under hooks that keep the means."""
    network = network_of("llama")
    model, asked = as_model(network, "llama"), documents(count=5, limit=6, until=("w7",))
    calibration = random_documents(4, seed=5)
    means = mean_contributions(model, calibration, {}, ())
    outlets = outlets_of(network, "llama")
    kept = mean_kept(outlets, plain_means(network, outlets, texts_of(calibration)))
    coalitions = [(), (1,), (0, 3)]
    encoded = encode_documents(model.encoder, asked)
    result = generate(model, encoded, coalitions, means=means)
    for place, coalition in enumerate(coalitions):
        for document, answers in zip(encoded, result.answers, strict=True):
            tokens = list(document.requests[0].tokens)
            with kept(None, coalition), torch.inference_mode():
                for token in answers[place].tokens:
                    logits = network(input_ids=torch.tensor([tokens]), use_cache=False).logits[0, -1]
                    assert logits.max() - logits[token] < EVEN
                    tokens.append(token)


@pytest.mark.parametrize("name", ["demo_llama", "demo_mixtral"])
def test_answers_of_a_trained_model_with_its_own_tokenizer_are_lm_evals(name):
    model = load_model(RESOURCES / "models" / name)
    rows = (RESOURCES / "documents" / "boolq.jsonl").read_text().splitlines()[:5]
    texts = [
        f"{json.loads(row)['passage']}\nQuestion: {json.loads(row)['question']}?\nAnswer:" for row in rows
    ]
    texts += ["One day ", "<s>The cat"]
    generation = Generation(("\n", "."), 10)
    asked = [
        Document(n, (Request(text, ""),), (0,), (0,), generation=generation, row="{}")
        for n, text in enumerate(texts)
    ]
    feed_forward = "mlp" if hasattr(model.network.model.layers[0], "mlp") else "block_sparse_moe"
    modules = sublayer_modules(model.network, "model.layers", ("self_attn",), feed_forward)
    coalitions = [(), (4,), (3, 6, 7)]
    result = generate(model, encode_documents(model.encoder, asked), coalitions)
    lm = harness(model.network, model.encoder.tokenizer, batch_size=1)
    for place, coalition in enumerate(coalitions):
        requests = [requested(document) for document in asked]
        with zeroed(modules, coalition):
            assert [texts[place] for texts in result.texts] == lm.generate_until(requests, disable_tqdm=True)


def test_logits_that_are_no_numbers_are_refused_by_document_and_coalition(monkeypatch):
    network = tiny_network("llama")
    model = as_model(network, "tiny")
    monkeypatch.setattr("cornerstone.engine.generate.choose_way", lambda *_: WAYS[0])
    with torch.no_grad():
        network.model.layers[1].mlp.down_proj.weight.fill_(torch.nan)
    encoded = encode_documents(model.encoder, documents(count=3))
    assert generate(model, encoded, [(3,)]).texts  # without it nothing is wrong
    with pytest.raises(CornerstoneError, match=r"answer to document 2 are no numbers without sublayers \[\]"):
        generate(model, encoded, [(3,), ()])


def test_an_answer_that_does_not_fit_alone_is_refused_in_a_line(monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr("cornerstone.engine.generate.answers_of", no_memory)
    assert "tiny: the answer to document 2 does not fit in memory" in refusal(
        as_model(network_of("llama"), "tiny")
    )


def refusal(model, **changes):
    with pytest.raises(CornerstoneError) as caught:
        generate(replace(model, **changes), encode_documents(model.encoder, documents(count=3)), [()])
    return str(caught.value)


def test_what_cannot_generate_is_refused_in_a_line():
    network = tiny_network("llama")
    model = as_model(network, "tiny")
    assert "tiny: its weights do not fit on cpu, and to stream them" in refusal(
        model, weights=SimpleNamespace(device=torch.device("cpu"))
    )
    network.generation_config.num_beams = 4
    assert "tiny: its generation_config.json asks for 4 beams" in refusal(model)


def test_a_model_whose_answers_side_by_side_are_others_is_refused(monkeypatch):
    network = tiny_network("llama")
    model = as_model(network, "tiny")
    monkeypatch.setattr(RemovedRows, "set", lambda *_: None)  # nothing is removed
    with pytest.raises(CornerstoneError, match=r"the answer to document .* parts by"):
        generate(model, encode_documents(model.encoder, documents(count=6)), [(), (0, 1), (2, 3)])
