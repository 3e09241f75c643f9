"""Documents in tokens that share prefixes in every way, and plain forwards of what they ask."""

import random

import numpy as np

from hand_table import removed
from token_documents import VOCABULARY, encoded

LENGTH = 90
"""The most tokens of a request."""


def text(drawn, length):
    return [drawn.randrange(3, VOCABULARY) for _ in range(length)]


def few_shots(count=7, shots=50, seed=0):
    """`count` documents after the same shots: questions of any length, choices of one token and more."""
    drawn = random.Random(seed)
    shared = text(drawn, shots)
    found = []
    for number in range(count):
        context = shared + text(drawn, drawn.randrange(3, 12))
        found.append([(context, text(drawn, 1 if number % 3 else 1 + n)) for n in range(3)])
    return found


def passages(seed=1):
    """A description before passages, each asked several times; one passage is asked once."""
    drawn = random.Random(seed)
    description = text(drawn, 20)
    found = []
    for asked in (3, 2, 1):
        passage = text(drawn, 24)
        found += [[(description + passage + text(drawn, 4), [n]) for n in (5, 6)] for _ in range(asked)]
    return found


def alone(seed=2):
    """Documents that share nothing, one of them of two beginnings."""
    drawn = random.Random(seed)
    ending = text(drawn, 4)
    return [
        [(text(drawn, 30), text(drawn, 2)), (text(drawn, 25), ending)],
        [(text(drawn, 17), ending), (text(drawn, 17), ending)],
    ]


def one_in_another(seed=3):
    """A document whose requests begin another one's; and one whose scored tokens lie where others still agree."""
    drawn = random.Random(seed)
    shared = text(drawn, 40)
    return [
        [(shared[:30], shared[30:32]), (shared[:30], shared[30:31])],
        [(shared, [7]), (shared, [8, 9])],
        [([*shared, 7], [7]), ([*shared, 7], [8])],
    ]


def asked(*parts):
    """The documents of these parts, encoded."""
    return encoded([document for part in parts for document in part], LENGTH)


EVERYTHING = asked(few_shots(), passages(), alone(), one_in_another())


def plain_loglikelihoods(network, document, modules, numbers):
    """By plain forwards of one request each, with hooks that zero what these modules return."""
    import torch

    found = []
    with removed(modules, numbers), torch.inference_mode():
        for request in document.requests:
            logits = network(input_ids=torch.tensor([request.tokens]), use_cache=False).logits[0]
            logprobs = logits[-len(request.targets) :].float().log_softmax(-1)
            found.append(float(logprobs[range(len(request.targets)), list(request.targets)].sum()))
    return np.array(found)
