"""Documents and continuations as token ids, for tiny models that have no tokenizer."""

import numpy as np

from cornerstone.loading.encoding import EncodedDocument, EncodedRequest
from cornerstone.shapley.coalitions import ablation, windows

VOCABULARY = 97
MAX_LENGTH = 40


def tokens(random, count):
    return [int(token) for token in random.randint(3, VOCABULARY, count)]


def documents_in_tokens():
    """Per document, a list of (context, continuation) in token ids: every shape that tasks have."""
    random = np.random.RandomState(1)
    shared = tokens(random, 12)
    long = tokens(random, MAX_LENGTH + 20)
    start, other_start, ending = tokens(random, 9), tokens(random, 11), tokens(random, 6)
    middle, yes_or_no = tokens(random, 5), tokens(random, 17)
    return [
        [(shared, tokens(random, count)) for count in (3, 5, 2, 7)],
        [(yes_or_no, [5]), (yes_or_no, [6])],
        [(long, tokens(random, count)) for count in (4, 6, 1)],
        [(start, ending), (other_start, ending)],
        [
            (shared, ending),
            (shared, ending),
            (shared, ending[:3]),
            (shared, ending[:2] + middle),
            (shared, [9]),
        ],
        [([1], tokens(random, count)) for count in (1, 2, 9)],
    ]


PAIRS = documents_in_tokens()


def encoded(pairs, max_length=MAX_LENGTH):
    """Documents of (context, continuation) pairs, cut from the left as lm-eval does."""
    return [
        EncodedDocument(
            index,
            tuple(
                EncodedRequest(tuple((context + answer)[-(max_length + 1) :][:-1]), tuple(answer))
                for context, answer in document
            ),
            gold=(0,),
            choice_lengths=(1,) * len(document),
            digest=str(index),
        )
        for index, document in enumerate(pairs)
    ]


def some_coalitions(count):
    """The full model, single removals, windows, and arbitrary ones with emptied blocks; `count` sublayers."""
    arbitrary = [(0, 1, 4), (2, 3), (0, 3, 5), (1, 2, 3, 4), (0, 2, 4), tuple(range(count))]
    return [*ablation(count), *windows(count, 3), *arbitrary]
