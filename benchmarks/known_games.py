"""Games of any number of sublayers whose Shapley values are known, and documents drawn from them.

    game = known_games(64)["logprob-product"]
    drawn = game.draw(np.random.default_rng(0), 200)
    games_of_documents(drawn.scores, sides)        # what estimators take

Besides the hard games there are three in which documents differ. threshold-product: each sublayer keeps a share of what
the others are worth, and a document is right where the product of the shares of what was removed is above the
document's own threshold. logprob-product: the product itself, of shares that each document has of its own, from what
the whole model gives it, as log-probabilities are. logprob-sum: an additive game of each document's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cornerstone.shapley.document_games import DocumentGames, known_of_documents
from cornerstone.shapley.game_kernel import product_of_others
from hard_games import ProbabilityOf, exact_values, hard_games, mean_game, probabilities

MOST_IN_TABLE = 12
"""Sublayers up to which hard games are drawn whole, so that the values of exactly these documents are known."""
STRONG = (0.3, 0.5, 0.7)
GUESS, KNOWN = 0.25, 0.70
"""Right answers of the bare model, and what the whole one adds."""
SHAPE = 2.0
"""Of the gamma distributions by which documents differ in what a sublayer is worth to them, and the whole model."""
WHOLE = 0.5
"""Minus the mean log-probability of the whole model; without any sublayer it is 1 lower."""

Scores = Callable[[np.ndarray], np.ndarray]
"""Scores without what is removed: bool (documents or 1, coalitions, sublayers) to float64 (documents, coalitions)."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Documents. own: float64 (sublayers,), the Shapley values of exactly these, where they are known."""

    scores: Scores
    own: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class KnownGame:
    """values: float64 (sublayers,), the Shapley values over all documents like those that are drawn."""

    values: np.ndarray
    draw: Callable[[np.random.Generator, int], Drawn]


def known_games(n: int) -> dict[str, KnownGame]:
    """By name. Games that are random in every coalition are there as long as they can be written down."""
    shares, values = drawn_shares(n, np.random.default_rng(0)), hard_values(n)
    if n <= MOST_IN_TABLE:
        values["random"] = exact_values(mean_game(n, "random")[:, None])[0]
        makers = {name: partial(_table, make) for name, make in hard_games(n).items()}
    else:
        makers = {name: partial(_answers, probability) for name, probability in probabilities(n).items()}
    return {
        **{name: KnownGame(values[name], draw) for name, draw in makers.items()},
        "threshold-product": product_of_answers(shares),
        "logprob-product": product_of_log_probabilities(shares),
        "logprob-sum": sum_of_log_probabilities(shares),
    }


def hard_values(n: int) -> dict[str, np.ndarray]:
    """The Shapley values of `probabilities`, in closed form."""
    place, of_all = np.arange(n), {}
    for name in ("majority", "parity"):  # all sublayers are alike
        whole, bare = (probabilities(n)[name](np.full(n, there)) for there in (True, False))
        of_all[name] = np.full(n, (whole - bare) / n)
    hurting = np.where(
        place < 4, np.where(place == 2, 0.5 - 0.3 / 2, np.where(place == 3, -0.3 / 2, 0.0)), 0.02 / n
    )
    keeps = np.concatenate([[0.2, 0.5, 0.7], np.full(n - 3, 0.95)])
    return of_all | {
        "stand-in": np.where(place < 2, 0.3, 0.0),
        "hurting": hurting,
        "product": 0.7 * product_values(keeps),
    }


