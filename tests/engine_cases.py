"""Documents and designs for a tiny model, the least work that they take, and a keeper of what is handed over."""

import random

import numpy as np

from cornerstone.shapley.coalitions import ablation, exact, windows
from token_documents import MAX_LENGTH, encoded

N_SUBLAYERS = 6
WINDOWS = [*ablation(N_SUBLAYERS), *windows(N_SUBLAYERS, 4)]


def random_coalitions(count, seed=0):
    """Coalitions of any size, emptied blocks and the lone embedding among them."""
    drawn = random.Random(seed)
    sizes = [drawn.randrange(N_SUBLAYERS + 1) for _ in range(count)]
    return [tuple(sorted(drawn.sample(range(N_SUBLAYERS), size))) for size in sizes]


DESIGNS = {
    "windows": WINDOWS,
    "exact": exact(N_SUBLAYERS),
    "random": random_coalitions(25),
    "full model": [()],
    "no sublayer": [tuple(range(N_SUBLAYERS))],
}


def random_documents(count, seed=0, longest=MAX_LENGTH):
    """Documents of 2 to 5 choices whose contexts share, in part or not at all."""
    drawn = random.Random(seed)

    def text(length):
        return [drawn.randrange(3, 97) for _ in range(length)]

    pairs = []
    for _ in range(count):
        context = text(drawn.randrange(1, longest - 8))
        choices = drawn.randrange(2, 6)
        own_contexts = drawn.random() < 0.3
        pairs.append(
            [
                (context[: drawn.randrange(len(context))] + text(1) if own_contexts else context, text(n))
                for n in (drawn.randrange(1, 9) for _ in range(choices))
            ]
        )
    return encoded(pairs)


DOCUMENTS = random_documents(30)


def assert_same(result, expected, tolerance=2e-5):
    assert result.coalitions == expected.coalitions
    for ours, theirs in zip(result.loglikelihoods, expected.loglikelihoods, strict=True):
        assert np.abs(ours - theirs).max() < tolerance


def least_tokens(documents):
    """Nodes of each document's own trie: its requests' distinct prefixes."""
    return sum(
        len({request.tokens[:end] for request in d.requests for end in range(1, len(request.tokens) + 1)})
        for d in documents
    )


def least_plain_tokens(documents):
    """Tokens of each document's distinct requests that are no other one's prefix."""
    total = 0
    for document in documents:
        texts = {request.tokens for request in document.requests}
        total += sum(
            len(text) for text in texts if not any(t != text and t[: len(text)] == text for t in texts)
        )
    return total


def least_states(coalitions):
    """Distinct (removed before a sublayer, sublayer) that some coalition with that sublayer needs."""
    return len(
        {
            (frozenset(s for s in removed if s < sublayer), sublayer)
            for removed in coalitions
            for sublayer in range(N_SUBLAYERS)
            if sublayer not in removed
        }
    )


class Kept:
    """What on_block was given."""

    def __init__(self):
        self.pairs = []
        self.numbers = {}

    def __call__(self, block):
        blocks = zip(block.documents, block.coalitions, block.loglikelihoods, strict=True)
        for document, coalitions, table in blocks:
            for removed, numbers in zip(coalitions, table, strict=True):
                self.pairs.append((document, removed))
                self.numbers[document, removed] = numbers

    def assert_complete(self, expected):
        """Every pair came once, with the right numbers."""
        assert len(self.pairs) == len(set(self.pairs))
        assert set(self.pairs) == {(d, c) for d in range(len(DOCUMENTS)) for c in expected.coalitions}
        for place, removed in enumerate(expected.coalitions):
            for document, table in enumerate(expected.loglikelihoods):
                assert np.abs(self.numbers[document, removed] - table[place]).max() < 2e-5
