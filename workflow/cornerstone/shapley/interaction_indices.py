"""Shapley interaction indices of every two sublayers, from per-document pairs of coalitions.

    indices = interaction_indices(games)      # (documents, pairs of sublayers); their mean is the index

The index (Grabisch and Roubens 1999, Int. J. Game Theory 28) is how much more two sublayers are worth together than
one by one, a mean over what else may be there:

    I_ij = Σ_{S ⊆ N∖{i,j}} |S|! (n−|S|−2)! / (n−1)! · (v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S))

Only effects of even order have a share in it. So a pair of coalitions, a set and its complement, enters by half the sum
of its scores, g(S) = (v(S) + v(N∖S)) / 2, of which Shapley values make no use. Regrouped by size as in SVARM-IQ
(Kolpaczki et al. 2024) it is what is known and a mean over all pairs of each size:

    I_ij = (v(N) + v(∅)) / (n−1) + Σ_s mean of w_ij(S) g(S) over pairs with |S| = s

    w_ij(S) = n / (s(s−1))            both in S           all of them twice unless 2s = n
              −n / (s(n−s))           one of them
              n / ((n−s)(n−s−1))      none of them

A document has some pairs of each size, drawn at random, so the mean over these is unbiased for any game. What
can be told of g beforehand is taken out of it and added back where its index is known: a polynomial of order 2 that
documents share, for each of the features of `mixed_effects`, learnt from other documents; and the document's own level,
from its other pairs. The result stays unbiased whatever these tell, and has less variance the more they tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cornerstone.shapley.document_games import DocumentGames, all_pairs
from cornerstone.shapley.mixed_effects import CHUNK, FOLDS, SEED, document_features

MOST_STRONG = 20
"""Sublayers whose products are terms of the polynomial: those whose single removals move the score most."""
COMPONENTS, DOCUMENTS_A_COMPONENT = 4, 20
"""Of what is known of every document: so many where there are documents enough to learn from."""
STEPS = 12
"""Of expectation and maximisation."""
WEAK, LEAST_VARIANCE = 1e4, 1e-9
"""Variances beforehand, in parts of the mean square of g: of a size's mean; the least of all others."""
LEAST_SPREAD = 1e-9
"""Of what is known of documents: less is rounding."""


