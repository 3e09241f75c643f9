"""Greedy removal: the order that every step's own scores give, found again from what is kept."""

from dataclasses import replace

import numpy as np
import pytest

import fake_engine
from cornerstone.documents.document import read_documents
from cornerstone.evaluations.removal_orders import halves_of
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.greedy import greedy_orders
from fake_engine import LABELS, FakeEngine, documents, write_study

HALVES = halves_of(documents(12), range(12), per_draw=1, seed=4)
STRENGTH = np.array([3.0, 0.4, 1.0, 0.2, 0.7, 0.3])
PAIRS = {(1, 3): 4.0, (0, 5): -1.0}
"""FFN 0 and FFN 1 stand in for one another: each alone costs little, both together much."""


def cost(removed, document):
    """Which sublayer matters depends on the document's half too."""
    own = STRENGTH if document in HALVES[0] else STRENGTH[::-1]
    return sum(own[list(removed)]) + sum(more for pair, more in PAIRS.items() if {*pair} <= {*removed})


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(
        fake_engine,
        "loglikelihood",
        lambda removed, document, choice: -4.0 - (choice == 0) * cost(removed, document),
    )
    made = write_study(tmp_path)
    return replace(
        made, design="greedy", max_removed=None, seed=4, output=tmp_path / "rankings/tiny/boolq.greedy.json"
    )


ONE_EACH = [(sublayer,) for sublayer in range(len(LABELS))]


def by_hand(asked, half, most, sets=ONE_EACH):
    """The mean log-probability of the gold choice among the choices, by its definition. sets: of sublayers, each one
    player."""
    order = []
    for _ in range(most):
        scores = {}
        for player in set(range(len(sets))) - {*order}:
            gone = tuple(sublayer for one in (*order, player) for sublayer in sets[one])
            of_half = []
            for document in asked:
                if document.index in half:
                    gold = -4.0 - cost(gone, document.index)
                    others = (len(document.requests) - 1) * np.exp(-4.0)
                    of_half.append(gold - np.log(np.exp(gold) + others))
            scores[player] = np.mean(of_half)
        order.append(max(sorted(scores), key=scores.get))
    return tuple(order)


def test_each_half_has_the_order_that_its_own_scores_give(job):
    fake = FakeEngine()
    orders = greedy_orders(job, fake.engine(), "logprob", most_removed=4)
    asked = read_documents(job.documents).documents
    assert orders.orders["greedy"] == tuple(by_hand(asked, half, 4) for half in HALVES)
    assert orders.orders["greedy"][0] != orders.orders["greedy"][1]
    assert not {1, 3} <= {*orders.orders["greedy"][0][:2]}  # single removals would take both first
    steps = sum(len(LABELS) - step for step in range(4))
    assert len(fake.asked) == len(set(fake.asked)) == steps * len(asked)


def test_sets_of_sublayers_go_as_one(job):
    setting = {"last": "Block 2", "FFNs": "FFN 0-1", "attention": "Attn 0-1"}
    fake, names = FakeEngine(), list(setting)
    job = replace(job, players=setting)
    orders = greedy_orders(job, fake.engine(), "logprob", most_removed=2)
    asked, sets = read_documents(job.documents).documents, [(4, 5), (1, 3), (0, 2)]
    assert orders.orders["greedy"] == tuple(by_hand(asked, half, 2, sets) for half in HALVES)
    assert orders.labels == tuple(names)
    allowed = {(4, 5), (1, 3), (0, 2), (1, 3, 4, 5), (0, 2, 4, 5), (0, 1, 2, 3)}
    assert {removed for removed, _ in fake.asked} <= allowed


def test_it_goes_on_where_it_stopped(job):
    def stop(done):
        if done == 5:
            raise CornerstoneError("stopped")

    stopped, again, whole = FakeEngine(after_block=stop), FakeEngine(), FakeEngine()
    with pytest.raises(CornerstoneError, match="stopped"):
        greedy_orders(job, stopped.engine(), "logprob", most_removed=3)
    orders = greedy_orders(job, again.engine(), "logprob", most_removed=3)
    elsewhere = replace(job, output=job.output.with_name("other.json"))
    assert orders == greedy_orders(elsewhere, whole.engine(), "logprob", most_removed=3)
    assert 0 < len(again.asked) < len(whole.asked)
    last = FakeEngine()
    assert orders == greedy_orders(job, last.engine(), "logprob", most_removed=3)
    assert (last.asked, last.loads) == ([], 0)
