"""What is left to say of chat templates: names, special tokens before a prompt, and messages that are refused."""

import json

import pytest
import tokenizers
import transformers
from lm_eval.models.huggingface import HFLM

from chat_templates import ENDS_FIRST, NO_SYSTEM_AND_ALTERNATING, SIMPLE
from cornerstone.documents.document import Document, Generation, Request
from cornerstone.loading import chat
from cornerstone.loading.chat import written_out
from cornerstone.loading.encoding import Encoder, encode_documents, find_unscorable
from cornerstone.system.errors import CornerstoneError
from families import random_network
from hub.vocabularies import write_qwen_tokenizer
from lm_eval_harness import harness

OTHER = "{% for message in messages %}{{ message.content | upper }}{% endfor %}"
QUESTION = {"role": "user", "content": "Is it?"}
BEGUN = {"role": "assistant", "content": "It is"}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen")
    write_qwen_tokenizer(folder)
    return folder


@pytest.fixture
def tokenizer(folder):
    return transformers.AutoTokenizer.from_pretrained(folder)


def asked_in(*chats, answer="yes", generation=None):
    """A document with a request for each chat."""
    plain = tuple(Request(f"plain {number}", f" {answer}") for number in range(len(chats)))
    chat = tuple(Request(json.dumps(messages), answer) for messages in chats)
    lengths = (len(answer),) * len(chats)
    return Document(3, plain, (0,), lengths, generation=generation, row=generation and "{}", chat=chat)


def harness_of(tokenizer):
    network = random_network("LlamaConfig", {"vocab_size": len(tokenizer)})
    return harness(network, tokenizer, batch_size=1, max_length=64)


def test_a_template_is_applied_by_its_text_whatever_the_tokenizer_has(tokenizer):
    """lm-eval 0.4.13 takes a name and applies the default all the same, which docs/chat_templates.md says."""
    document = asked_in([QUESTION])
    tokenizer.chat_template = {"default": SIMPLE, "loud": OTHER}
    theirs = harness_of(tokenizer)
    assert theirs.chat_template("loud") == OTHER  # what it logs
    (request,) = written_out(document, tokenizer, OTHER).requests
    assert request.context == "IS IT?" != theirs.apply_chat_template([QUESTION])
    tokenizer.chat_template = OTHER
    assert request.context == harness_of(tokenizer).apply_chat_template([QUESTION])


def only_eos_which_is_added():
    """A tokenizer that has no BOS, and puts EOS before each text."""
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator([], trainer)
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", 0)]
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", pad_token="</s>")


def test_eos_at_the_beginning_is_not_doubled_before_an_answer_that_is_scored_and_is_before_a_generated_one():
    tokenizer = only_eos_which_is_added()
    tokenizer.chat_template = ENDS_FIRST
    lm, encoder = harness_of(tokenizer), Encoder(tokenizer, 64, chat_template=ENDS_FIRST)
    prompt = lm.apply_chat_template([QUESTION])
    (scored,) = encode_documents(encoder, [asked_in([QUESTION])])
    context, continuation = lm._encode_pair(prompt, "yes")
    assert list(scored.requests[0].tokens) == (context + continuation)[:-1]
    assert scored.requests[0].tokens[:2].count(tokenizer.eos_token_id) == 1
    (generated,) = encode_documents(encoder, [asked_in([QUESTION], generation=Generation((), 4))])
    ids, _ = lm.tok_batch_encode([prompt])
    assert list(generated.requests[0].tokens) == ids[0].tolist()
    assert generated.requests[0].tokens[:2].count(tokenizer.eos_token_id) == 2


def test_a_system_message_that_the_template_does_not_take_is_left_out_and_told_once(tokenizer, capsys):
    documents = [asked_in([SYSTEM, QUESTION]), asked_in([SYSTEM, QUESTION, BEGUN, QUESTION])]
    without = [asked_in([QUESTION]), asked_in([QUESTION, BEGUN, QUESTION])]
    encoder = Encoder(tokenizer, 64, chat_template=NO_SYSTEM_AND_ALTERNATING)
    chat._tell_once.cache_clear()  # another test may have been told
    assert encode_documents(encoder, documents) == encode_documents(encoder, without)
    assert capsys.readouterr().err.count("takes no system message, which is left out") == 1


def test_messages_that_the_template_refuses_are_unscorable_and_lm_eval_fails_on_them(tokenizer):
    documents = [asked_in([QUESTION], [QUESTION, QUESTION]), asked_in([QUESTION])]
    encoder = Encoder(tokenizer, 64, chat_template=NO_SYSTEM_AND_ALTERNATING)
    (found,) = find_unscorable(encoder, documents)
    assert (found.document, found.choice) == (3, 1)
    assert "does not take its messages" in found.reason and "roles must alternate" in found.reason
    with pytest.raises(CornerstoneError, match="document 3, choice 1: the chat template"):
        encode_documents(encoder, documents)
    tokenizer.chat_template = NO_SYSTEM_AND_ALTERNATING
    with pytest.raises(Exception, match="roles must alternate"):
        HFLM.apply_chat_template(harness_of(tokenizer), [QUESTION, QUESTION])


def test_a_begun_answer_that_the_template_drops_is_unscorable(tokenizer):
    template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
    (found,) = find_unscorable(Encoder(tokenizer, 64, chat_template=template), [asked_in([QUESTION, BEGUN])])
    assert "final message does not appear" in found.reason


def test_a_document_without_messages_is_refused_and_a_whole_text_needs_none(tokenizer):
    encoder = Encoder(tokenizer, 64, chat_template=SIMPLE)
    with pytest.raises(CornerstoneError, match="document 3 has no messages for a chat template: build"):
        encode_documents(encoder, [Document(3, (Request("a", " b"),), (0,), (1,))])
    text = Document(3, (Request("", "Is it?"),), (0,), (6,), 2, 6)
    assert encode_documents(encoder, [text]) == encode_documents(Encoder(tokenizer, 64), [text])