def product_values(shares: np.ndarray) -> np.ndarray:
    """The Shapley values of products of the shares of what is removed, along the last axis, by the integral over the
    multilinear extension (`game_kernel`)."""
    nodes, weights = np.polynomial.legendre.leggauss(shares.shape[-1] // 2 + 1)
    others = np.zeros(shares.shape)
    for there, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        others += weight * product_of_others(there + (1 - there) * shares)
    return (1 - shares) * others


def drawn_shares(n: int, rng: np.random.Generator) -> np.ndarray:
    """What is kept of what the others are worth, without each, (sublayers,).

    Half of the sublayers together keep about exp(−1); the three strong ones are anywhere.
    """
    shares = np.exp(-rng.exponential(2 / n, n))
    shares[rng.choice(n, len(STRONG), replace=False)] = STRONG
    return shares


def product_of_answers(shares: np.ndarray) -> KnownGame:
    """Right or wrong answers, whose mean over documents is a product of shares, (sublayers,)."""

    def draw(rng: np.random.Generator, documents: int) -> Drawn:
        thresholds = rng.random((documents, 1))
        return Drawn(lambda removed: (thresholds < GUESS + KNOWN * _kept(removed, shares)).astype(np.float64))

    return KnownGame(KNOWN * product_values(shares), draw)


def product_of_log_probabilities(shares: np.ndarray) -> KnownGame:
    """Products of shares that are each document's own powers of these, (sublayers,), of gains of its own."""

    def draw(rng: np.random.Generator, documents: int) -> Drawn:
        powers = _around_one(rng, (documents, len(shares)))
        whole, gain = rng.exponential(WHOLE, (documents, 1)), _around_one(rng, (documents, 1))
        kept = shares**powers
        own = (gain * product_values(kept)).mean(axis=0)
        return Drawn(lambda removed: -whole - gain * (1 - _kept(removed, kept)), own)

    # Powers, gains and sublayers are independent: the mean is the product of the means.
    mean_shares = (1 - np.log(shares) / SHAPE) ** -SHAPE
    return KnownGame(product_values(mean_shares), draw)


def sum_of_log_probabilities(shares: np.ndarray) -> KnownGame:
    """Additive games: the logarithms of such products."""
    amounts = -np.log(shares)

    def draw(rng: np.random.Generator, documents: int) -> Drawn:
        lost = amounts * _around_one(rng, (documents, len(shares)))
        whole = rng.exponential(WHOLE, (documents, 1))
        return Drawn(lambda removed: -whole + np.log(_kept(removed, np.exp(-lost))), lost.mean(axis=0))

    return KnownGame(amounts, draw)


def games_of_documents(scores: Scores, sides: np.ndarray) -> DocumentGames:
    """The scores of per-document pairs, bool (documents, pairs, sublayers)."""
    n = sides.shape[2]
    full, bare = (scores(np.full((1, 1, n), gone))[:, 0] for gone in (False, True))
    without = scores(np.eye(n, dtype=bool)[None])
    without_side = scores(sides)
    # A single removal that is also a side of a pair is evaluated once: where answers are random it has one answer.
    document, pair = np.nonzero(sides.sum(axis=2) == 1)
    without_side[document, pair] = without[document, sides[document, pair].argmax(axis=1)]
    known = known_of_documents(full, bare, without)
    return DocumentGames(full, bare, without, sides, without_side, scores(~sides), known)


def _table(make: Callable[..., np.ndarray], rng: np.random.Generator, documents: int) -> Drawn:
    """Scores of every coalition, drawn beforehand."""
    table, document = make(rng, documents), np.arange(documents)[:, None]
    bits = 1 << np.arange(len(table).bit_length() - 1)
    return Drawn(lambda removed: table[removed @ bits, document], exact_values(table).mean(axis=0))


def _answers(probability: ProbabilityOf, rng: np.random.Generator, documents: int) -> Drawn:
    """Answers that are independent between coalitions."""

    def scores(removed: np.ndarray) -> np.ndarray:
        drawn = rng.random((documents, removed.shape[1]))
        return (drawn < probability(~removed)).astype(np.float64)

    return Drawn(scores)


def _kept(removed: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Products of the shares of what is removed, (documents or 1, coalitions); shares: (sublayers,) or of documents."""
    return np.exp((removed @ np.log(shares)[..., None])[..., 0])


def _around_one(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return rng.gamma(SHAPE, 1 / SHAPE, size)
