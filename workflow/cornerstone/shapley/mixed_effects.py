"""Values by a model of the documents' games, corrected so that they are unbiased whatever the model misses.

Half the difference of a pair's scores, h_d(S), is taken for

    h_d(S) = ½ σ(S)·β_d + Σ_r a_dr g_r(S) + e        β_d = B a_d + b_d,   b_d ~ N(0, Ω),   σ_i = ±1: in S or not

an additive game of the document's own around one that its features a_d tell, and patterns g_r that documents share: a
function of S for each feature, a sum of products of three signs (effects of order 2 have no part in h). The features
are 1 and the principal components of what is known of every document: its scores of the whole model, of the one
without any sublayer and without each, and the same in other scores.

The model alone would be biased wherever it is wrong. So each document's pair is left out once, with B and g from other
documents: what the prediction misses of the pair, scaled up to all pairs of its size that the document has not,
corrects the prediction (Breidt and Opsomer 2017, Statistical Science 32, on model-assisted estimators). As a pair is a
random one of those left, the sum is unbiased for any game. Ω and the variances, which weigh evidence, are learnt from
other documents likewise: learnt from all, they biased the largest value by 0.2 to 0.3 % with 50 documents.

Where the model predicts worse than nothing, the values draw near those of `kernel_regression`: the two are mixed in the
proportion of least variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cornerstone.shapley.document_games import DocumentGames, additive_share, all_pairs, mean_weights, signs
from cornerstone.shapley.effect_variances import LEAST_VARIANCE, GroupSums, Variances
from cornerstone.shapley.kernel_regression import FEWEST_DOCUMENTS, Corrected, kernel_regression, unseen_part
from cornerstone.system.progress import Advance, progress

FEWEST_SUBLAYERS = 4
"""Of fewer there are three pairs at most: nothing to learn a model from."""
FOLDS = 4
COMPONENTS = 2
"""Of what is known of every document. More tell nothing more in the demo's games."""
LEAST_COMPONENT = 1e-9
"""Smaller ones are rounding: `covariates` are about 1."""
PATTERN_PAIRS = 200
"""Pairs at which the patterns are anchored."""
LEAST_ANCHOR = 1e-5
"""Of the anchors' largest eigenvalue: smaller ones are left out."""
LEAST_STRENGTH = 1e-6
"""Of the strongest sublayer's."""
STEPS, STEPS_WITHOUT, PATTERN_STEPS = 25, 5, 12
"""Of expectation and maximisation; so many more without the documents of a fold make its variances forget them."""
PATTERNS_WEIGH = 15
"""A pass over all documents with the patterns takes about so many times a step: there are two, for the equations of B
and g and for the values."""
SILENT_FOR = 30.0
"""Seconds: shorter fits show no progress."""
CHUNK = 64
"""Documents that are worked on at once."""
SEED = 20240922


def mixed_effects(games: DocumentGames) -> Corrected:
    """The corrected values; with few documents those of `kernel_regression`."""
    plain = kernel_regression(games)
    scale = float(np.sqrt(np.mean(games.differences**2)))
    if games.n_documents < FEWEST_DOCUMENTS or games.n_sublayers < FEWEST_SUBLAYERS or not scale > 0:
        return plain
    with progress("fit a model of the documents' games", "steps", silent_for=SILENT_FOR) as advance:
        modelled = _Model(games, plain.per_document.mean(axis=0) / scale, scale, advance).corrected()
    return _mixed(plain, modelled)


def _mixed(plain: Corrected, modelled: Corrected) -> Corrected:
    """The mixture of least variance over documents, of all sublayers together."""
    apart = modelled.per_document - plain.per_document
    apart = apart - apart.mean(axis=0)
    away = plain.per_document - plain.per_document.mean(axis=0)
    part = float(np.clip(-(apart * away).sum() / max((apart**2).sum(), 1e-300), 0.0, 1.0))
    return Corrected(
        part * modelled.per_document + (1 - part) * plain.per_document,
        part * modelled.by_pair + (1 - part) * plain.by_pair,
        part * modelled.gap + (1 - part) * plain.gap,
    )


