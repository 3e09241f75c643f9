"""lm-eval's own log-likelihoods, with removed sublayers zeroed by hooks on modules that the caller names."""

import logging
from contextlib import ExitStack, contextmanager

import numpy as np
import tokenizers
import transformers

from token_documents import VOCABULARY

logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it warns of every truncated request


SPECIAL = {"unk_token": "w0", "bos_token": "w1", "eos_token": "w2"}


def word_tokenizer():
    """A token a word: "w5 w12"."""
    words = {f"w{number}": number for number in range(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    # Else a special token would be found in the midst of a word.
    special = {
        name: tokenizers.AddedToken(word, single_word=True, special=True) for name, word in SPECIAL.items()
    }
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def harness(network, tokenizer=None, batch_size=8, max_length=None):
    from lm_eval.models.huggingface import HFLM

    return HFLM(
        pretrained=network,
        tokenizer=tokenizer or word_tokenizer(),
        softmax_dtype="float32",
        batch_size=batch_size,
        max_length=max_length,
        backend="causal",  # some decoders are of a class that it takes for an encoder with a decoder
    )


def sublayer_modules(network, blocks, mixer, feed_forward):
    """Every sublayer's module in execution order, found by the names given."""
    modules = []
    for block in network.get_submodule(blocks):
        modules += [getattr(block, name) for name in mixer if hasattr(block, name)]
        modules.append(getattr(block, feed_forward))
    return modules


@contextmanager
def zeroed(modules, removed):
    """Zero the outputs of the removed sublayers."""

    def zero(module, arguments, output):
        if isinstance(output, tuple | list):
            return type(output)((output[0] * 0, *output[1:]))
        return output * 0

    with ExitStack() as stack:
        for index in removed:
            stack.callback(modules[index].register_forward_hook(zero).remove)
        yield


def harness_loglikelihoods(lm, modules, pairs, coalitions, without=zeroed):
    """lm-eval's log-likelihoods [coalition][document][choice] of (context, continuation) token ids.

    without(modules, removed): a context within which the network does without some of them.
    """
    requests = [((str(context), str(answer)), context, answer) for d in pairs for context, answer in d]
    ends = np.cumsum([len(document) for document in pairs])[:-1]
    found = []
    for removed in coalitions:
        with without(modules, removed):
            answers = lm._loglikelihood_tokens(requests, disable_tqdm=True)
        found.append(np.split(np.array([loglikelihood for loglikelihood, _ in answers]), ends))
    return found
