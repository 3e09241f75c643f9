"""Our tokens are those that lm-eval's HFLM hands to the model, for real prompts and for odd ones."""

import contextlib

import pytest
import tokenizers
import torch
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import resolve_max_length

from cornerstone.documents.document import Document, Request
from cornerstone.loading.encoding import (
    Encoder,
    encode_documents,
    load_encoder,
    max_input_length,
    prefix_token,
)
from cornerstone.system.errors import CornerstoneError
from families import family_network
from lm_eval_harness import harness
from real_inputs import MODELS, SHARED, TASKS, existing, fitting, real_documents, real_model
from token_documents import MAX_LENGTH

SENTENCES = [
    "The cat sat on the mat, and the other cat ran away.",
    "Question: is the sky blue? Answer: yes. No, it is not!",
    "  two  spaces, tabs\tand lines\n\nin between; 12345 numbers",
]


def byte_tokenizer(bos=None, eos=None, adds_bos=False):
    """A byte-level BPE tokenizer, with or without special tokens."""
    special = [token for token in (bos, eos) if token]
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES, trainer)
    if adds_bos:
        core.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, core.token_to_id(bos))]
        )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, bos_token=bos, eos_token=eos)


TOKENIZERS = {
    "adds BOS": byte_tokenizer("<s>", "</s>", adds_bos=True),
    "has BOS and adds none": byte_tokenizer("<s>", "</s>"),
    "has only EOS": byte_tokenizer(None, "<|endoftext|>"),
    "BOS is EOS": byte_tokenizer("<|endoftext|>", "<|endoftext|>"),
}


class Asked:
    """What HFLM hands to a model for one request: the model's input and the continuation's tokens."""

    def __init__(self, tokenizer, network):
        self.lm = harness(network, tokenizer, batch_size=1)
        self.lm._model_call = self._model_call
        self.answer_with = self.lm._loglikelihood_tokens
        self.lm._loglikelihood_tokens = self._loglikelihood_tokens

    def _model_call(self, inputs):
        self.tokens = tuple(inputs[0].tolist())
        return torch.zeros(*inputs.shape, max(1000, len(self.lm.tokenizer)))

    def _loglikelihood_tokens(self, requests, **settings):
        self.targets = tuple(requests[0][2])
        return self.answer_with(requests, **settings)

    def __call__(self, request):
        """(tokens, targets); None where HFLM fails."""
        instance = Instance("loglikelihood", {}, (request.context, request.continuation), 0)
        with contextlib.suppress(AssertionError, IndexError):
            self.lm.loglikelihood([instance], disable_tqdm=True)
            return self.tokens, self.targets
        return None


ASKED = {name: Asked(tokenizer, family_network("llama")) for name, tokenizer in TOKENIZERS.items()}


def document(*requests, index=0):
    return Document(index, tuple(Request(*request) for request in requests), (0,), (1,) * len(requests))


def ours(encoder, request):
    """(tokens, targets); None where the request is refused."""
    try:
        encoded = encode_documents(encoder, [document((request.context, request.continuation))])
    except CornerstoneError:
        return None
    return encoded[0].requests[0].tokens, encoded[0].requests[0].targets


# Real prompts


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_real_prompts_become_the_tokens_that_lm_eval_uses(name, task):
    model, documents = real_model(name), fitting(real_documents(task).documents[:60], name)
    asked = Asked(transformers.AutoTokenizer.from_pretrained(SHARED / "models" / name), model.network)
    encoded = encode_documents(model.encoder, documents)
    for before, after in zip(documents, encoded, strict=True):
        wanted = [asked(request) for request in before.requests]
        assert [(request.tokens, request.targets) for request in after.requests] == wanted
    longest = max(len(request.tokens) for each in encoded for request in each.requests)
    assert longest <= model.encoder.max_length
    # The passages of boolq are longer than both models take: the claim covers truncation.
    assert longest == model.encoder.max_length or task != "boolq"


@pytest.mark.parametrize("name", MODELS)
def test_the_maximum_length_is_lm_evals(name):
    model = real_model(name)
    encoder = load_encoder(existing(SHARED / "models" / name))
    assert encoder.max_length == harness(model.network, encoder.tokenizer).max_length


# Odd texts

ODD = [
    ("", " yes"),
    ("", "yes"),
    ("", ""),
    ("", "<s>yes"),
    ("", "<s>"),
    ("", "</s>yes"),
    ("", "<|endoftext|> yes"),
    (" ", "yes"),
    ("\n", "yes"),
    ("The cat   ", "sat"),
    ("The cat\n\n", "sat"),
    ("The cat\t ", " sat"),
    ("The cat", ""),
    ("The cat", " "),
    ("The c", "at sat"),
    ("<s>The cat", " sat"),
    ("<s> ", "sat"),
    ("<s>", " sat"),
    (" <s>The cat", " sat"),
    ("<|endoftext|>The cat", " sat"),
    ("The <s> cat", " <s>sat"),
    ("é – 猫 🐈", " ¿qué? 👩‍👩‍👧"),
    ("The cat 👩‍👩‍", "👧 sat"),
    ("a\u0301", "\u0301"),
    ("The cat\u00a0", "sat"),
    ("The cat\u3000\u200b", "sat"),
    ("\x00\x01", "\x00"),
    ("word " * 60, " yes"),
    ("word " * 60, " word" * 10),
    ("", " word" * 12),
    ("The cat", " sat" * MAX_LENGTH),
    ("The cat", "!" * (MAX_LENGTH + 1)),
]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("texts", ODD, ids=lambda texts: ascii(texts)[:40])
def test_odd_texts_become_the_tokens_that_lm_eval_uses(name, texts):
    encoder = Encoder(TOKENIZERS[name], MAX_LENGTH)
    assert ours(encoder, Request(*texts)) == ASKED[name](Request(*texts))