class _Model:
    """The model of some documents' games; see the module. Rows of a document are its pairs."""

    def __init__(self, games: DocumentGames, values: np.ndarray, scale: float, advance: Advance) -> None:
        """values: (sublayers,), about those of all documents, in the unit `scale`."""
        self.games, self.scale = games, scale
        self.advance, self.done = advance, 0
        self.n, self.count = games.n_sublayers, games.n_documents
        rng = np.random.default_rng(SEED)
        self.fold = rng.permutation(self.count) % FOLDS
        self.features = document_features(games)
        self.every = all_pairs(self.n)
        # Sizes of 1, 2, 3 to 4, 5 to 8, … have a variance of e each.
        self.group = np.int64(np.ceil(np.log2(np.maximum(games.sizes, 1))))
        self.h = games.differences / scale
        self.variances, self.without = self._learn_variances()
        self.patterns = _Patterns.of(games, np.diag(self.variances.omega) + values**2, rng)

    def _chunks(self, chosen: np.ndarray, weight: int = 1) -> Iterator[np.ndarray]:
        places = np.flatnonzero(chosen)
        for start in range(0, len(places), CHUNK):
            chunk = places[start : start + CHUNK]
            yield chunk
            self.done += weight * len(chunk)
            passes = 1 + STEPS + (FOLDS - 1) * STEPS_WITHOUT + 2 * PATTERNS_WEIGH
            self.advance(self.done, passes * self.count)

    def _rows(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and h of the pairs of some documents."""
        return signs(self.games.sides[places]), self.h[places]

    def _weights(self, places: np.ndarray, variances: Variances) -> np.ndarray:
        """Of the pairs."""
        return 1 / variances.noise[self.group[places]]

    def _learn_variances(self) -> tuple[Variances, list[Variances]]:
        """From all documents, and for each fold from those of others: a document's own part in Ω would make what is
        predicted of its pair depend on the pair that is left out."""
        whole = np.ones(self.count, dtype=bool)
        sums = GroupSums.empty(int(self.group.max()) + 1, self.n, self.features)
        for places in self._chunks(whole):
            sums.add(places, *self._rows(places), self.group[places])
        variances, without = sums.start(float(np.mean(self.h**2)) / 2), []
        for _ in range(STEPS):
            variances = sums.step(variances, self._chunks(whole))
        for fold in range(FOLDS):
            of_others = variances
            for _ in range(STEPS_WITHOUT):
                of_others = sums.step(of_others, self._chunks(self.fold != fold))
            without.append(of_others)
        return variances, without

    def corrected(self) -> Corrected:
        sums = [self._equations(self.fold == fold) for fold in range(FOLDS)]
        total = [sum(parts) for parts in zip(*sums, strict=True)]
        prior = self._pattern_prior(*total)
        per_document = np.empty((self.count, self.n))
        by_pair = np.zeros((*self.h.shape, self.n))
        for fold, (gram, moments) in enumerate(sums):
            shared = np.linalg.solve(total[0] - gram + np.diag(1 / prior), total[1] - moments)
            shared = shared.reshape(self.features.shape[1], -1)
            for places in self._chunks(self.fold == fold, PATTERNS_WEIGH):
                per_document[places], by_pair[places] = self._values(places, shared, self.without[fold])
        gaps = per_document.sum(axis=1) - self.games.totals / self.scale
        per_document -= gaps[:, None] / self.n
        gap = float(gaps.mean() * self.scale)
        return Corrected(per_document * self.scale, by_pair * self.scale / self.count, gap)

    def _columns(self, x: np.ndarray, places: np.ndarray) -> np.ndarray:
        """x beside the patterns at the rows' pairs: (documents, rows, sublayers + patterns)."""
        return np.concatenate([x, self.patterns.at(x > 0)], axis=2)

    def _equations(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The normal equations of B and g from these documents, Z' V⁻¹ Z and Z' V⁻¹ h."""
        wide = self.n + self.patterns.count
        q = self.features.shape[1]
        gram, moments = np.zeros((q * q, wide * wide)), np.zeros((q, wide))
        inverse = np.linalg.inv(self.variances.omega)
        for places in self._chunks(chosen, PATTERNS_WEIGH):
            (x, h), weights = self._rows(places), self._weights(places, self.variances)
            z = self._columns(x, places)
            weighted = (x * weights[..., None]).transpose(0, 2, 1)
            posterior = np.linalg.inv(weighted @ x + inverse)
            to_z, to_h = weighted @ z, weighted @ h[..., None]
            of_z = (
                z.transpose(0, 2, 1) @ (z * weights[..., None]) - to_z.transpose(0, 2, 1) @ posterior @ to_z
            )
            of_h = (
                z.transpose(0, 2, 1) @ (h * weights)[..., None] - to_z.transpose(0, 2, 1) @ posterior @ to_h
            )
            a = self.features[places]
            gram += (a[:, :, None] * a[:, None, :]).reshape(len(a), -1).T @ of_z.reshape(len(a), -1)
            moments += a.T @ of_h[..., 0]
        gram = gram.reshape(q, q, wide, wide).transpose(0, 2, 1, 3).reshape(q * wide, q * wide)
        return gram, moments.ravel()

    def _pattern_prior(self, gram: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """The variance of each shared number beforehand: that of the patterns is learnt, one for each feature."""
        q, wide = self.features.shape[1], self.n + self.patterns.count
        prior = np.full((q, wide), 1e4)
        prior[:, self.n :] = 0.2
        for _ in range(PATTERN_STEPS if self.patterns.count else 0):
            inverse = np.linalg.inv(gram + np.diag(1 / prior.ravel()))
            squares = ((inverse @ moments) ** 2 + np.diag(inverse)).reshape(q, wide)[:, self.n :]
            prior[:, self.n :] = np.maximum(squares.mean(axis=1), 1e-6)[:, None]
        return prior.ravel()

    def _values(
        self, places: np.ndarray, shared: np.ndarray, variances: Variances
    ) -> tuple[np.ndarray, np.ndarray]:
        """The documents' corrected values, and what each pair adds to their error."""
        (x, h), weights = self._rows(places), self._weights(places, variances)
        z = self._columns(x, places)
        numbers = self.features[places] @ shared
        residual = h - (z @ numbers[..., None])[..., 0]
        weighted = (x * weights[..., None]).transpose(0, 2, 1)
        posterior = np.linalg.inv(weighted @ x + np.linalg.inv(variances.omega))
        own = (posterior @ (weighted @ residual[..., None]))[..., 0]
        left = residual - (x @ own[..., None])[..., 0]
        values = numbers[:, : self.n] + own + numbers[:, self.n :] @ self.patterns.values.T
        return self._correct(places, values, x, left, weights, posterior)

    def _correct(
        self,
        places: np.ndarray,
        values: np.ndarray,
        x: np.ndarray,
        left: np.ndarray,
        weights: np.ndarray,
        posterior: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add what each pair misses when it is left out, size by size.

        left: the residuals of the own pairs. With a pair left out its document's b_d moves by `moved`.
        """
        games, sizes = self.games.some(places), self.games.sizes[places]
        there = (self.games.of_size > 0).mean(axis=0)[sizes]
        count = np.take_along_axis(games.of_size, sizes, axis=1)
        each = 1 / (count * there)
        to_own = x @ posterior
        error = left / (1 - (x * to_own).sum(axis=2) * weights)
        moved = to_own * (weights * error * each)[..., None]
        of_size = (sizes[:, None] == np.arange(len(self.every))[:, None]).astype(np.float64)
        moves = of_size @ moved  # (documents, sizes, sublayers)
        values = values - additive_share(self.n) @ (moves - moves.mean(axis=2, keepdims=True))
        # Of the pairs of a size that the document has, all is known but the one that is left out: what the prediction
        # without it misses of the others is added to what it misses of that pair and, scaled up, of the unseen.
        misses = left / there + (x * np.take_along_axis(moves, sizes[..., None], axis=1)).sum(axis=2)
        unseen = self.every[sizes] - count
        mean_weight = mean_weights(games.sides, sizes)
        parts = (misses + unseen * each * error) / self.every[sizes]
        values = values + np.einsum("dpi,dp->di", mean_weight, parts)
        pairs = mean_weight * (each * error * np.sqrt(unseen_part(games)))[..., None]
        return values, pairs


@dataclass(frozen=True, eq=False)
class _Patterns:
    """Functions h of a pair in which every three sublayers may work together: sums of products σ_i σ_j σ_k, σ = ±1.

    The product of three has the variance w_i w_j w_k beforehand: strong sublayers take part in strong patterns. Of all
    such sums those are taken that tell some drawn pairs, the anchors, apart.

    weights: (sublayers,), w. anchors: ±1 (anchors, sublayers). rotate: (anchors, patterns). values: (sublayers,
    patterns), the patterns' Shapley values.
    """

    weights: np.ndarray
    anchors: np.ndarray
    rotate: np.ndarray
    values: np.ndarray

    @property
    def count(self) -> int:
        return self.rotate.shape[1]

    @classmethod
    def of(cls, games: DocumentGames, strength: np.ndarray, rng: np.random.Generator) -> _Patterns:
        """strength: (sublayers,), mean squares of the documents' additive effects."""
        weights = np.sqrt(np.maximum(strength, LEAST_STRENGTH * strength.max()) + LEAST_VARIANCE)
        whole = np.ones((1, len(weights)))
        weights /= np.cbrt(products_of_three(weights, whole, whole)[0, 0])  # each pair's h has the variance 1
        packed = np.unique(np.packbits(games.sides[games.sizes > 1], axis=1), axis=0)
        pairs = np.unpackbits(packed, axis=1, count=len(weights)).astype(bool)
        anchors = 2 * signs(rng.permutation(pairs)[:PATTERN_PAIRS])
        size, axes = np.linalg.eigh(products_of_three(weights, anchors, anchors))
        kept = size > LEAST_ANCHOR * size.max() if len(size) else np.zeros(0, dtype=bool)
        rotate = axes[:, kept] / np.sqrt(size[kept])
        return cls(weights, anchors, rotate, values_of_three(weights, anchors).T @ rotate)

    def at(self, sides: np.ndarray) -> np.ndarray:
        """The patterns at these pairs: bool (…, sublayers) to float64 (…, patterns)."""
        rows = 2 * signs(sides.reshape(-1, sides.shape[-1]))
        return (products_of_three(self.weights, rows, self.anchors) @ self.rotate).reshape(
            *sides.shape[:-1], self.count
        )


def products_of_three(weights: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The covariance of h of pairs given by ±1, (m, sublayers) and (k, sublayers): the sum over every three of w σ σ'.

    By Newton's identities from sums of powers; that of squares is the same for all pairs.
    """
    sums, cubes = (one * weights) @ other.T, (one * weights**3) @ other.T
    return (sums * (sums * sums - 3 * (weights**2).sum()) + 2 * cubes) / 6  # numpy is slow at cubes


def values_of_three(weights: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Shapley values of the functions that `products_of_three` makes of each anchor, (anchors, sublayers).

    A product of three signs is worth 2 ∫ (2t − 1)² dt = ⅔ to each of the three.
    """
    alone = anchors * weights
    others = alone.sum(axis=1, keepdims=True) - alone
    return 2 / 3 * alone * (others**2 - ((weights**2).sum() - weights**2)) / 2


def document_features(games: DocumentGames, components: int = COMPONENTS) -> np.ndarray:
    """1, and the first principal components of what is known of every document, of mean square 1.

    (documents, 1 + components), fewer where documents do not differ.
    """
    centred = games.covariates - games.covariates.mean(axis=0)
    vectors, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    vectors = vectors[:, :components][:, sizes[:components] > LEAST_COMPONENT]
    return np.column_stack([np.ones(games.n_documents), vectors * np.sqrt(games.n_documents)])
