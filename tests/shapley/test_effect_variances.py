"""Expectation and maximisation finds the variances that documents were drawn with, from the documents it is given."""

import numpy as np
import pytest

from cornerstone.shapley.document_games import signs
from cornerstone.shapley.document_pairs import document_pairs
from cornerstone.shapley.effect_variances import GroupSums

N, PAIRS, DOCUMENTS = 5, 14, 1500
NOISE = np.array([0.1, 0.3])
SLOPES = np.array([[1.0, 0.5], [0.0, 0.3], [-1.0, 0.0], [0.2, 0.2], [0.0, 0.0]])
SPREAD = np.array([0.6, 0.4, 0.2, 0.5, 0.3])


@pytest.fixture(scope="module")
def sums():
    rng = np.random.default_rng(0)
    features = np.column_stack([np.ones(DOCUMENTS), rng.standard_normal(DOCUMENTS)])
    x = signs(np.stack([document_pairs(N, PAIRS, (document,)) for document in range(DOCUMENTS)]))
    group = rng.integers(-1, 2, (DOCUMENTS, PAIRS))
    effects = features @ SLOPES.T + SPREAD * rng.standard_normal((DOCUMENTS, N))
    h = (x @ effects[..., None])[..., 0] + np.sqrt(NOISE)[group] * rng.standard_normal(group.shape)
    h[group < 0] = 1e3  # no evidence
    found = GroupSums.empty(2, N, features)
    for places in np.array_split(np.arange(DOCUMENTS), 7):
        found.add(places, x[places], h[places], group[places])
    return found


def after(sums, places, steps=60):
    found = sums.start(0.5)
    for _ in range(steps):
        found = sums.step(found, np.array_split(places, 3))
    return found


def test_the_variances_that_documents_were_drawn_with_are_found(sums):
    found = after(sums, np.arange(DOCUMENTS))
    np.testing.assert_allclose(found.noise, NOISE, rtol=0.05)
    np.testing.assert_allclose(found.slopes, SLOPES, atol=0.06)
    np.testing.assert_allclose(found.omega, np.diag(SPREAD**2), atol=0.04)


def test_documents_that_are_not_among_the_chunks_change_nothing(sums):
    some = np.arange(0, DOCUMENTS, 5)
    alone = GroupSums(
        *(getattr(sums, name)[some] for name in ("grams", "moments", "squares", "counts", "features"))
    )
    one, other = after(sums, some, 3), after(alone, np.arange(len(some)), 3)
    for name in ("omega", "noise", "slopes"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12)
