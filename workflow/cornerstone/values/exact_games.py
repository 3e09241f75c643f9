"""Games with every coalition evaluated (the design exact), and so with exact Shapley values.

game = exact_game(scores)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.games import Game, known_by_place, place_of, rounded
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.estimates import document_values
from cornerstone.values.score_matrix import Scores


def exact_games(of_metrics: Sequence[Scores]) -> dict[str, Game]:
    """Metric -> the game of its scores, with the other scores as covariates of the documents."""
    games = {scores.metric: exact_game(scores) for scores in of_metrics}
    known = [known_by_place(game.documents) for game in games.values()]
    covariates = np.concatenate(known, axis=1)
    return {metric: replace(game, covariates=covariates) for metric, game in games.items()}


def exact_game(scores: Scores) -> Game:
    """The game of the mean score over documents. Raises CornerstoneError unless all coalitions were evaluated."""
    n_sublayers = max(map(len, scores.coalitions), default=0)
    if len(scores.coalitions) != 2**n_sublayers:
        raise CornerstoneError(
            f"{len(scores.coalitions)} coalitions were evaluated, and exact values of {n_sublayers} sublayers need "
            f"{2**n_sublayers}: evaluate the design exact"
        )
    documents = np.zeros((2**n_sublayers, len(scores.documents)))
    documents[[place_of(removed) for removed in scores.coalitions]] = scores.matrix
    by_place = documents.mean(axis=1)
    values = document_values(scores, exact_estimator(n_sublayers)).mean(axis=1)
    return Game(by_place, rounded(values, by_place), documents=documents)
