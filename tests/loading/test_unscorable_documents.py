"""Every choice that a tokenizer cannot score is found at once, and these are those that lm-eval fails on."""

import contextlib

import pytest
import tokenizers
import transformers
from lm_eval.api.instance import Instance

from cornerstone.documents.document import Document, Generation, Request
from cornerstone.loading.encoding import (
    Encoder,
    encode_documents,
    find_unscorable,
    load_encoder,
    vocabulary_size,
)
from cornerstone.system.errors import CornerstoneError
from families import family_network
from lm_eval_harness import harness
from token_documents import MAX_LENGTH, VOCABULARY

WORDS = ["<s>", "the", "cat", "sat", "ran", "?"]


def word_tokenizer(*, unknown=None, bos="<s>", normalizer=None):
    """One of a few words, that stops at any other unless there is a word for the unknown."""
    core = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token=unknown)
    )
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    core.normalizer = normalizer
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, bos_token=bos, unk_token=unknown)


def document(index, *requests):
    return Document(index, tuple(Request(*request) for request in requests), (0,), (1,) * len(requests))


GOOD = ("the cat", " sat")
LONG = " sat" * (MAX_LENGTH + 1)
DOCUMENTS = [
    document(4, GOOD, ("the cat", " ran")),
    document(7, GOOD, ("the cat", "")),
    document(2, ("the cat", " "), GOOD, ("the cat", LONG)),
    document(9, ("", "<s>"), ("", " sat")),
    document(11, (" ", " sat"), GOOD),
    document(12, ("the dog", " sat"), GOOD),
    document(13, GOOD, ("the cat", " sang")),
    document(14, ("the cat " * MAX_LENGTH, " sat"), ("the cat", " sat" * MAX_LENGTH)),
]
WITHOUT_UNKNOWN = [(7, 1), (2, 0), (2, 2), (9, 0), (11, 0), (12, 0), (13, 1)]
UNSCORABLE = {"without a word for the unknown": WITHOUT_UNKNOWN, "with one": WITHOUT_UNKNOWN[:5]}
TOKENIZERS = {
    "without a word for the unknown": word_tokenizer(),
    "with one": word_tokenizer(unknown="?"),
}


def found(encoder, documents=DOCUMENTS):
    return [(one.document, one.choice) for one in find_unscorable(encoder, documents)]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_all_of_them_are_found_in_the_order_of_the_documents(name):
    assert found(Encoder(TOKENIZERS[name], MAX_LENGTH)) == UNSCORABLE[name]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_they_are_those_that_lm_eval_fails_on(name):
    lm = harness(family_network("llama"), TOKENIZERS[name], batch_size=1)
    failed = []
    for each in DOCUMENTS:
        for choice, request in enumerate(each.requests):
            instance = Instance("loglikelihood", {}, (request.context, request.continuation), 0)
            fails = True
            with contextlib.suppress(Exception):  # of assert, of torch, of the tokenizer
                lm.loglikelihood([instance], disable_tqdm=True)
                fails = False
            if fails:
                failed.append((each.index, choice))
    assert failed == UNSCORABLE[name]


def test_each_says_why():
    by_place = {
        (one.document, one.choice): one.reason
        for one in find_unscorable(
            Encoder(TOKENIZERS["without a word for the unknown"], MAX_LENGTH), DOCUMENTS
        )
    }
    for place, words in {
        (7, 1): "the continuation '' has no tokens of its own: it is empty",
        (2, 0): "the continuation ' ' has no tokens of its own",
        (2, 2): f"{MAX_LENGTH + 1} tokens, but the model takes at most {MAX_LENGTH}",
        (9, 0): "the continuation '<s>' has no tokens of its own",
        (11, 0): "the context ' ' has no tokens",
        (12, 0): "the tokenizer cannot take 'the dog'",
        (13, 1): "the tokenizer cannot take 'the cat sang'",
    }.items():
        assert words in by_place[place]


def test_a_text_that_the_tokenizer_wipes_away_has_no_tokens():
    wipes = tokenizers.normalizers.Replace(tokenizers.Regex(r"[^\x00-\x7f]+"), "")
    encoder = Encoder(word_tokenizer(normalizer=wipes), MAX_LENGTH)
    assert found(encoder, [document(0, GOOD, ("the cat", " жил")), document(1, GOOD)]) == [(0, 1)]


def test_without_a_token_for_an_empty_context_every_such_choice_is_found():
    encoder = Encoder(word_tokenizer(bos=None), MAX_LENGTH)
    assert found(encoder, [document(5, ("", " sat"), ("", " ran")), document(6, GOOD)]) == [(5, 0), (5, 1)]


def test_a_token_beyond_the_models_embedding_is_found_where_the_config_tells_its_size():
    documents = [document(3, GOOD, ("the cat", " ran")), document(8, GOOD)]
    tokenizer = TOKENIZERS["with one"]
    assert found(Encoder(tokenizer, MAX_LENGTH, vocabulary=4), documents) == [(3, 1)]
    assert found(Encoder(tokenizer, MAX_LENGTH, vocabulary=5), documents) == []
    assert found(Encoder(tokenizer, MAX_LENGTH), documents) == []


def test_the_config_tells_the_size_of_the_embedding(tmp_path):
    network = family_network("llama")
    network.config.save_pretrained(tmp_path)
    TOKENIZERS["with one"].save_pretrained(tmp_path)
    assert load_encoder(tmp_path).vocabulary == network.get_input_embeddings().weight.shape[0] == VOCABULARY
    assert vocabulary_size(transformers.PretrainedConfig(vocab_size=None)) is None
    nested = transformers.PretrainedConfig()
    nested.text_config = transformers.PretrainedConfig(vocab_size=12)
    assert vocabulary_size(nested) == 12


def test_what_is_scorable_is_encoded_as_if_the_others_were_not_there():
    encoder = Encoder(TOKENIZERS["without a word for the unknown"], MAX_LENGTH)
    ill = {index for index, _ in UNSCORABLE["without a word for the unknown"]}
    good = [each for each in DOCUMENTS if each.index not in ill]
    assert [each.index for each in encode_documents(encoder, good)] == [4, 14]
    assert found(encoder, good) == []


def test_a_library_call_names_the_first_dozen_in_one_line():
    many = [document(index, GOOD, ("the cat", "")) for index in range(30)]
    with pytest.raises(CornerstoneError) as caught:
        encode_documents(Encoder(TOKENIZERS["with one"], MAX_LENGTH), many)
    message = str(caught.value)
    assert message.startswith("document 0, choice 1: ") and "document 11, choice 1: " in message
    assert message.endswith("; and 18 more choices") and "\n" not in message


def test_a_prompt_of_one_token_can_be_answered():
    asked = Document(0, (Request("cat", ""),), (0,), (0,), generation=Generation(("\n",), 8), row="{}")
    assert found(Encoder(TOKENIZERS["with one"], MAX_LENGTH, vocabulary=5), [asked]) == []
