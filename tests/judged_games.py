"""Claims on games whose truth is known, and claims and scores that are there for one test."""

from contextlib import contextmanager
from unittest.mock import patch

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.judged import claims_table, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.values.titles import Titles

SIX = ("boolq", "arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa")
NOTHING = [0.0] * 13
TITLES = Titles({"small": "Small", "large": "Large"}, {"piqa": "PIQA"})


def one_model(knock, tasks=("piqa",), *, top_k=3, ids=None, **keys):
    """A study of one model to test; keys go to `known_task`."""
    games = [synthetic.known_task(knock, task=task, seed=t, **keys) for t, task in enumerate(tasks)]
    return Tested(synthetic.results(games, top_k), ids or {})


def verdict(claim, *arguments, **keys):
    return CLAIMS[claim].finding(one_model(*arguments, **keys)).verdict


def texts(tested):
    table = claims_table(tested, judge_claims(tested), TITLES)
    return {claim: " ".join(rows["finding"]) for claim, rows in table.groupby("claim")}


@contextmanager
def registering(registry, entry):
    """The registry has one entry more meanwhile."""
    len(registry)  # imports every module of its package first
    with patch.dict(registry._entries), patch.dict(registry._files):
        registry.register(entry)
        yield