TEXTS = st.lists(
    st.one_of(
        st.sampled_from([" ", "  ", "\n", "<s>", "</s>", "<|endoftext|>", "the", "cat", "."]), st.text()
    ),
    max_size=6,
).map("".join)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(context=TEXTS, continuation=TEXTS)
@example(context="", continuation="<s><s>")
@settings(max_examples=80)
def test_any_text_becomes_the_tokens_that_lm_eval_uses_or_is_refused_where_it_fails(
    name, context, continuation
):
    encoder = Encoder(TOKENIZERS[name], MAX_LENGTH)
    assert ours(encoder, Request(context, continuation)) == ASKED[name](Request(context, continuation))


def test_the_context_of_one_text_does_not_change_another_ones_tokens():
    encoder = Encoder(TOKENIZERS["adds BOS"], MAX_LENGTH)
    documents = [document(texts, index=n) for n, texts in enumerate(ODD[3:4] + ODD[8:10] + ODD[15:22])]
    together = encode_documents(encoder, documents)
    assert together == [encode_documents(encoder, [one])[0] for one in documents]


# Lengths, prefixes, identity


def test_the_maximum_length_is_looked_up_in_lm_evals_order():
    tokenizer = byte_tokenizer("<s>", "</s>")
    for config in (
        transformers.LlamaConfig(max_position_embeddings=77),
        transformers.GPT2Config(n_positions=55),
        transformers.BloomConfig(),
        transformers.Gemma3Config(text_config={"max_position_embeddings": 33}),
        transformers.MptConfig(max_seq_len=99),
    ):
        for unlimited in (tokenizer.model_max_length, 64):
            tokenizer.model_max_length = unlimited
            assert max_input_length(config, tokenizer) == resolve_max_length(config, tokenizer)


def test_the_prefix_token_is_bos_else_eos():
    assert prefix_token(TOKENIZERS["adds BOS"]) == TOKENIZERS["adds BOS"].bos_token_id
    assert prefix_token(TOKENIZERS["has only EOS"]) == TOKENIZERS["has only EOS"].eos_token_id
    assert prefix_token(byte_tokenizer()) is None


def test_a_digest_changes_with_tokens_gold_and_lengths_alone():
    encoder = Encoder(TOKENIZERS["adds BOS"], MAX_LENGTH)
    requests = (Request("The cat", " sat"), Request("The cat", " ran"))
    base = Document(0, requests, (0,), (3, 3))
    others = [
        Document(0, requests[::-1], (0,), (3, 3)),
        Document(0, requests, (1,), (3, 3)),
        Document(0, requests, (0, 1), (3, 3)),
        Document(0, requests, (0,), (3, 4)),
        Document(0, (Request("The dog", " sat"), requests[1]), (0,), (3, 3)),
    ]
    digests = [encode_documents(encoder, [one])[0].digest for one in (base, *others)]
    assert len(set(digests)) == len(digests)
    moved = Document(7, requests, (0,), (3, 3))
    assert encode_documents(encoder, [moved])[0].digest == digests[0]


# Refusals


def refusal(encoder, *documents):
    with pytest.raises(CornerstoneError) as caught:
        encode_documents(encoder, documents)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (("The cat", ""), "has no tokens of its own"),
        (("", ""), "has no tokens of its own"),
        (("", "<s>"), "has no tokens of its own"),
        (
            ("The cat", "!" * (MAX_LENGTH + 1)),
            f"{MAX_LENGTH + 1} tokens, but the model takes at most {MAX_LENGTH}",
        ),
    ],
)
def test_a_continuation_without_tokens_or_with_too_many_names_its_document(texts, reason):
    encoder = Encoder(TOKENIZERS["adds BOS"], MAX_LENGTH)
    good = document(("The cat", " sat"), ("The cat", " ran"), index=4)
    message = refusal(encoder, good, document(("The cat", " sat"), texts, index=23))
    assert message.startswith("document 23, choice 1:")
    assert reason in message


def test_a_context_without_tokens_names_its_document():
    message = refusal(Encoder(TOKENIZERS["has only EOS"], MAX_LENGTH), document((" ", "yes"), index=5))
    assert message.startswith("document 5, choice 0: the context ' ' has no tokens")


def test_an_empty_context_needs_a_prefix_token():
    message = refusal(Encoder(byte_tokenizer(), MAX_LENGTH), document(("", "yes"), index=5))
    assert message.startswith("document 5, choice 0: the context is empty and the tokenizer has neither")


def test_without_any_special_token_other_contexts_are_read():
    encoder = Encoder(byte_tokenizer(), MAX_LENGTH)
    encoded = encode_documents(encoder, [document(("The cat", " sat"))])[0].requests[0]
    assert encoder.tokenizer.decode(encoded.targets) == " sat"


def test_a_folder_without_a_tokenizer_is_refused_in_one_line(tmp_path):
    family_network("llama").config.save_pretrained(tmp_path)
    with pytest.raises(CornerstoneError) as caught:
        load_encoder(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"no tokenizer could be read from {tmp_path}: put tokenizer.json")
    assert "\n" not in message