def interaction_indices(games: DocumentGames) -> np.ndarray:
    """Indices of every two sublayers document by document, (documents, n (n − 1) / 2).

    In the order of `itertools.combinations`. Their mean over documents is unbiased for any games; documents are
    independent draws, coalitions included. A game of fewer than two sublayers has none.
    """
    n = games.n_sublayers
    if n < 2:
        return np.zeros((games.n_documents, 0))
    if n == 2:  # nothing else may be there: all is known
        return (games.full + games.bare - games.without.sum(axis=1))[:, None]
    fold = np.random.default_rng(SEED).permutation(games.n_documents) % FOLDS
    features = document_features(games, min(COMPONENTS, games.n_documents // DOCUMENTS_A_COMPONENT))
    polynomial = _Polynomial(games, fold, features)
    amounts = _amounts(games, games.averages - polynomial.told())
    single = _single_amounts(games, fold, features)
    constant = (games.full + games.bare) / (n - 1)
    first, second = np.triu_indices(n, 1)
    indices = np.empty((games.n_documents, len(first)))
    for places in _chunks(np.arange(games.n_documents)):
        of_each = constant[places, None, None] + polynomial.indices(places)
        of_each += weighted_sums(np.eye(n, dtype=bool), np.ones(n, dtype=np.int64), single[places])
        of_each += weighted_sums(games.sides[places], games.sizes[places], amounts[places])
        indices[places] = of_each[:, first, second]
    return indices


def weighted_sums(sides: np.ndarray, sizes: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Σ w_ij(S) · amount over pairs of coalitions: (…, pairs, n), (…, pairs), (…, pairs) to (…, n, n).

    What stands on the diagonal means nothing.
    """
    both, one, none = (weights[sizes] * amounts for weights in _index_weights(sides.shape[-1]))
    x = np.asarray(sides, dtype=np.float64)
    alone = ((one - none)[..., None, :] @ x)[..., 0, :]
    together = np.swapaxes(x, -1, -2) @ (x * (both - 2 * one + none)[..., None])
    return none.sum(axis=-1)[..., None, None] + alone[..., :, None] + alone[..., None, :] + together


def _index_weights(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """w_ij of pairs by |S| with both, one and none of the two in S, (n // 2 + 1,) each; 0 where there is no such S."""
    sizes = np.arange(n // 2 + 1, dtype=np.float64)
    twice = np.where(2 * sizes == n, 1.0, 2.0)
    counts = sizes * (sizes - 1), -sizes * (n - sizes), (n - sizes) * (n - sizes - 1)
    both, one, none = (
        np.divide(twice * n, of, out=np.zeros_like(sizes), where=(of != 0) & (sizes > 0)) for of in counts
    )
    return both, one, none


def _single_amounts(games: DocumentGames, fold: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The contribution of each pair of one sublayer, (documents, sublayers).

    The score without a sublayer is known. That of the sublayer alone is predicted from other documents, and corrected
    where the document has it.
    """
    predicted = _alone_scores(games, fold, features)
    is_there = ~np.isnan(games.alone)
    missed = np.where(is_there, games.alone - predicted, 0.0) / 2
    count = np.maximum(is_there.sum(axis=1, keepdims=True), 1)
    has = max(is_there.any(axis=1).mean(), 1e-9)
    return (games.without + predicted) / 2 / all_pairs(games.n_sublayers)[1] + missed / count / has


def _alone_scores(games: DocumentGames, fold: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The score of each sublayer alone, predicted for a fold from the documents of the others, (documents, sublayers).

    By ridge regression, for each sublayer, of how far it is above the model without sublayers: on the documents'
    features, that model's score, and what the sublayer's removal alone costs.
    """
    known = np.column_stack([features[:, 1:], games.bare])
    predicted = np.empty_like(games.alone)
    for i in range(games.n_sublayers):
        x = np.column_stack([known, games.full - games.without[:, i]])
        y = games.alone[:, i] - games.bare
        for one in range(FOLDS):
            inside = fold == one
            predicted[inside, i] = _ridge(x, y, ~inside & ~np.isnan(y), inside)
    return games.bare[:, None] + predicted


def _ridge(x: np.ndarray, y: np.ndarray, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """y of the rows `asked`, from those `known` (bool): as strong a pull to their mean as that of one row a column."""
    if not known.any():
        return np.zeros(asked.sum())
    middle, scale, mean = x[known].mean(axis=0), x[known].std(axis=0), y[known].mean()
    centred = (x - middle) / np.where(scale > LEAST_SPREAD, scale, np.inf)
    gram = centred[known].T @ centred[known] + x.shape[1] * np.eye(x.shape[1])
    return mean + centred[asked] @ np.linalg.solve(gram, centred[known].T @ (y[known] - mean))


def _amounts(games: DocumentGames, rest: np.ndarray) -> np.ndarray:
    """The contribution of each pair of two or more sublayers, (documents, pairs); rest is g minus the polynomial.

    A pair is left out, the document's level is that of its others, and what the level misses of the pair stands for all
    pairs of its size that the document has not; of those that it has, each is known. All pairs take turns.
    """
    own = games.sizes > 1
    level = _levels(np.where(own, rest, 0.0), own)
    count = np.take_along_axis(games.of_size, games.sizes, axis=1)
    every, there = all_pairs(games.n_sublayers), (games.of_size > 0).mean(axis=0)
    mean_level = np.zeros_like(level)
    for size in np.unique(games.sizes[own]):
        of_size = games.sizes == size
        mean = (level * of_size).sum(axis=1) / np.maximum(games.of_size[:, size], 1)
        mean_level += of_size * mean[:, None]
    unseen = every[games.sizes] - count
    amounts = (unseen / count * (rest - level) + rest - mean_level) / every[games.sizes]
    return np.where(own, amounts / there[games.sizes], 0.0)


def _levels(rest: np.ndarray, own: np.ndarray) -> np.ndarray:
    """For each pair the mean of the document's other pairs, shrunk by its reliability: (documents, pairs)."""
    count, total = own.sum(axis=1, keepdims=True), rest.sum(axis=1, keepdims=True)
    mean = total / np.maximum(count, 1)
    within = (((rest - mean) * own) ** 2).sum() / max((count - 1).clip(0).sum(), 1)
    between = np.mean(mean**2) - within / max(count.mean(), 1)
    if between <= 0:
        return np.zeros_like(rest)
    evidence = np.maximum(count - 1, 0) + within / between
    return np.divide(total - rest, evidence, out=np.zeros_like(rest), where=own & (evidence > 0))


class _Polynomial:
    """The prediction from other documents of g for two or more sublayers: a mean per size, and products of two signs.

    A sign is +1 for a sublayer in S, else −1, so products are of even order and pairs of coalitions have them. Their
    numbers are linear in a document's features, and drawn to zero as far as makes the scores most likely.
    """

    def __init__(self, games: DocumentGames, fold: np.ndarray, features: np.ndarray) -> None:
        self.games, self.fold, self.features = games, fold, features
        self.sizes = games.n_sublayers // 2 - 1
        effects = np.abs((games.full[:, None] - games.without).mean(axis=0))
        self.strong = np.sort(np.argsort(-effects, kind="stable")[:MOST_STRONG])
        self.first, self.second = np.triu_indices(len(self.strong), 1)
        self.numbers = self._learn()

    @property
    def count(self) -> int:
        return self.sizes + len(self.first)

    def told(self) -> np.ndarray:
        """The prediction for every pair, (documents, pairs)."""
        told = np.zeros(self.games.sizes.shape)
        for places in _chunks(np.arange(self.games.n_documents)):
            told[places] = (self._terms(places) @ self._of_documents(places)[..., None])[..., 0]
        return told

    def indices(self, places: np.ndarray) -> np.ndarray:
        """The part of its indices that pairs of two sublayers and more make up, (documents, n, n)."""
        n = self.games.n_sublayers
        one, other = self.strong[self.first], self.strong[self.second]
        signs = 2.0 * np.vstack([np.zeros(n), np.eye(n)]) - 1
        products = (signs[:, one] * signs[:, other]).T / np.sqrt(len(one))
        whole = np.zeros((len(one), n, n))
        whole[np.arange(len(one)), one, other] = 4 / np.sqrt(len(one))
        single = np.broadcast_to(np.eye(n, dtype=bool), (len(one), n, n))
        of_one = weighted_sums(single, np.ones((len(one), n), dtype=np.int64), products[:, 1:] / n)
        of_each = whole - of_one - 2 / (n - 1) * products[:, :1, None]
        return np.tensordot(self._of_documents(places)[:, self.sizes :], of_each, axes=1)

    def _terms(self, places: np.ndarray) -> np.ndarray:
        """The terms of the documents' pairs, (documents, pairs, terms); 0 for pairs of one sublayer."""
        sizes = self.games.sizes[places]
        signs = 2.0 * self.games.sides[places][..., self.strong] - 1
        products = signs[..., self.first] * signs[..., self.second] / np.sqrt(len(self.first))
        of_size = sizes[..., None] == 2 + np.arange(self.sizes)
        return np.concatenate([of_size, products * (sizes > 1)[..., None]], axis=-1)

    def _of_documents(self, places: np.ndarray) -> np.ndarray:
        """The coefficients of the terms, (documents, terms), fitted without the document's fold."""
        return np.einsum("dq,dqr->dr", self.features[places], self.numbers[self.fold[places]])

    def _learn(self) -> np.ndarray:
        """(folds, features, terms)."""
        sums = [self._equations(self.fold == one) for one in range(FOLDS)]
        gram, moments, square, count = (sum(parts) for parts in zip(*sums, strict=True))
        # Variances are in parts of it. It is 0 where no score ever changes.
        unit = square / max(count, 1) or 1.0
        gram, moments = gram / unit, moments / unit
        prior, noise = self._variances(gram, moments, square / unit, count)
        found = [
            np.linalg.solve(
                (gram - part[0] / unit) / noise + np.diag(1 / prior), (moments - part[1] / unit) / noise
            )
            for part in sums
        ]
        return np.array(found).reshape(FOLDS, self.features.shape[1], self.count)

    def _equations(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
        """The normal equations of some documents, with the sum of squares and the number of pairs.

        A document's level is its own: it is taken for as uncertain as a pair.
        """
        q, wide = self.features.shape[1], self.count
        gram, moments, square, count = np.zeros((q * q, wide * wide)), np.zeros((q, wide)), 0.0, 0
        for places in _chunks(np.flatnonzero(chosen)):
            own = (self.games.sizes[places] > 1).astype(np.float64)
            terms, g = self._terms(places), self.games.averages[places] * own
            pairs = own.sum(axis=1) + 1
            sum_terms, sum_g = terms.sum(axis=1), g.sum(axis=1)
            of_terms = np.swapaxes(terms, 1, 2) @ terms
            of_terms -= sum_terms[:, :, None] * (sum_terms / pairs[:, None])[:, None, :]
            of_g = (g[:, None, :] @ terms)[:, 0] - sum_terms * (sum_g / pairs)[:, None]
            a = self.features[places]
            gram += (a[:, :, None] * a[:, None, :]).reshape(len(a), -1).T @ of_terms.reshape(len(a), -1)
            moments += a.T @ of_g
            square += float((g**2).sum() - (sum_g**2 / pairs).sum())
            count += int(own.sum())
        gram = gram.reshape(q, q, wide, wide).transpose(0, 2, 1, 3).reshape(q * wide, q * wide)
        return gram, moments.ravel(), square, count

    def _variances(
        self, gram: np.ndarray, moments: np.ndarray, square: float, count: int
    ) -> tuple[np.ndarray, float]:
        """The prior variance of each coefficient, and that of the residual: by expectation maximisation."""
        q, wide = self.features.shape[1], self.count
        prior, noise = np.full((q, wide), WEAK), 1.0
        prior[:, self.sizes :] = 1.0
        for _ in range(STEPS):
            inverse = np.linalg.inv(gram / noise + np.diag(1 / prior.ravel()))
            mean = inverse @ moments / noise
            squares = (mean**2 + np.diag(inverse)).reshape(q, wide)[:, self.sizes :]
            prior[:, self.sizes :] = np.maximum(squares.mean(axis=1), LEAST_VARIANCE)[:, None]
            left = square - 2 * mean @ moments + mean @ gram @ mean + (inverse * gram).sum()
            noise = max(left / max(count, 1), LEAST_VARIANCE)
        return prior.ravel(), noise


def _chunks(places: np.ndarray) -> Iterator[np.ndarray]:
    """Some documents at a time."""
    for start in range(0, len(places), CHUNK):
        yield places[start : start + CHUNK]
